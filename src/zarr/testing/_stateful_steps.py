"""What the state machines of stores and of hierarchies have in common."""

from __future__ import annotations

import random
import sys
from collections.abc import Callable, Collection
from typing import TYPE_CHECKING, Any, TypeVar

from hypothesis.stateful import precondition

from zarr.storage import LocalStore

if TYPE_CHECKING:
    from zarr.abc.store import Store

F = TypeVar("F", bound=Callable[..., Any])


def split_prefix_name(path: str) -> tuple[str, str]:
    """Split the path of a node.

    Parameters
    ----------
    path : str
        Names with ``/`` between them; empty for the root.

    Returns
    -------
    tuple of (str, str)
        The path of the parent, empty for a child of the root, and the name.
    """
    prefix, _, name = path.rpartition("/")
    return prefix, name


def above(path: str) -> list[str]:
    """Return the folders that a key or a node lies in, the root left out."""
    return [path[:at] for at, character in enumerate(path) if character == "/"]


def folded(store: Store, path: str) -> str:
    """Return what a path has in common with all paths that a store may take it for.

    The file systems of macOS and Windows keep one file under names that differ in case alone.
    """
    is_forgiving = isinstance(store, LocalStore) and sys.platform in ("darwin", "win32")
    return path.lower() if is_forgiving else path


def check_names(
    found: list[str], expected: Collection[str], prefix: str, is_empty: Callable[[str], bool]
) -> None:
    """Check what a store lists in a folder.

    Parameters
    ----------
    found : list of str
        The names that `Store.list_dir` gave.
    expected : collection of str
        The names that come from keys. Beyond them there may be folders that no key lies in.
    prefix : str
        The folder; empty for the root.
    is_empty : callable
        Tells of a folder in the store whether no key lies in it.

    Raises
    ------
    AssertionError
        If a name is missing, comes twice, or stands for nothing.
    """
    assert len(found) == len(set(found)), (prefix, found)
    assert set(expected) <= set(found), (prefix, set(expected) - set(found))
    for name in set(found).difference(expected):
        assert is_empty(f"{prefix}/{name}".lstrip("/")), (prefix, name)


def with_frequency(frequency: float) -> Callable[[F], F]:
    """Return a decorator that makes a rule of a state machine rarer than the others.

    Each time a step is chosen, chance decides whether the rule is among those to choose from.
    Hypothesis seeds `random` for each run, so that it can be repeated, and always alike unless the
    machine draws from `hypothesis.strategies.random_module` when it is initialized.

    Parameters
    ----------
    frequency : float
        In how many of these cases it is, from 0 for never to 1 for always.

    Raises
    ------
    ValueError
        If it is out of this range.
    """
    if not 0 <= frequency <= 1:
        raise ValueError(f"A frequency lies between 0 and 1. Got {frequency!r}.")

    def decorate(function: F) -> F:
        limited: F = precondition(lambda _: random.random() < frequency)(function)
        return limited

    return decorate

"""Helpers shared by the state machines of stores and of hierarchies."""

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
    """Split the path of a node into the path of the parent and the name of the node.

    Parameters
    ----------
    path : str
        Path of the node: names separated by ``/``; empty for the root.

    Returns
    -------
    tuple of (str, str)
        The path of the parent, which is empty for a child of the root, and the name of the node.
    """
    prefix, _, name = path.rpartition("/")
    return prefix, name


def above(path: str) -> list[str]:
    """Return the folders above a key or a node, excluding the root."""
    return [path[:at] for at, character in enumerate(path) if character == "/"]


def folded(store: Store, path: str) -> str:
    """Return a path in lower case if the store ignores case; else return the path unchanged.

    `LocalStore` ignores case on macOS and Windows, because their file systems by default treat
    names that differ only in upper and lower case as equal.
    """
    is_forgiving = isinstance(store, LocalStore) and sys.platform in ("darwin", "win32")
    return path.lower() if is_forgiving else path


def check_names(
    found: list[str], expected: Collection[str], prefix: str, is_empty: Callable[[str], bool]
) -> None:
    """Check the names that a store lists in a folder.

    Parameters
    ----------
    found : list of str
        Names from `Store.list_dir`.
    expected : collection of str
        Names that must be in `found`. Any additional name in `found` must be the name of a folder
        without keys.
    prefix : str
        Path of the folder; empty for the root.
    is_empty : callable
        Function that takes the path of a folder, and returns whether the folder contains no keys.

    Raises
    ------
    AssertionError
        If an expected name is missing, if a name appears twice, or if `is_empty` returns False for
        an additional name.
    """
    assert len(found) == len(set(found)), (prefix, found)
    assert set(expected) <= set(found), (prefix, set(expected) - set(found))
    for name in set(found).difference(expected):
        assert is_empty(f"{prefix}/{name}".lstrip("/")), (prefix, name)


def with_frequency(frequency: float) -> Callable[[F], F]:
    """Return a decorator that makes a rule of a state machine run less often than other rules.

    Each time a step is chosen, a random draw decides whether the rule is a candidate. Hypothesis
    seeds `random` for each run, so that the run can be repeated. The seed is always the same unless
    an `initialize` rule of the machine draws from `hypothesis.strategies.random_module`.

    Parameters
    ----------
    frequency : float
        Probability that the rule is a candidate for a step, from 0 (never) to 1 (always).

    Raises
    ------
    ValueError
        If `frequency` is not between 0 and 1.
    """
    if not 0 <= frequency <= 1:
        raise ValueError(f"A frequency lies between 0 and 1. Got {frequency!r}.")

    def decorate(function: F) -> F:
        limited: F = precondition(lambda _: random.random() < frequency)(function)
        return limited

    return decorate

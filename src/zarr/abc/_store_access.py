"""Which methods of a store stand for which others: how it may be read and written.

A store has several ways to do one thing: `get` and `get_sync`, one value and many, `delete` and
`delete_dir`. What a class
inherits was written for the methods it was inherited with. So of two ways the one that was
overridden last is meant, and stands for the other: the more derived class wins, a method that was
patched wins over those of its class, and one that was set on the object over all of the class.
"""

from __future__ import annotations

import operator
from dataclasses import dataclass
from types import MethodType
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from zarr.abc.store import Store

# What is made of one method unless a class says how it does it better.
_DERIVED = {
    "get": ("get_many", "get_ranges", "get_partial_values"),
    "get_sync": ("get_ranges_sync", "_get_many_in_thread"),
    "delete": ("delete_dir", "clear"),
    "delete_sync": ("delete_dir", "clear"),
    "delete_dir": ("clear",),
}

# What each method of the calling thread replaces, where it is no less derived than all of these.
_REPLACED_BY = {
    "get_sync": ("get", "get_many", "get_ranges", "get_partial_values"),
    "set_sync": ("set",),
    "delete_sync": ("delete",),
}

_METHODS = tuple(
    dict.fromkeys(
        (
            *_REPLACED_BY,
            *(name for names in _REPLACED_BY.values() for name in names),
            *_DERIVED["get_sync"],
            *_DERIVED["delete"],
        )
    )
)
_NAMES = frozenset(_METHODS)


@dataclass(frozen=True, slots=True)
class StoreAccess:
    """How a store may be read and written.

    Parameters
    ----------
    reads_in_thread : bool
        Whether a thread that waits may read by `get_sync`, without the event loop.
    writes_in_thread : bool
        Whether it may do all by `get_sync`, `set_sync` and `delete_sync`.
    never_waits : bool
        Whether coroutines of the store wait for nothing but what the calling thread may do itself.
    overridden : frozenset of str
        Methods that do not stand for what they are derived from, as that was patched: they have to
        be derived anew.
    """

    reads_in_thread: bool
    writes_in_thread: bool
    never_waits: bool
    overridden: frozenset[str]


def settle_access(cls: type[Store]) -> None:
    """Give a class of stores its record, and back what is derived from a method it overrides."""
    for single, derived in _DERIVED.items():
        for name in derived:
            if position(cls, single) < position(cls, name) and not _is_default(cls, name):
                setattr(cls, name, cls._derived[name])
    cls._find_methods = operator.attrgetter(*[name for name in _METHODS if hasattr(cls, name)])
    cls._methods = cls._find_methods(cls)
    cls._access = _judge(cls, (), ())


def access_of(store: Store) -> StoreAccess:
    """Return how a store may be read and written.

    That is the record of its class, unless a method was patched since the class was made, or set
    on the object.
    """
    cls = type(store)
    members = getattr(store, "__dict__", {})
    # Asked several times for every read, so in two calls of C.
    if cls._methods == cls._find_methods(cls) and _NAMES.isdisjoint(members):
        return cls._access
    patched = [name for name in _METHODS if _is_patched(cls, name)]
    return _judge(cls, patched, [name for name in _METHODS if name in members])


def read_method(store: Any, name: str, access: StoreAccess | None = None) -> Callable[..., Any]:
    """Return a method of a store that reads or deletes, and that others derive from another one.

    Where `get`, `get_sync` or `delete` was patched, that means every read and every deletion, as
    an override does. The method is then derived anew.

    Parameters
    ----------
    store : Store or object
        The store.
    name : str
        Name of the method.
    access : StoreAccess or None
        What `access_of` has returned for the store; None to ask it.
    """
    if access is None and isinstance(getattr(store, "_access", None), StoreAccess):
        access = access_of(store)
    if access is not None and name in access.overridden:
        return MethodType(store._derived[name], store)
    return cast("Callable[..., Any]", getattr(store, name))


def _judge(
    cls: type[Store], patched: Collection[str], of_the_object: Collection[str]
) -> StoreAccess:
    """Work out the record of a class, or of an object that differs from it."""

    def distance(name: str) -> float:
        """Return how far away a method is defined: the least number is the latest override."""
        if name in of_the_object:
            return -1
        return position(cls, name) - (0.5 if name in patched else 0)

    # Of two methods of one class that of the calling thread is used, except by a store that goes
    # by `get_many` if it can.
    is_no_farther = operator.lt if cls._prefers_get_many else operator.le
    in_thread = {
        name: (hasattr(cls, name) or name in of_the_object)
        and all(is_no_farther(distance(name), distance(other)) for other in others)
        for name, others in _REPLACED_BY.items()
    }
    return StoreAccess(
        reads_in_thread=in_thread["get_sync"],
        writes_in_thread=all(in_thread.values()),
        # Said of the class alone: what derives from it, or was put into its place, may wait.
        never_waits=not (vars(cls).get("_coroutines_wait", True) or patched or of_the_object),
        overridden=frozenset(
            name
            for single, derived in _DERIVED.items()
            for name in derived
            if distance(single) < distance(name) and not _is_default(cls, name)
        ),
    )


def _is_default(cls: type[Store], name: str) -> bool:
    """Tell whether a method that deletes is that of all stores, which calls `delete` as it is."""
    place = position(cls, name)
    return name in _DERIVED["delete"] and (
        place == len(cls.__mro__) or "_derived" in vars(cls.__mro__[place])
    )


def _is_patched(cls: type, name: str) -> bool:
    """Tell whether the class that defines a method had another one when it was made."""
    definer: Any = next((base for base in cls.__mro__ if name in vars(base)), None)
    made_with = vars(definer).get("_methods") if definer is not None else None
    return made_with is not None and getattr(definer, name) not in made_with


def position(cls: type, name: str) -> int:
    """Return the position in the method resolution order of the class that defines a method."""
    return next((i for i, base in enumerate(cls.__mro__) if name in vars(base)), len(cls.__mro__))

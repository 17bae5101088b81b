"""Choose between equivalent methods of a store: the most-derived override wins.

A store has several methods for one purpose: `get`, `get_sync` and `get_many`, or `delete` and
`delete_dir`. If a subclass overrides only one of these methods, the inherited equivalents would
bypass that override. For this reason, the override in the most-derived class is used in place of
its equivalents. A method that was patched after class creation takes precedence over the other
methods of its class. A method set on an instance takes precedence over all methods of the class.
"""

from __future__ import annotations

import operator
from dataclasses import dataclass
from types import MethodType
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from zarr.abc.store import Store

# Maps each primitive method to the methods that are derived from it by default. If a subclass
# overrides the primitive method but not the derived method, the derived method is derived again
# from the override. The methods `delete_dir` and `clear` that `Store` defines are not derived
# again.
_DERIVED = {
    "get": ("get_many", "get_ranges", "get_partial_values"),
    "get_sync": ("get_ranges_sync", "_get_many_in_thread"),
    "delete": ("delete_dir", "clear"),
    "delete_sync": ("delete_dir", "clear"),
    "delete_dir": ("clear",),
}

# Maps each synchronous method to its asynchronous equivalents. A blocking caller may use the
# synchronous method, unless a more-derived class defines one of the asynchronous equivalents.
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
_RECORDED = (*_METHODS, "set_if_not_exists")  # methods for which a patch is detected


@dataclass(frozen=True, slots=True)
class StoreAccess:
    """Flags that determine which methods are used to read and write a store.

    Parameters
    ----------
    reads_in_thread : bool
        Whether a blocking caller may read with `get_sync`, instead of a coroutine on the event
        loop.
    writes_in_thread : bool
        Whether a blocking caller may use `get_sync`, `set_sync` and `delete_sync` for reading,
        writing and deleting values, instead of coroutines on the event loop.
    never_waits : bool
        Whether coroutines of the store can run in the calling thread, because they never depend on
        an event loop.
    overridden : frozenset of str
        Names of outdated methods. A method is outdated if the primitive method from which it is
        derived by default was patched after class creation, or was set on the instance. An outdated
        method is derived again before it is used.
    """

    reads_in_thread: bool
    writes_in_thread: bool
    never_waits: bool
    overridden: frozenset[str]


def settle_access(cls: type[Store]) -> None:
    """Determine the `StoreAccess` of a new store class.

    If the class overrides a primitive method such as `get`, methods like `get_many` are derived
    again from the override.
    """
    for single, derived in _DERIVED.items():
        for name in derived:
            if position(cls, single) < position(cls, name) and not _is_default(cls, name):
                setattr(cls, name, cls._derived[name])
    cls._find_methods = operator.attrgetter(*[name for name in _METHODS if hasattr(cls, name)])
    cls._methods = cls._find_methods(cls)
    cls._defined = {name: vars(cls)[name] for name in _RECORDED if name in vars(cls)}
    cls._access = _judge(cls, (), ())


def access_of(store: Store) -> StoreAccess:
    """Return the `StoreAccess` of a store.

    The result is memoized on the class. It is computed again if a method was patched after class
    creation, or if a method was set on the instance.
    """
    cls = type(store)
    members = getattr(store, "__dict__", {})
    # This function is called several times per read. For speed, it uses functions written in C to
    # detect changed methods. Methods are compared with `is` and not with `==`: if a method was
    # replaced by a mock, the mock would record each comparison with `==` as a call.
    unchanged = all(map(operator.is_, cls._methods, cls._find_methods(cls)))
    if unchanged and _NAMES.isdisjoint(members):
        return cls._access
    patched = [name for name in _METHODS if _is_patched(cls, name)]
    return _judge(cls, patched, [name for name in _METHODS if name in members])


def read_method(store: Any, name: str, access: StoreAccess | None = None) -> Callable[..., Any]:
    """Return the method of a store that has the given name.

    If a primitive method such as `get` was patched after class creation, the methods that are
    derived from the primitive method are derived again. Therefore a patched `get` applies to every
    read, a patched `get_sync` applies to every read in the calling thread, and a patched `delete`
    applies to every deletion. An override in a subclass has the same effect.

    Parameters
    ----------
    store : object
        The store.
    name : str
        Name of a method that reads or deletes, such as ``"get_many"``.
    access : StoreAccess or None
        The result of `access_of` for the store. If `access` is None and the store has a
        `StoreAccess`, this function calls `access_of`.
    """
    if access is None and isinstance(getattr(store, "_access", None), StoreAccess):
        access = access_of(store)
    if access is not None and name in access.overridden:
        return MethodType(store._derived[name], store)
    return cast("Callable[..., Any]", getattr(store, name))


def _judge(
    cls: type[Store], patched: Collection[str], of_the_object: Collection[str]
) -> StoreAccess:
    """Compute the `StoreAccess` of a class, or of an instance on which methods are set."""

    def distance(name: str) -> float:
        """Return the MRO distance of a method; the most-derived override has the smallest one."""
        if name in of_the_object:
            return -1
        return position(cls, name) - (0.5 if name in patched else 0)

    # If the same class defines a synchronous method and its asynchronous equivalent, the
    # synchronous method is used by default. If `_prefers_get_many` is True, the asynchronous
    # method is used instead.
    is_no_farther = operator.lt if cls._prefers_get_many else operator.le
    in_thread = {
        name: (hasattr(cls, name) or name in of_the_object)
        and all(is_no_farther(distance(name), distance(other)) for other in others)
        for name, others in _REPLACED_BY.items()
    }
    return StoreAccess(
        reads_in_thread=in_thread["get_sync"],
        writes_in_thread=all(in_thread.values()),
        # `_coroutines_wait` is not inherited: methods of a subclass, patched methods and methods
        # set on the instance may depend on an event loop.
        never_waits=not (vars(cls).get("_coroutines_wait", True) or patched or of_the_object),
        overridden=frozenset(
            name
            for single, derived in _DERIVED.items()
            for name in derived
            if distance(single) < distance(name) and not _is_default(cls, name)
        ),
    )


def _is_default(cls: type[Store], name: str) -> bool:
    """Return whether a method is the default implementation of `delete_dir` or `clear`.

    `Store` defines these default implementations: its `delete_dir` calls `delete`, and its `clear`
    calls `delete_dir`.
    """
    place = position(cls, name)
    return name in _DERIVED["delete"] and (
        place == len(cls.__mro__) or "_derived" in vars(cls.__mro__[place])
    )


def override_distance(store: Any, name: str) -> float:
    """Return the distance between the class of a store and the class that defines a given method.

    The distance is counted in the method resolution order (MRO), so the most-derived override has
    the smallest distance. A patched method has a smaller distance than the other methods of its
    class. A method that is set on the instance has the smallest distance of all.
    """
    if name in getattr(store, "__dict__", {}):
        return -1
    cls = type(store)
    return position(cls, name) - (0.5 if _is_patched(cls, name) else 0)


def _is_patched(cls: type, name: str) -> bool:
    """Return whether a method was replaced after its class was created."""
    definer: Any = next((base for base in cls.__mro__ if name in vars(base)), None)
    defined = vars(definer).get("_defined") if definer is not None else None
    return defined is not None and vars(definer)[name] is not defined.get(name)


def position(cls: type, name: str) -> int:
    """Return the position, in the MRO of `cls`, of the first class that defines a method."""
    return next((i for i, base in enumerate(cls.__mro__) if name in vars(base)), len(cls.__mro__))

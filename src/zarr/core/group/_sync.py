"""The class `Group`, a group whose methods block until the result is available."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Generator, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, TypeVar

from zarr.abc._store_access import access_of
from zarr.core._derive import begin, finished, sync_iteration, sync_method
from zarr.core._overrides import is_overridden
from zarr.core.array import Array, AsyncArray
from zarr.core.array._read_many import prepare_sync, read_all_sync
from zarr.core.attributes import Attributes
from zarr.core.group._async import AsyncGroup
from zarr.core.group._info import GroupProperties
from zarr.core.group._read_many import find_arrays, parse_names
from zarr.core.sync import SyncMixin, collect_aiterator, sync_in_time, sync_opening
from zarr.storage._common import never_waits

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from zarr.core.array_spec import ArrayConfig, ArrayConfigParams
    from zarr.core.buffer import NDArrayLikeOrScalar
    from zarr.core.common import ShapeLike, ZarrFormat
    from zarr.core.group._metadata import GroupMetadata, NodeMetadata
    from zarr.storage._common import StoreLike, StorePath

P = ParamSpec("P")
A = TypeVar("A")
S = TypeVar("S")


def wrap_node(node: AsyncArray[Any] | AsyncGroup) -> Array[Any] | Group:
    """Wrap an array or a group for the synchronous API."""
    return Group(node) if isinstance(node, AsyncGroup) else Array(node)


def _async_of(group: Group) -> AsyncGroup:
    return group._async_group


def _in_thread(group: Group) -> bool:
    """Return whether a member can be looked up in the calling thread, without the event loop."""
    inner = group._async_group
    if type(inner) is not AsyncGroup or is_overridden(inner, "getitem"):
        return False  # the override may need the event loop
    return access_of(inner.store_path.store).never_waits


def _method(
    function: Callable[Concatenate[AsyncGroup, P], Coroutine[Any, Any, A]],
    wrap: Callable[[A], S],
    in_thread: Callable[[Group], bool] | None = None,
) -> Callable[Concatenate[Group, P], S]:
    """Make a method of `Group` from a coroutine of `AsyncGroup`."""
    return sync_method(function, to=_async_of, wrap=wrap, in_thread=in_thread)


def _generator(
    function: Callable[Concatenate[AsyncGroup, P], AsyncIterator[A]], wrap: Callable[[A], S]
) -> Callable[Concatenate[Group, P], Generator[S, None, None]]:
    """Make a generator method of `Group` from an async generator of `AsyncGroup`."""
    return sync_iteration(function, to=_async_of, wrap=wrap)


def _same(value: A) -> A:
    return value


def _named(item: tuple[str, AsyncArray[Any] | AsyncGroup]) -> tuple[str, Array[Any] | Group]:
    return item[0], wrap_node(item[1])


def _named_array(item: tuple[str, AsyncArray[Any]]) -> tuple[str, Array[Any]]:
    return item[0], Array(item[1])


def _named_group(item: tuple[str, AsyncGroup]) -> tuple[str, Group]:
    return item[0], Group(item[1])


def _group(group: AsyncGroup) -> Group:
    return Group(group)


def _array(array: AsyncArray[Any]) -> Array[Any]:
    return Array(array)


@dataclass(frozen=True, repr=False)
class Group(GroupProperties, SyncMixin):
    """A group: a container for named arrays and other groups.

    Parameters
    ----------
    _async_group : AsyncGroup
        Group of the asynchronous API, which this class wraps.
    """

    _async_group: AsyncGroup

    @classmethod
    def from_store(
        cls,
        store: StoreLike,
        *,
        attributes: dict[str, Any] | None = None,
        zarr_format: ZarrFormat = 3,
        overwrite: bool = False,
    ) -> Group:
        """Create a group; see `AsyncGroup.from_store`."""
        return cls(
            sync_in_time(
                AsyncGroup.from_store(
                    store, attributes=attributes, overwrite=overwrite, zarr_format=zarr_format
                )
            )
        )

    @classmethod
    def open(cls, store: StoreLike, zarr_format: ZarrFormat | None = 3) -> Group:
        """Open a stored group; see `AsyncGroup.open`."""
        opened = AsyncGroup.open(store, zarr_format=zarr_format)
        return cls(sync_opening(opened, in_thread=never_waits(store)))

    # --- properties ---------------------------------------------------------------------

    @property
    def store_path(self) -> StorePath:
        """Location of the group."""
        return self._async_group.store_path

    @property
    def metadata(self) -> GroupMetadata:
        """Metadata of the group."""
        return self._async_group.metadata

    @property
    def attrs(self) -> Attributes:
        """The user attributes; changes are stored immediately."""
        return Attributes(self)

    # --- members ------------------------------------------------------------------------

    def __getitem__(self, path: str) -> Array[Any] | Group:
        """Return a member; see `AsyncGroup.getitem`."""
        return wrap_node(sync_opening(self._async_group.getitem(path), in_thread=_in_thread(self)))

    def get(self, path: str, default: Any = None) -> Any:
        """Return a member, or `default` if it does not exist; see `AsyncGroup.getitem`."""
        node = sync_opening(self._async_group.get(path), in_thread=_in_thread(self))
        return default if node is None else wrap_node(node)

    def __contains__(self, member: str) -> bool:
        return sync_opening(self._async_group.contains(member), in_thread=_in_thread(self))

    def __iter__(self) -> Iterator[str]:
        yield from self.keys()

    def __len__(self) -> int:
        return self.nmembers()

    def __setitem__(self, key: str, value: Any) -> None:
        """Store an array, replacing a node at the same path; see `AsyncGroup.setitem`."""
        finished(begin(self._async_group.setitem, key, value))

    def __delitem__(self, key: str) -> None:
        """Delete a member; see `AsyncGroup.delitem`."""
        sync_in_time(self._async_group.delitem(key))

    def members(
        self, max_depth: int | None = 0, *, use_consolidated_for_children: bool = True
    ) -> tuple[tuple[str, Array[Any] | Group], ...]:
        """Return the members of the group; see `AsyncGroup.members`."""
        found = self._async_group.members(
            max_depth, use_consolidated_for_children=use_consolidated_for_children
        )
        return tuple(_named(item) for item in collect_aiterator(found))

    def read_many(self, names: Iterable[str] | Mapping[str, Any]) -> dict[str, NDArrayLikeOrScalar]:
        """Read several arrays of the group concurrently; see `AsyncGroup.read_many`."""
        wanted = parse_names(names)
        found = find_arrays(self._async_group, wanted)
        arrays = sync_opening(found, in_thread=_in_thread(self))
        results = read_all_sync(prepare_sync(zip(arrays, wanted.values(), strict=True)))
        return dict(zip(wanted, results, strict=True))

    get_array = _method(AsyncGroup.get_array, _array, in_thread=_in_thread)
    get_group = _method(AsyncGroup.get_group, _group, in_thread=_in_thread)
    nmembers = _method(AsyncGroup.nmembers, _same)
    keys = _generator(AsyncGroup.keys, _same)
    groups = _generator(AsyncGroup.groups, _named_group)
    group_keys = _generator(AsyncGroup.group_keys, _same)
    group_values = _generator(AsyncGroup.group_values, _group)
    arrays = _generator(AsyncGroup.arrays, _named_array)
    array_keys = _generator(AsyncGroup.array_keys, _same)
    array_values = _generator(AsyncGroup.array_values, _array)
    info_complete = _method(AsyncGroup.info_complete, _same)
    tree = _method(AsyncGroup.tree, _same)

    # --- creating and changing ----------------------------------------------------------

    def create_group(self, name: str, **kwargs: Any) -> Group:
        """Create a group in this group; see `AsyncGroup.create_group` for the parameters."""
        return Group(sync_in_time(self._async_group.create_group(name, **kwargs)))

    def require_group(self, name: str, **kwargs: Any) -> Group:
        """Return a group in this group, creating it if it does not exist.

        See `AsyncGroup.require_group` for the parameters.
        """
        return Group(sync_in_time(self._async_group.require_group(name, **kwargs)))

    def require_groups(self, *names: str) -> tuple[Group, ...]:
        """Return groups in this group, creating those that do not exist."""
        return tuple(Group(each) for each in sync_in_time(self._async_group.require_groups(*names)))

    def require_array(
        self,
        name: str,
        *,
        shape: ShapeLike,
        config: ArrayConfig | ArrayConfigParams | None = None,
        **kwargs: Any,
    ) -> Array[Any]:
        """Return an array in this group, creating it if it does not exist.

        See `AsyncGroup.require_array` for the parameters.
        """
        found = begin(self._async_group.require_array, name, shape=shape, config=config, **kwargs)
        return Array(finished(found))

    def create_hierarchy(
        self, nodes: Mapping[str, NodeMetadata], *, overwrite: bool = False
    ) -> Iterator[tuple[str, Array[Any] | Group]]:
        """Create many nodes below this group; the first one is yielded when all of them exist.

        See `AsyncGroup.create_hierarchy` for the parameters.
        """
        created = self._async_group.create_hierarchy(nodes, overwrite=overwrite)
        return (_named(item) for item in collect_aiterator(created))

    create_array = _method(AsyncGroup.create_array, _array)
    create = _method(AsyncGroup.create_array, _array)
    move = _method(AsyncGroup.move, _same)

    def update_attributes(self, new_attributes: dict[str, Any]) -> Group:
        """Set several user attributes in one write, and return this group.

        See `AsyncGroup.update_attributes` for the parameters.
        """
        sync_in_time(self._async_group.update_attributes(new_attributes))
        return self

    async def update_attributes_async(self, new_attributes: dict[str, Any]) -> Group:
        """Coroutine that sets several user attributes in one write.

        See `AsyncGroup.update_attributes` for the parameters.
        """
        return Group(await self._async_group.update_attributes(new_attributes))

    # --- creating arrays with one value -------------------------------------------------

    def empty(self, *, name: str, shape: ShapeLike, **kwargs: Any) -> Array[Any]:
        """Create an array with uninitialized elements; see `AsyncGroup.empty`."""
        return Array(finished(begin(self._async_group.empty, name=name, shape=shape, **kwargs)))

    def zeros(self, *, name: str, shape: ShapeLike, **kwargs: Any) -> Array[Any]:
        """Create an array with the fill value 0; see `AsyncGroup.empty`."""
        return Array(finished(begin(self._async_group.zeros, name=name, shape=shape, **kwargs)))

    def ones(self, *, name: str, shape: ShapeLike, **kwargs: Any) -> Array[Any]:
        """Create an array with the fill value 1; see `AsyncGroup.empty`."""
        return Array(finished(begin(self._async_group.ones, name=name, shape=shape, **kwargs)))

    def full(
        self, *, name: str, shape: ShapeLike, fill_value: Any | None, **kwargs: Any
    ) -> Array[Any]:
        """Create an array with a fill value; see `AsyncGroup.empty`."""
        array = begin(
            self._async_group.full, name=name, shape=shape, fill_value=fill_value, **kwargs
        )
        return Array(finished(array))

    def empty_like(self, *, name: str, data: Any, **kwargs: Any) -> Array[Any]:
        """Create an array like `data`, with uninitialized elements; see `AsyncGroup.empty_like`."""
        return Array(finished(begin(self._async_group.empty_like, name=name, data=data, **kwargs)))

    def zeros_like(self, *, name: str, data: Any, **kwargs: Any) -> Array[Any]:
        """Create an array like `data`, with the fill value 0; see `AsyncGroup.empty_like`."""
        return Array(finished(begin(self._async_group.zeros_like, name=name, data=data, **kwargs)))

    def ones_like(self, *, name: str, data: Any, **kwargs: Any) -> Array[Any]:
        """Create an array like `data`, with the fill value 1; see `AsyncGroup.empty_like`."""
        return Array(finished(begin(self._async_group.ones_like, name=name, data=data, **kwargs)))

    def full_like(self, *, name: str, data: Any, **kwargs: Any) -> Array[Any]:
        """Create an array like `data`, with a given fill value; see `AsyncGroup.empty_like`."""
        return Array(finished(begin(self._async_group.full_like, name=name, data=data, **kwargs)))


for _name, _twin in list(vars(Group).items()):
    if hasattr(_twin, "__signature__"):
        _twin.__name__ = _name
        _twin.__qualname__ = f"Group.{_name}"

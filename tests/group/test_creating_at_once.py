"""Several who create one node at once: who asked for whatever is there gets what the other made."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

import zarr
import zarr.api.asynchronous as za
from zarr.abc.store import Store
from zarr.core.buffer import Buffer, BufferPrototype
from zarr.core.group import AsyncGroup, GroupMetadata
from zarr.core.metadata import ArrayV3Metadata
from zarr.core.sync import sync
from zarr.errors import ContainsArrayError, ContainsGroupError
from zarr.storage import LocalStore, MemoryStore, WrapperStore, ZipStore

KEYS = ("zarr.json", ".zarray", ".zgroup")


class Crossed(WrapperStore[Store]):
    """Lets somebody else act between a look at a node and what follows from it.

    Parameters
    ----------
    store : Store
        Where both go.
    path : str
        The node.
    looks : int
        After which look at one of its documents.
    other : callable
        Called with the inner store; None for nothing.
    """

    def __init__(
        self,
        store: Store,
        path: str = "",
        looks: int = 0,
        other: Callable[[Store], Awaitable[Any]] | None = None,
    ) -> None:
        super().__init__(store)
        self.keys = tuple(f"{path}/{key}" if path else key for key in KEYS)
        self.looks, self.other = looks, other
        self.made = False

    async def _looked(self, key: str) -> None:
        if key in self.keys and self.other is not None:
            self.looks -= 1
            if self.looks <= 0:
                other, self.other = self.other, None
                try:
                    await other(self._store)
                    self.made = True
                except (ContainsArrayError, ContainsGroupError):  # it is the other who came late
                    pass

    async def get(
        self, key: str, prototype: BufferPrototype, byte_range: Any = None
    ) -> Buffer | None:
        value = await super().get(key, prototype, byte_range)
        await self._looked(key)
        return value

    async def exists(self, key: str) -> bool:
        found = await super().exists(key)
        await self._looked(key)
        return found


def memory(_: Path) -> Store:
    return MemoryStore()


def local(directory: Path) -> Store:
    return LocalStore(directory / "local")


def archive(directory: Path) -> Store:
    return ZipStore(directory / "a.zip", mode="w")


@pytest.fixture(params=[memory, local, archive])
def inner(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    make: Callable[[Path], Store] = request.param
    return make(tmp_path)


async def make_group(store: Store, zarr_format: Any) -> None:
    await za.create_group(
        store=store, path="x", zarr_format=zarr_format, attributes={"by": "other"}
    )


async def make_array(store: Store, zarr_format: Any) -> None:
    await za.create_array(
        store,
        name="x",
        shape=(4,),
        dtype="int32",
        zarr_format=zarr_format,
        attributes={"by": "other"},
    )


async def root(store: Store, zarr_format: Any) -> AsyncGroup:
    return AsyncGroup(GroupMetadata(zarr_format=zarr_format), zarr.storage.StorePath(store))


async def require_group(store: Store, zarr_format: Any) -> Any:
    return await (await root(store, zarr_format)).require_group("x")


async def require_groups(store: Store, zarr_format: Any) -> Any:
    return (await (await root(store, zarr_format)).require_groups("x", "x/y"))[0]


async def require_array(store: Store, zarr_format: Any) -> Any:
    group = await root(store, zarr_format)
    return await group.require_array("x", shape=(4,), dtype="int32")


async def open_group(store: Store, zarr_format: Any) -> Any:
    return await za.open_group(store, path="x", mode="a", zarr_format=zarr_format)


async def group(store: Store, zarr_format: Any) -> Any:
    return await za.group(store=store, path="x", zarr_format=zarr_format)


async def open_array(store: Store, zarr_format: Any) -> Any:
    return await za.open_array(
        store=store, path="x", mode="a", zarr_format=zarr_format, shape=(8,), dtype="int8"
    )


async def open_node(store: Store, zarr_format: Any) -> Any:
    return await za.open(store=store, path="x", mode="a", zarr_format=zarr_format)


async def open_shape(store: Store, zarr_format: Any) -> Any:
    return await za.open(store=store, path="x", mode="a", zarr_format=zarr_format, shape=(8,))


async def open_like(store: Store, zarr_format: Any) -> Any:
    like = await za.empty((4,), dtype="int32", zarr_format=zarr_format)
    return await za.open_like(like, "x", store=store)


@pytest.mark.parametrize("zarr_format", [2, 3])
@pytest.mark.parametrize("looks", range(1, 8))
@pytest.mark.parametrize(
    ("other", "act"),
    [
        *((make_group, act) for act in (require_group, require_groups, open_group, group)),
        *((make_array, act) for act in (require_array, open_array, open_like, open_shape)),
        (make_group, open_node),
        (make_array, open_node),
    ],
)
async def test_what_the_other_made_is_opened(
    inner: Store, other: Any, act: Any, looks: int, zarr_format: Any
) -> None:
    if zarr_format == 2 and (other, act) == (make_array, open_node):
        return  # by two documents: both can be created
    store = Crossed(inner, "x", looks, lambda store: other(store, zarr_format))
    node = await act(store, zarr_format)
    assert store.made or looks > 1 or act is require_groups
    attributes = {"by": "other"} if store.made else {}
    assert node.attrs == attributes
    assert node.store_path.path == "x"
    again = await za.open(store=inner, path="x", zarr_format=zarr_format, mode="r+")
    assert again.attrs == attributes


@pytest.mark.parametrize("looks", [1, 2])
async def test_what_does_not_match_is_refused_as_if_it_had_been_there(looks: int) -> None:
    def crossed(other: Any) -> Crossed:
        return Crossed(MemoryStore(), "x", looks, lambda store: other(store, 3))

    with pytest.raises(TypeError, match="Incompatible object"):
        await require_group(crossed(make_array), 3)
    with pytest.raises(TypeError, match="Incompatible object"):
        await require_array(crossed(make_group), 3)
    group = await root(crossed(make_array), 3)
    with pytest.raises(TypeError, match="Incompatible shape"):
        await group.require_array("x", shape=(5,), dtype="int32")
    group = await root(crossed(make_array), 3)
    with pytest.raises(TypeError, match="Incompatible dtype"):
        await group.require_array("x", shape=(4,), dtype="int8")
    with pytest.raises(ContainsArrayError):
        await open_group(crossed(make_array), 3)
    with pytest.raises(ContainsGroupError):
        await open_array(crossed(make_group), 3)


async def create_group(store: Store, zarr_format: Any) -> Any:
    await za.create_group(store=store, path="x", zarr_format=zarr_format)


async def create_hierarchy(store: Store, zarr_format: Any) -> Any:
    await _hierarchy(store, "x", zarr_format)


@pytest.mark.parametrize("zarr_format", [2, 3])
@pytest.mark.parametrize("create", [create_group, create_hierarchy])
async def test_creating_does_not_replace_what_another_made(
    inner: Store, create: Any, zarr_format: Any
) -> None:
    """After the last look the store decides."""
    store = Crossed(inner, "x", 1, lambda store: make_group(store, zarr_format))
    with pytest.raises(ContainsGroupError):
        await create(store, zarr_format)
    group = await za.open_group(inner, path="x", mode="r+", zarr_format=zarr_format)
    assert group.attrs == {"by": "other"}


async def test_attributes_left_over_are_replaced(inner: Store) -> None:
    value = zarr.core.buffer.default_buffer_prototype().buffer.from_bytes(b'{"old": 1}')
    await inner._ensure_open()
    await inner.set("x/.zattrs", value)
    if not isinstance(inner, ZipStore):  # where it would be a second value of the key
        assert (await open_group(inner, 2)).attrs == {}
        assert (await za.open_group(inner, path="x", mode="r+", zarr_format=2)).attrs == {}


async def _hierarchy(store: Store, path: str, zarr_format: Any) -> None:
    nodes = {path: GroupMetadata(zarr_format=zarr_format)}
    async for _ in za.create_hierarchy(store=store, nodes=nodes):
        pass


async def test_implied_group_of_a_hierarchy_keeps_what_another_made(inner: Store) -> None:
    async def other(store: Store) -> None:
        await make_group(store, 3)

    store = Crossed(inner, "x", 1, other)
    await _hierarchy(store, "x/y", 3)
    assert (await za.open_group(inner, path="x", mode="r+")).attrs == {"by": "other"}
    assert (await za.open_group(inner, path="x/y", mode="r+")).attrs == {}


class Encoding(WrapperStore[Store]):
    """Stores something else than it is given, by the one method that has to be overridden."""

    async def set(self, key: str, value: Buffer) -> None:
        await self._store.set(key, type(value).from_bytes(value.to_bytes()[::-1]))

    async def get(
        self, key: str, prototype: BufferPrototype, byte_range: Any = None
    ) -> Buffer | None:
        value = await self._store.get(key, prototype, byte_range)
        return None if value is None else type(value).from_bytes(value.to_bytes()[::-1])


def test_a_store_that_changes_what_is_set_gets_all_documents() -> None:
    inner = MemoryStore()
    zarr.create_group(Encoding(inner), attributes={"a": 1})
    assert inner._store_dict["zarr.json"].to_bytes().startswith(b"}")
    assert zarr.open_group(Encoding(inner), mode="a").attrs.asdict() == {"a": 1}


@pytest.mark.parametrize("act", [require_group, require_array, open_group, open_array, open_node])
async def test_many_tasks_at_once(inner: Store, act: Any) -> None:
    nodes = await asyncio.gather(*(act(inner, 3) for _ in range(20)))
    assert len({str(node.metadata.to_dict()) for node in nodes}) == 1


def test_metadata_that_are_the_same_are_no_conflict() -> None:
    metadata = ArrayV3Metadata.from_dict(
        zarr.create_array({}, shape=(4,), dtype="int32").metadata.to_dict()
    )

    async def other(store: Store) -> None:
        async for _ in za.create_hierarchy(store=store, nodes={"x": metadata}):
            pass

    async def create(store: Store) -> None:
        await other(store)

    sync(create(Crossed(MemoryStore(), "x", 1, other)))

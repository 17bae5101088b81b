"""Buffers on a GPU: without CuPy, with a stand-in for it, and, where there is a GPU, with it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

import fsspec
import numpy as np
import pytest
from fsspec.implementations.asyn_wrapper import AsyncFileSystemWrapper
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.core.fake_cupy import DeviceArray, FakeCupy
from tests.stores.bulk_kit import bulk
from tests.stores.store_kit import Capable

import zarr.buffer
from zarr.abc.store import RangeByteRequest, SuffixByteRequest
from zarr.buffer import cpu, gpu
from zarr.codecs import TransposeCodec
from zarr.core.array import Array, create_array
from zarr.core.buffer import default_buffer_prototype
from zarr.core.config import config
from zarr.core.sync import sync
from zarr.errors import ZarrUserWarning
from zarr.registry import get_buffer_class, get_ndbuffer_class
from zarr.storage import FsspecStore, GpuMemoryStore, MemoryStore
from zarr.testing.store import StoreTests
from zarr.testing.utils import has_cupy

# --- without CuPy -------------------------------------------------------------------------

HOST = cpu.Buffer.from_bytes(b"0123")


@pytest.fixture
def no_cupy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cupy", None)


@pytest.mark.parametrize(
    "call",
    [
        lambda: gpu.Buffer(np.zeros(1, dtype="u1")),
        lambda: gpu.Buffer.create_zero_length(),
        lambda: gpu.Buffer.from_bytes(b"abc"),
        lambda: gpu.Buffer.from_array_like(np.zeros(1, dtype="u1")),
        lambda: gpu.Buffer.from_buffer(HOST),
        lambda: GpuMemoryStore.from_dict({"a": HOST}),
        lambda: GpuMemoryStore().set_sync("a", HOST),
    ],
)
def test_bytes_need_cupy(no_cupy: None, call: Callable[[], Any]) -> None:
    wanted = r"^Cannot use zarr.buffer.gpu.Buffer without cupy. Please install cupy.$"
    with pytest.raises(ImportError, match=wanted):
        call()


@pytest.mark.parametrize(
    "call",
    [
        lambda: gpu.NDBuffer(np.zeros(1)),
        lambda: gpu.NDBuffer.create(shape=(2,), dtype="i4"),
        lambda: gpu.NDBuffer.empty((2,), "i4"),
        lambda: gpu.NDBuffer.from_numpy_array(np.zeros(1)),
        lambda: gpu.NDBuffer.from_ndarray_like(np.zeros(1)),
    ],
)
def test_arrays_need_cupy(no_cupy: None, call: Callable[[], Any]) -> None:
    wanted = r"^Cannot use zarr.buffer.gpu.NDBuffer without cupy. Please install cupy.$"
    with pytest.raises(ImportError, match=wanted):
        call()


def test_what_does_not_need_cupy(no_cupy: None) -> None:
    assert sorted(zarr.buffer.__all__) == ["cpu", "default_buffer_prototype", "gpu"]
    assert sorted(gpu.__all__) == ["Buffer", "NDBuffer", "buffer_prototype"]
    assert GpuMemoryStore.from_dict({}) == GpuMemoryStore()
    with config.enable_gpu():
        assert default_buffer_prototype() == gpu.buffer_prototype
        assert (get_buffer_class(), get_ndbuffer_class()) == (gpu.Buffer, gpu.NDBuffer)
    assert get_buffer_class() is cpu.Buffer


def test_a_cupy_that_is_broken_is_not_called_missing(
    tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "cupy.py").write_text("import a_library_of_cuda")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "cupy", raising=False)
    with pytest.raises(ModuleNotFoundError, match="a_library_of_cuda"):
        gpu.Buffer.from_bytes(b"abc")


def test_cupy_is_not_imported_until_it_is_used() -> None:
    code = (
        "import sys; sys.modules['cupy'] = None; import zarr.buffer.gpu, zarr.storage;"
        "zarr.storage.GpuMemoryStore(); sys.modules.pop('cupy'); import zarr.core.buffer.gpu;"
        "assert 'cupy' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=300)


# --- with a stand-in, or with CuPy ----------------------------------------------------------


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> FakeCupy:
    module = FakeCupy()
    monkeypatch.setitem(sys.modules, "cupy", module)
    return module


@pytest.fixture(
    params=[
        "stand-in",
        pytest.param(
            "cupy",
            marks=[
                pytest.mark.gpu,
                pytest.mark.skipif(not has_cupy(), reason="needs cupy and a GPU"),
            ],
        ),
    ]
)
def cupy(request: pytest.FixtureRequest) -> Any:
    return request.getfixturevalue("fake") if request.param == "stand-in" else __import__("cupy")


def on_host(data: Any) -> Any:
    """Return what is on the device, and has to be."""
    assert hasattr(data, "__cuda_array_interface__")
    return sys.modules["cupy"].asnumpy(data)


def test_bytes_in_and_out(cupy: Any) -> None:
    buffer = gpu.Buffer.from_bytes(bytes(range(6)))
    assert isinstance(buffer.as_array_like(), cupy.ndarray)
    assert len(buffer) == 6
    assert buffer.to_bytes() == bytes(buffer.as_buffer_like()) == bytes(range(6))
    assert buffer.as_numpy_array().tolist() == list(range(6))
    part = buffer[2:4]
    assert type(part) is gpu.Buffer
    assert part.to_bytes() == b"\x02\x03"
    part[0:1] = gpu.Buffer.from_bytes(b"\x09")  # a view
    part[1:2] = cpu.Buffer.from_bytes(b"\x08")
    assert buffer.to_bytes() == b"\x00\x01\x09\x08\x04\x05"
    assert buffer == cpu.Buffer.from_bytes(b"\x00\x01\x09\x08\x04\x05")
    assert buffer != gpu.Buffer.from_bytes(b"\x00")
    empty = gpu.Buffer.create_zero_length()
    assert empty.to_bytes() == gpu.Buffer.from_bytes(b"").to_bytes() == b""
    with pytest.raises(TypeError, match="unhashable"):
        hash(buffer)


def test_data_on_the_device_are_not_copied(cupy: Any) -> None:
    data = cupy.zeros(4, dtype="u1")
    buffer = gpu.Buffer(data)
    assert buffer.as_array_like() is data
    assert gpu.Buffer.from_buffer(buffer).as_array_like() is data
    array = cupy.zeros((2, 2), dtype="f4")
    assert gpu.NDBuffer(array).as_ndarray_like() is array
    assert gpu.NDBuffer.from_ndarray_like(array).as_ndarray_like() is array


def test_arrays_of_others_on_the_device_are_not_copied(fake: FakeCupy) -> None:
    class Tensor:
        """What another library has on the device."""

        def __init__(self, host: np.ndarray[Any, Any]) -> None:
            self.__cuda_array_interface__ = {"host": host}
            self.dtype, self.ndim, self.shape, self.size = (
                host.dtype,
                host.ndim,
                host.shape,
                host.size,
            )

    host = np.zeros(3, "u1")
    buffer: Any = gpu.Buffer(Tensor(host))  # type: ignore[arg-type]
    array: Any = gpu.NDBuffer(Tensor(host))  # type: ignore[arg-type]
    host[:] = 5
    assert buffer.to_bytes() == b"\5\5\5"
    assert array.as_numpy_array().tolist() == [5, 5, 5]
    assert fake.to_device == []


def test_host_arrays_are_copied_with_a_warning(cupy: Any) -> None:
    with pytest.warns(ZarrUserWarning, match=r"Creating a zarr.buffer.gpu.Buffer with an array"):
        buffer = gpu.Buffer(np.arange(3, dtype="u1"))
    assert buffer.to_bytes() == b"\0\1\2"
    with pytest.warns(ZarrUserWarning, match=r"Creating a zarr.buffer.gpu.NDBuffer with an array"):
        array = gpu.NDBuffer(np.arange(3))
    assert isinstance(array.as_ndarray_like(), cupy.ndarray)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.booleans(), st.binary(max_size=20)), min_size=1, max_size=5))
def test_joining(cupy: Any, parts: list[tuple[bool, bytes]]) -> None:
    first, *others = ((gpu if there else cpu).Buffer.from_bytes(part) for there, part in parts)
    wanted = b"".join(part for _, part in parts)
    assert gpu.Buffer.from_buffer(first).combine(others).to_bytes() == wanted
    assert cpu.Buffer.from_buffer(first).combine(others).to_bytes() == wanted


def test_joining_makes_new_memory(cupy: Any) -> None:
    buffer = gpu.Buffer.from_bytes(b"ab")
    for joined in (buffer.combine([]), buffer.combine([gpu.Buffer.create_zero_length()])):
        joined[0:1] = gpu.Buffer.from_bytes(b"x")
        assert buffer.to_bytes() == b"ab"


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: gpu.Buffer(np.arange(3, dtype="i4")), ValueError, "only byte dtype"),
        (lambda: gpu.Buffer(np.zeros((2, 2), "u1")), ValueError, "only 1-dim"),
        (lambda: gpu.Buffer.from_bytes("text"), TypeError, "bytes-like"),  # type: ignore[arg-type]
        (lambda: gpu.Buffer.from_bytes(b"ab")[::2], ValueError, "contiguous"),
        (lambda: gpu.NDBuffer(5), AttributeError, "shape"),  # type: ignore[arg-type]
        (lambda: gpu.NDBuffer.from_numpy_array(np.array(["a"])), ValueError, "dtype"),
        (lambda: gpu.NDBuffer.create(shape=(1,), dtype="O"), ValueError, "dtype"),
    ],
)
def test_refused(fake: FakeCupy, call: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        call()


def test_arrays(cupy: Any) -> None:
    buffer = gpu.NDBuffer.create(shape=(2, 3), dtype="i4", order="F", fill_value=np.int64(7))
    assert isinstance(buffer.as_ndarray_like(), cupy.ndarray)
    host = buffer.as_numpy_array()
    assert host.flags["F_CONTIGUOUS"]
    assert (host == 7).all()
    assert gpu.NDBuffer.create(shape=[2], dtype="f8").as_numpy_array().tolist() == [0, 0]
    assert gpu.NDBuffer.empty((2, 3), "f4", order="F").shape == (2, 3)
    assert buffer.transpose((1, 0)).shape == (3, 2)
    assert buffer.reshape(-1).shape == (6,)
    assert buffer.astype("f4").dtype == np.dtype("f4")
    copy = buffer.copy()
    buffer[0] = gpu.NDBuffer.from_numpy_array(np.array([1, 2, 3]))
    buffer[1] = cpu.NDBuffer.from_numpy_array(np.array([4, 5, 6]))
    assert buffer.as_numpy_array().tolist() == [[1, 2, 3], [4, 5, 6]]
    assert buffer[1, 2].as_scalar() == 6
    buffer[0] = 9
    buffer[1] = np.array([7, 7, 8])
    buffer[1, 0] = np.array(0)
    assert buffer.as_numpy_array().tolist() == [[9, 9, 9], [0, 7, 8]]
    assert (copy.as_numpy_array() == 7).all()
    view = buffer[:, 1:]
    view.fill(3)
    assert buffer.as_numpy_array().tolist() == [[9, 3, 3], [0, 3, 3]]
    assert gpu.NDBuffer.from_numpy_array(np.zeros((1, 3, 1))).squeeze((0, 2)).shape == (3,)


def test_indices_on_the_host_select_on_the_device(cupy: Any) -> None:
    host = np.arange(12).reshape(3, 4)
    buffer = gpu.NDBuffer.from_numpy_array(host)
    keys: list[Any] = [
        np.array([2, 0]),
        (np.array([2, 0]), np.array([1, 3])),
        np.ix_(np.array([0, 2]), np.array([1, 3])),
        host % 2 == 0,
        (slice(None), np.array([0])),
    ]
    for key in keys:
        assert on_host(buffer[key].as_ndarray_like()).tolist() == host[key].tolist()
        buffer[key] = -1
        host[key] = -1
        assert buffer.as_numpy_array().tolist() == host.tolist()


def test_elements_have_the_byte_order_of_the_machine(cupy: Any) -> None:
    """Code on the device would take the others for it."""
    foreign = np.array([1, 2], dtype=np.dtype("i4").newbyteorder())
    made = [
        gpu.NDBuffer.from_numpy_array(foreign),
        gpu.NDBuffer.create(shape=(2,), dtype=foreign.dtype, fill_value=1),
        gpu.NDBuffer.empty((2,), foreign.dtype),
        gpu.NDBuffer.from_numpy_array(np.array([1, 2])).astype(foreign.dtype),
    ]
    made[2][:] = foreign
    for buffer in made:
        assert buffer.dtype == np.dtype("i4")
        assert buffer.byteorder == sys.byteorder
        assert buffer.as_numpy_array()[0] == 1


EQUAL: list[tuple[Any, Any, bool]] = [
    ([0.0, 0.0], 0.0, True),
    ([0.0, -0.0], 0.0, False),
    ([0.0], -0.0, False),
    ([np.nan, np.nan], np.nan, True),
    ([np.nan, 1.0], np.nan, False),
    ([1, 1], 1, True),
    ([1, 2], 1, False),
    ([[1, 1]], np.int64(1), True),
    ([True, False], True, False),
    ([1j, 1j], 1j, True),
    ([complex(0.0, -0.0)], 0j, False),
    ([complex(np.nan, 0)], complex(np.nan, 0), True),
    (np.zeros(0), 1.0, True),
    (np.array(3.0), 3.0, True),
    ([1], None, False),
    ([0, 0], np.nan, False),
    ([0, 0], -0.0, True),
    ([0, 0], 2**40, False),
    ([0, 0], 0j, True),
    ([-0.0], 0j, False),
    ([complex(np.nan, 1)], np.nan, True),
]


@pytest.mark.parametrize(("data", "value", "expected"), EQUAL)
def test_all_equal(cupy: Any, data: Any, value: Any, expected: bool) -> None:
    assert gpu.NDBuffer.from_numpy_array(np.asarray(data)).all_equal(value) is expected


@pytest.mark.parametrize(
    ("data", "value", "expected"),
    [
        ([0.0, 0.0], 0.0, True),
        ([0.0, -0.0], 0.0, False),
        (np.array([-0.0], "f2"), 0.0, False),
        ([0, 0], 0, True),
        ([0j], 0j, True),
        ([complex(0.0, -0.0)], 0j, False),
        (np.array([complex(0.0, -0.0)], "c8"), 0j, False),
        ([complex(np.nan, 1)], complex(np.nan, 0), False),
        ([np.nan, np.nan], np.nan, True),
        (np.zeros(0), 1.0, True),
    ],
)
def test_bits_are_compared(cupy: Any, data: Any, value: Any, expected: bool) -> None:
    assert gpu.NDBuffer.from_numpy_array(np.asarray(data))._holds_only(value) is expected


def test_nan_may_differ_from_itself(cupy: Any) -> None:
    buffer = gpu.NDBuffer.from_numpy_array(np.array([np.nan]))
    assert not buffer.all_equal(np.nan, equal_nan=False)


def test_comparing_stays_on_the_device(fake: FakeCupy) -> None:
    buffer = gpu.NDBuffer.from_numpy_array(np.zeros((100, 100)))
    fake.reset()
    assert buffer.all_equal(0.0)
    assert buffer._holds_only(0.0)
    assert fake.to_host == fake.to_device == []


# --- stores and arrays ------------------------------------------------------------------------


class TestGpuMemoryStore(Capable, StoreTests[GpuMemoryStore, gpu.Buffer]):
    store_cls = GpuMemoryStore
    buffer_cls = gpu.Buffer

    @pytest.fixture(autouse=True)
    def _with_cupy(self, cupy: Any) -> None:
        pass

    @pytest.fixture
    def store_kwargs(self) -> dict[str, Any]:
        return {"store_dict": {}}

    def test_store_repr(self, store: GpuMemoryStore) -> None:
        assert str(store) == f"gpumemory://{id(store._store_dict)}"
        assert repr(store) == f"GpuMemoryStore('{store}')"

    async def set(self, store: GpuMemoryStore, key: str, value: Any) -> None:
        store._store_dict[key] = value

    async def get(self, store: GpuMemoryStore, key: str) -> Any:
        return store._store_dict[key]


def test_a_gpu_store_holds_values_on_the_device(cupy: Any) -> None:
    ours = cupy.zeros(2, dtype="u1")
    store = GpuMemoryStore.from_dict({"a": cpu.Buffer.from_bytes(b"0123")})
    store.set_sync("b", cpu.Buffer.from_bytes(b"45"))
    store.set_sync("c", gpu.Buffer(ours))
    for value in store._store_dict.values():
        assert type(value) is gpu.Buffer
    ours[0] = 7  # what was written is apart from it
    found = {key: store.get_sync(key) for key in "abc"}
    assert all(type(value) is cpu.Buffer for value in found.values())
    assert [value and value.to_bytes() for value in found.values()] == [b"0123", b"45", b"\0\0"]
    there = store.get_sync("a", prototype=gpu.buffer_prototype, byte_range=RangeByteRequest(1, 3))
    assert type(there) is gpu.Buffer
    assert there.to_bytes() == b"12"


def test_bulk_reads_hand_out_views_on_the_device(fake: FakeCupy) -> None:
    store = GpuMemoryStore.from_dict({"a": cpu.Buffer.from_bytes(b"0123")})
    memory = MemoryStore({"a": cpu.Buffer.from_bytes(b"0123")})
    fake.reset()
    with config.enable_gpu():
        prototype = default_buffer_prototype()
        requests: list[Any] = ["a", ("a", SuffixByteRequest(2)), "nope"]

        async def read(source: Any) -> list[Any]:
            batches = source.get_many(requests, prototype=prototype)
            return [pair async for batch in batches for pair in batch]

        found = dict(sync(read(store)))
        assert [type(found[index]) for index in range(3)] == [gpu.Buffer, gpu.Buffer, type(None)]
        assert fake.to_device == fake.to_host == []
        sync(read(memory))
        assert fake.to_device == [4, 2]
        assert fake.to_host == []
    assert sync(bulk(store, requests)) == {0: b"0123", 1: b"23", 2: None}


@pytest.fixture
def enabled(cupy: Any) -> Iterator[Any]:
    with config.enable_gpu():
        yield cupy


FORMS: dict[str, dict[str, Any]] = {
    "plain": {"compressors": None},
    "compressed": {},
    "sharded": {"shards": (10, 10)},
    "transposed": {"filters": [TransposeCodec(order=(1, 0))]},
    "format 2": {"zarr_format": 2},
    "format 2, Fortran": {"zarr_format": 2, "order": "F"},
}
DATA = np.arange(600, dtype="i4").reshape(20, 30)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("store", [MemoryStore, GpuMemoryStore])
def test_arrays_on_the_device(enabled: Any, store: Any, form: str) -> None:
    """Elements come as device arrays, and are written from arrays on either side."""
    parameters: dict[str, Any] = {"shape": DATA.shape, "chunks": (5, 5), "dtype": "i4"}
    made = sync(create_array(store(), fill_value=7, **(parameters | FORMS[form])))
    array: Array[Any] = Array(made)
    expected = np.full_like(DATA, 7)
    np.testing.assert_array_equal(on_host(array[:]), expected)
    array[:] = expected[:] = DATA
    np.testing.assert_array_equal(on_host(array[:]), DATA)
    array[3:7, 2:9] = enabled.asarray(DATA[3:7, 2:9] + 1)
    expected[3:7, 2:9] += 1
    array[5:10, 5:10] = expected[5:10, 5:10] = 7  # a chunk of nothing but fill value
    array.vindex[[1, 19], [2, 3]] = np.array([5, 6], "i4")
    expected[[1, 19], [2, 3]] = [5, 6]
    mask = expected % 7 == 0
    selections: list[tuple[Any, Any]] = [
        (array[2:9, 1:11], expected[2:9, 1:11]),
        (array[::2, 3], expected[::2, 3]),
        (array[0, 0], expected[0, 0]),
        (array.oindex[np.array([6, 1, 5]), 2:8], expected[[6, 1, 5], 2:8]),
        (array.vindex[[1, 5, 6], [2, 3, 4]], expected[[1, 5, 6], [2, 3, 4]]),
        (array.get_mask_selection(mask), expected[mask]),
        (array[:], expected),
    ]
    for found, wanted in selections:
        np.testing.assert_array_equal(on_host(found), wanted)
    with config.set({"buffer": "zarr.buffer.cpu.Buffer", "ndbuffer": "zarr.buffer.cpu.NDBuffer"}):
        on_the_host = array[:]
    assert type(on_the_host) is np.ndarray
    np.testing.assert_array_equal(on_the_host, expected)


def test_what_was_assigned_may_be_changed_afterwards(enabled: Any) -> None:
    made = create_array(GpuMemoryStore(), shape=(4,), chunks=(4,), dtype="i4", compressors=None)
    array: Array[Any] = Array(sync(made))
    ours = enabled.asarray(np.arange(1, 5, dtype="i4"))
    array[:] = ours
    ours[:] = 0
    assert on_host(array[:]).tolist() == [1, 2, 3, 4]


def test_what_is_read_at_once_is_copied_to_the_device_at_once(fake: FakeCupy) -> None:
    fs: Any = fsspec.filesystem("memory")
    fs.pipe("/gpu-test/a", bytes(range(8)))
    store = FsspecStore(
        AsyncFileSystemWrapper(fs, asynchronous=True), path="/gpu-test", max_gap_bytes=0
    )
    requests = [("a", RangeByteRequest(0, 4)), ("a", RangeByteRequest(4, 8))]

    async def read() -> dict[int, bytes]:
        batches = store.get_many(requests, prototype=gpu.buffer_prototype)
        pairs = [pair async for batch in batches for pair in batch]
        assert fake.to_device == [8]
        assert fake.to_host == []
        return {index: value.to_bytes() for index, value in pairs if value is not None}

    assert sync(read()) == {0: bytes(range(4)), 1: bytes(range(4, 8))}


def test_uncompressed_chunks_never_leave_the_device(fake: FakeCupy) -> None:
    with config.enable_gpu():
        parameters: dict[str, Any] = {"shape": (64,), "chunks": (8,), "dtype": "f4"}
        made = sync(create_array(GpuMemoryStore(), compressors=None, **parameters))
        array: Array[Any] = Array(made)
        array[:] = np.arange(64, dtype="f4")
        fake.reset()
        found: Any = array[:]
    assert isinstance(found, DeviceArray)
    assert fake.to_device == fake.to_host == []

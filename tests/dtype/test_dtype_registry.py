"""The registry: matching, changes, entry points, data types of others."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from importlib.metadata import EntryPoint
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import pytest

import zarr.dtype as zd
from zarr.core.dtype import DataTypeRegistry
from zarr.core.dtype.wrapper import ZDType, scalar_failed_type_check_msg
from zarr.errors import DataTypeValidationError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import TypeGuard

KEYS = [
    "bool", "complex128", "complex64", "fixed_length_utf32", "float16", "float32", "float64",
    "int16", "int32", "int64", "int8", "null_terminated_bytes", "numpy.datetime64",
    "numpy.timedelta64", "raw_bytes", "string", "struct", "uint16", "uint32", "uint64", "uint8",
    "variable_length_bytes",
]  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Point(ZDType[np.dtypes.Float16DType, np.float16]):
    """A data type as a third party writes it, with all that is abstract and nothing else."""

    dtype_cls: ClassVar[Any] = np.dtypes.Float16DType
    _zarr_v3_name: ClassVar[str] = "test.point"

    @classmethod
    def from_native_dtype(cls, dtype: np.dtype[Any]) -> Point:
        if not cls._check_native_dtype(dtype):
            raise DataTypeValidationError("no")
        return cls()

    def to_native_dtype(self) -> np.dtypes.Float16DType:
        return np.dtypes.Float16DType()

    @classmethod
    def _from_json_v2(cls, data: Any) -> Point:
        raise DataTypeValidationError("no")

    @classmethod
    def _from_json_v3(cls, data: Any) -> Point:
        if data == cls._zarr_v3_name:
            return cls()
        raise DataTypeValidationError("no")

    def to_json(self, zarr_format: Any) -> Any:
        return self._zarr_v3_name

    def _check_scalar(self, data: object) -> TypeGuard[Any]:
        return True

    def cast_scalar(self, data: Any) -> np.float16:
        return np.float16(data)

    def default_scalar(self) -> np.float16:
        return np.float16(0)

    def from_json_scalar(self, data: Any, *, zarr_format: Any) -> np.float16:
        return np.float16(data)

    def to_json_scalar(self, data: Any, *, zarr_format: Any) -> float:
        return float(data)


@pytest.fixture
def registry() -> Iterator[DataTypeRegistry]:
    """The registry in use; what a test changes is undone."""
    before = dict(zd.data_type_registry.contents)
    yield zd.data_type_registry
    for key in list(zd.data_type_registry.contents):
        if key not in before:
            zd.data_type_registry.unregister(key)
    for key, cls in before.items():
        zd.data_type_registry.register(key, cls)


def test_contents(registry: DataTypeRegistry) -> None:
    assert sorted(registry.contents) == KEYS
    assert registry.get("int8") is zd.Int8
    with pytest.raises(KeyError, match="'absent'"):
        registry.get("absent")


def test_a_new_registry_is_empty() -> None:
    new = DataTypeRegistry()
    assert repr(new) == "DataTypeRegistry(contents={}, _lazy_load_list=[])"
    with pytest.raises(ValueError, match="No Zarr data type found that matches 'int8'"):
        new.match_json("int8", zarr_format=3)
    with pytest.raises(ValueError, match="No Zarr data type found that matches dtype"):
        new.match_dtype(np.dtype("i1"))


def test_register_and_unregister(registry: DataTypeRegistry) -> None:
    assert zd.parse_dtype("int8", zarr_format=3) == zd.Int8()
    assert zd.parse_dtype("i1", zarr_format=3) == zd.Int8()
    registry.unregister("int8")
    for spec in ("int8", "i1", np.dtype("i1")):
        with pytest.raises(ValueError, match="No Zarr data type found that matches dtype"):
            zd.parse_dtype(spec, zarr_format=3)
    with pytest.raises(ValueError, match="No Zarr data type found that matches"):
        registry.match_json({"name": "|i1", "object_codec_id": None}, zarr_format=2)
    with pytest.raises(KeyError, match="Data type 'int8' not found in registry"):
        registry.unregister("int8")
    registry.register("int8", zd.Int8)
    assert zd.parse_dtype("i1", zarr_format=3) == zd.Int8()


def test_two_types_for_one_dtype_are_ambiguous(registry: DataTypeRegistry) -> None:
    class MyInt(zd.Int8):
        pass

    registry.register("my_int", MyInt)
    for spec in ("i1", np.dtype("i1")):
        with pytest.raises(ValueError, match="Multiple data type wrappers found") as error:
            zd.parse_dtype(spec, zarr_format=3)
        assert "'int8': [Int8(), test_two" in str(error.value)
    # The form is the same too, but the key decides.
    assert type(registry.match_json("int8", zarr_format=3)) is zd.Int8


def test_the_key_decides_before_the_order(registry: DataTypeRegistry) -> None:
    class MyInt(zd.Int8):
        pass

    new = DataTypeRegistry()
    new.register("my_int", MyInt)
    new.register("int8", zd.Int8)
    assert type(new.match_json("int8", zarr_format=3)) is zd.Int8
    new.unregister("int8")
    assert type(new.match_json("int8", zarr_format=3)) is MyInt


def test_a_type_of_others(registry: DataTypeRegistry) -> None:
    registry.register("test.point", Point)
    assert zd.parse_dtype("test.point", zarr_format=3) == Point()
    assert registry.match_json("test.point", zarr_format=3) == Point()
    with pytest.raises(ValueError, match="Multiple data type wrappers"):
        registry.match_dtype(np.dtype("f2"))
    registry.unregister("float16")
    assert registry.match_dtype(np.dtype("f2")) == Point()
    assert zd.Struct.from_native_dtype(np.dtype([("a", "f2")])).fields == (("a", Point()),)


def test_what_a_type_of_others_must_define() -> None:
    with pytest.raises(TypeError) as error:
        ZDType()  # type: ignore[abstract]
    for name in (
        "_check_scalar", "_from_json_v2", "_from_json_v3", "cast_scalar", "default_scalar",
        "from_json_scalar", "from_native_dtype", "to_json", "to_json_scalar", "to_native_dtype",
    ):  # fmt: skip
        assert name in str(error.value)
    with pytest.raises(ValueError, match="zarr_format must be 2 or 3, got 4"):
        Point.from_json("test.point", zarr_format=4)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "look_up",
    [
        lambda r: r.get("float16")(),
        lambda r: r.match_json("float16", zarr_format=3),
        lambda r: r.match_json({"name": "<f2", "object_codec_id": None}, zarr_format=2),
        lambda r: r.match_dtype(np.dtype("f2")),
    ],
)
def test_entry_points_are_loaded_when_needed(look_up: Any) -> None:
    new = DataTypeRegistry()
    new.register("int8", zd.Int8)
    entry_point = EntryPoint("float16", "zarr.dtype:Float16", "zarr.data_type")
    new._lazy_load_list.append(entry_point)
    new.get("int8")
    new.match_json("int8", zarr_format=3)
    new.match_dtype(np.dtype("i1"))
    assert new._lazy_load_list == [entry_point]
    assert look_up(new) == zd.Float16()
    assert new._lazy_load_list == []
    assert sorted(new.contents) == ["float16", "int8"]


def test_the_object_dtype_is_always_ambiguous(registry: DataTypeRegistry) -> None:
    with pytest.raises(ValueError, match="Zarr data type resolution from object failed"):
        registry.match_dtype(np.dtype("O"))


def test_memory_is_bounded() -> None:
    new = DataTypeRegistry()
    new.register("fixed_length_utf32", zd.FixedLengthUTF32)
    for length in range(1, 2000):
        new.match_dtype(np.dtype(f"U{length}"))
    assert 0 < len(new._memo) <= 256


def test_type_check_message() -> None:
    assert scalar_failed_type_check_msg(zd.Int8(), "x") == (
        "The value 'x' failed a type check. It cannot be safely cast to a scalar compatible with "
        "Int8(). Consult the documentation for Int8() to determine the possible values that can be "
        "cast to scalars of the wrapped data type."
    )


def test_entry_points_of_installed_distributions(tmp_path: Any) -> None:
    info = tmp_path / "points-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: points\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[zarr.data_type]\ntest.point = points:Point\n")
    (tmp_path / "points.py").write_text(
        "from zarr.dtype import Int8\nclass Point(Int8):\n    _zarr_v3_name = 'test.point'\n"
    )
    code = (
        f"import sys; sys.path[:0] = {[str(tmp_path), *sys.path]!r}\n"
        "from zarr.dtype import parse_dtype, data_type_registry\n"
        "parse_dtype('int8', zarr_format=3), parse_dtype('<f4', zarr_format=3)\n"
        "assert 'points' not in sys.modules\n"
        "print(type(data_type_registry.match_json('test.point', zarr_format=3)).__name__)\n"
    )
    done = subprocess.run(
        [sys.executable, "-S", "-c", code], capture_output=True, text=True, timeout=300, check=False
    )
    assert done.stdout.strip() == "Point", done.stderr


@dataclass(frozen=True, kw_only=True)
class OtherBool(zd.Bool):
    """A data type for the NumPy dtype of a built-in one, under a name of its own."""

    _zarr_v3_name: ClassVar[str] = "test.bool"


def test_entry_points_do_not_take_numpy_dtypes_of_others() -> None:
    new = DataTypeRegistry()
    new.register("bool", zd.Bool)
    new._lazy_load_list.append(EntryPoint("test.bool", f"{__name__}:OtherBool", "zarr.data_type"))
    assert new.match_json("test.bool", zarr_format=3) == OtherBool()
    assert new.match_dtype(np.dtype("?")) == zd.Bool()
    assert new.match_json({"name": "|b1", "object_codec_id": None}, zarr_format=2) == zd.Bool()
    new.unregister("bool")
    assert new.match_dtype(np.dtype("?")) == OtherBool()


def test_entry_points_do_not_replace_what_is_registered() -> None:
    new = DataTypeRegistry()
    new.register("bool", zd.Bool)
    new._lazy_load_list.append(EntryPoint("bool", f"{__name__}:OtherBool", "zarr.data_type"))
    with pytest.raises(KeyError):
        new.get("other")
    assert new.get("bool") is zd.Bool


def test_two_data_types_that_were_registered_are_ambiguous_still() -> None:
    new = DataTypeRegistry()
    new.register("bool", zd.Bool)
    new.register("test.bool", OtherBool)
    with pytest.raises(ValueError, match="Multiple data type wrappers"):
        new.match_dtype(np.dtype("?"))

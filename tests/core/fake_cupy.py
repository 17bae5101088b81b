"""Something with the interface of CuPy whose device is host memory, to test what needs no GPU.

It is as strict as CuPy, or stricter: host arrays do not mix with device arrays, nothing is copied
between the two unasked, and data types that code for the device cannot handle are refused, those of
foreign byte order among them, which CuPy itself takes for native. Copies are written down.
"""

from __future__ import annotations

from types import ModuleType
from typing import Any

import numpy as np

_KINDS = "biufc"


def _checked(dtype: Any) -> np.dtype[Any]:
    dtype = np.dtype(dtype)
    if dtype.kind not in _KINDS or not dtype.isnative:
        raise ValueError(f"Unsupported dtype {dtype}")
    return dtype


def _inner(value: Any) -> Any:
    """Return the host array behind an operand, or a scalar."""
    if isinstance(value, DeviceArray):
        return value._host
    if isinstance(value, np.ndarray):
        raise TypeError(f"Unsupported type {type(value)}")
    return value


def _index(key: Any) -> Any:
    return tuple(map(_inner, key)) if isinstance(key, tuple) else _inner(key)


class DeviceArray:
    """The part of ``cupy.ndarray`` that is needed."""

    __array_priority__ = 100

    def __init__(self, host: np.ndarray[Any, Any]) -> None:
        _checked(host.dtype)
        self._host = host

    @property
    def __cuda_array_interface__(self) -> dict[str, Any]:
        return {"shape": self.shape, "typestr": self.dtype.str, "data": (1, False), "version": 3}

    def __array__(self, *args: Any, **kwargs: Any) -> Any:
        raise TypeError("Implicit conversion to a NumPy array is not allowed.")

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **kwargs: Any) -> Any:
        assert method == "__call__"
        return DeviceArray(np.asarray(ufunc(*map(_inner, inputs), **kwargs)))

    dtype = property(lambda self: self._host.dtype)
    ndim = property(lambda self: self._host.ndim)
    size = property(lambda self: self._host.size)
    shape = property(lambda self: self._host.shape)
    nbytes = property(lambda self: self._host.nbytes)
    real = property(lambda self: DeviceArray(self._host.real))
    imag = property(lambda self: DeviceArray(self._host.imag))

    def __len__(self) -> int:
        return len(self._host)

    def __getitem__(self, key: Any) -> DeviceArray:
        return DeviceArray(np.asarray(self._host[_index(key)]))

    def __setitem__(self, key: Any, value: Any) -> None:
        self._host[_index(key)] = _inner(value)

    def __eq__(self, other: object) -> Any:
        return DeviceArray(np.asarray(self._host == _inner(other)))

    __hash__ = None  # type: ignore[assignment]

    def __and__(self, other: Any) -> DeviceArray:
        return DeviceArray(np.asarray(self._host & _inner(other)))

    def __bool__(self) -> bool:
        return bool(self._host)

    def reshape(self, shape: Any, *, order: Any = "C") -> DeviceArray:
        return DeviceArray(self._host.reshape(shape, order=order))

    def ravel(self, order: Any = "C") -> DeviceArray:
        return DeviceArray(self._host.ravel(order))

    def view(self, dtype: Any) -> DeviceArray:
        return DeviceArray(self._host.view(_checked(dtype)))

    def astype(self, dtype: Any, order: Any = "K", *, copy: bool = True) -> DeviceArray:
        return DeviceArray(self._host.astype(_checked(dtype), order=order, copy=copy))

    def fill(self, value: Any) -> None:
        self._host.fill(_inner(value))

    def copy(self) -> DeviceArray:
        return DeviceArray(self._host.copy())

    def transpose(self, axes: Any) -> DeviceArray:
        return DeviceArray(self._host.transpose(axes))

    def all(self) -> DeviceArray:
        return DeviceArray(np.asarray(self._host.all()))


class FakeCupy(ModuleType):
    """The module; `to_device` and `to_host` hold the sizes of the copies made, in bytes."""

    ndarray = DeviceArray

    def __init__(self) -> None:
        super().__init__("cupy")
        self.to_device: list[int] = []
        self.to_host: list[int] = []

    def reset(self) -> None:
        self.to_device.clear()
        self.to_host.clear()

    def asarray(self, a: Any) -> DeviceArray:
        if isinstance(a, DeviceArray):
            return a
        if (interface := getattr(a, "__cuda_array_interface__", None)) is not None:
            return DeviceArray(interface["host"])  # without a copy
        host = np.array(a)
        self.to_device.append(host.nbytes)
        return DeviceArray(host)

    def asnumpy(self, a: DeviceArray, order: Any = "C") -> np.ndarray[Any, Any]:
        self.to_host.append(a.nbytes)
        return np.array(a._host, order=order)

    def empty(self, shape: Any, dtype: Any, order: Any = "C") -> DeviceArray:
        return self.full(shape, 111, dtype=dtype, order=order)

    def zeros(self, shape: Any, dtype: Any, order: Any = "C") -> DeviceArray:
        return self.full(shape, 0, dtype=dtype, order=order)

    def full(self, shape: Any, fill_value: Any, dtype: Any, order: Any = "C") -> DeviceArray:
        return DeviceArray(np.full(shape, fill_value, dtype=_checked(dtype), order=order))

    def concatenate(self, parts: list[DeviceArray]) -> DeviceArray:
        return DeviceArray(np.concatenate([_inner(part) for part in parts]))

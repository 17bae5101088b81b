"""Helpers for tests."""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, TypeVar

from zarr.core.buffer import Buffer

__all__ = ["assert_bytes_equal", "gpu_test", "has_cupy"]

if TYPE_CHECKING:
    import pytest

    # Test suites outside this package use these two marks. `__getattr__` creates a mark when it is
    # used, because creating a mark requires an import of pytest.
    gpu_mark: pytest.MarkDecorator
    skip_if_no_gpu: pytest.MarkDecorator

F = TypeVar("F", bound=Callable[..., Any])


def assert_bytes_equal(
    b1: Buffer | bytes | bytearray | memoryview | None,
    b2: Buffer | bytes | bytearray | memoryview | None,
) -> None:
    """Check that two values have the same bytes, or that both are None.

    The classes of the values may differ.

    Raises
    ------
    AssertionError
        If the bytes differ, or if only one of the values is None.
    """
    one, other = (value.to_bytes() if isinstance(value, Buffer) else value for value in (b1, b2))
    assert (one is None) == (other is None), f"{one!r} is not {other!r}"
    if one is not None and other is not None:
        assert bytes(one) == bytes(other)


def has_cupy() -> bool:
    """Return whether cupy is installed and a GPU is available."""
    if find_spec("cupy") is None:
        return False
    import cupy

    try:
        return bool(cupy.cuda.runtime.getDeviceCount() > 0)
    except cupy.cuda.runtime.CUDARuntimeError:
        return False


def gpu_test(func: F) -> F:
    """Mark a test that needs a GPU; the test is skipped if no GPU is available."""
    gpu, skipping = _marks()
    marked: F = gpu(skipping(func))
    return marked


def _marks() -> tuple[pytest.MarkDecorator, pytest.MarkDecorator]:
    """Return two pytest marks: ``gpu``, and a mark that skips a test if there is no GPU."""
    import pytest

    return pytest.mark.gpu, pytest.mark.skipif(not has_cupy(), reason="needs cupy and a GPU")


if not TYPE_CHECKING:

    def __getattr__(name: str) -> object:
        names = ("gpu_mark", "skip_if_no_gpu")
        if name not in names:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        return _marks()[names.index(name)]

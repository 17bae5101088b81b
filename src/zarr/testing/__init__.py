"""Testing tools for authors of stores and codecs."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from zarr.testing.store import StoreTests
    from zarr.testing.utils import assert_bytes_equal

__all__ = ["StoreTests", "assert_bytes_equal"]

# Both names are imported on first use, because `zarr.testing.store` needs pytest; other modules of
# this package can be used without pytest.
_WHERE = {"StoreTests": "zarr.testing.store", "assert_bytes_equal": "zarr.testing.utils"}


def __getattr__(name: str) -> Any:
    if name not in _WHERE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(_WHERE[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_WHERE})


def pytest_configure(config: object) -> None:
    """Register the pytest markers used by the tests of this package."""
    config.addinivalue_line("markers", "gpu: needs cupy and a GPU")  # type: ignore[attr-defined]

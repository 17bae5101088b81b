"""What authors of stores and codecs need to test them."""

from zarr.testing.store import StoreTests
from zarr.testing.utils import assert_bytes_equal

__all__ = ["StoreTests", "assert_bytes_equal"]


def pytest_configure(config: object) -> None:
    """Register the markers that the tests of this package use."""
    config.addinivalue_line("markers", "gpu: needs cupy and a GPU")  # type: ignore[attr-defined]

"""Whether somebody has set a key of the configuration, also to its default."""

from __future__ import annotations

import pytest

from zarr.core.config import config

KEY = "async.concurrency"


def test_nothing_is_set_at_first() -> None:
    assert not config.is_set(KEY)
    assert type(config.get(KEY)) is int


@pytest.mark.parametrize(
    "values", [{KEY: 10}, {KEY: 20}, {"async": {"concurrency": 10, "timeout": None}}]
)
def test_what_is_set_is_set_until_it_is_taken_back(values: dict[str, object]) -> None:
    with config.set(values):
        assert config.is_set(KEY)
        with config.set({KEY: 30}):
            assert config.is_set(KEY)
        assert config.is_set(KEY)
    assert not config.is_set(KEY)
    assert config.get(KEY) == 10


def test_other_keys_do_not_count() -> None:
    with config.set({"async.timeout": 5, "array.order": "F"}):
        assert not config.is_set(KEY)


def test_what_is_set_for_good_stays_set_until_a_reset() -> None:
    config.set(async__concurrency=10)
    assert config.is_set(KEY)
    with config.set({KEY: 5}):
        pass
    assert config.is_set(KEY)
    config.reset()
    assert not config.is_set(KEY)


def test_environment_and_files_count(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ZARR_ASYNC__CONCURRENCY", "10")
    config.refresh()
    assert config.is_set(KEY)
    monkeypatch.delenv("ZARR_ASYNC__CONCURRENCY")
    config.refresh()
    assert not config.is_set(KEY)

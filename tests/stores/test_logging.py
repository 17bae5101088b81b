"""A store that logs."""

from __future__ import annotations

import io
import logging
import pickle
import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from tests.stores.store_kit import PROTOTYPE, WrapperTests, buffer, drained

from zarr.abc.store import OffsetByteRequest, RangeByteRequest, Store
from zarr.core.sync import sync
from zarr.storage import LoggingStore, MemoryStore


class TestLoggingStore(WrapperTests):
    store_cls = LoggingStore

    @pytest.fixture(autouse=True)
    def _quiet(self) -> Iterator[None]:
        logging.disable(logging.INFO)
        yield
        logging.disable(logging.NOTSET)

    def test_store_repr(self, store: Any) -> None:
        assert str(store) == f"logging-{store._store}"
        assert repr(store) == f"LoggingStore(MemoryStore, '{store._store}')"


@pytest.fixture
def log() -> io.StringIO:
    return io.StringIO()


@pytest.fixture
def store(log: io.StringIO) -> Iterator[LoggingStore[MemoryStore]]:
    inner = MemoryStore({"a": buffer(b"0123"), "g/b": buffer(b"x")})
    made = LoggingStore(inner, log_level="INFO", log_handler=logging.StreamHandler(log))
    yield made
    made.logger.handlers.clear()


FIRST = RangeByteRequest(0, 1)
CALLS: list[tuple[Callable[[Any], Any], str]] = [
    (lambda s: s.get("a", PROTOTYPE), "get(a)"),
    (lambda s: s.get("a", PROTOTYPE, FIRST), "get(a, RangeByteRequest(start=0, end=1))"),
    (
        lambda s: s.get("a", PROTOTYPE, byte_range=OffsetByteRequest(2)),
        "get(a, OffsetByteRequest(offset=2))",
    ),
    (
        lambda s: s.get_partial_values(PROTOTYPE, iter([("a", None), ("g/b", FIRST)])),
        "get_partial_values(a,g/b)",
    ),
    (
        lambda s: drained(s.get_ranges("a", iter([FIRST, None]), prototype=PROTOTYPE)),
        "get_ranges(a, 2 ranges)",
    ),
    (lambda s: s.exists("a"), "exists(a)"),
    (lambda s: s.getsize("a"), "getsize(a)"),
    (lambda s: s.getsize_prefix("g"), "getsize_prefix(g)"),
    (lambda s: s.is_empty("g"), "is_empty(g)"),
    (lambda s: s.set("n", buffer(b"x")), "set(n)"),
    (lambda s: s.set_if_not_exists("a", buffer(b"x")), "set_if_not_exists(a)"),
    (lambda s: s.delete("a"), "delete(a)"),
    (lambda s: s.delete_dir("g"), "delete_dir(g)"),
    (lambda s: s.clear(), "clear()"),
    (lambda s: drained(s.list()), "list()"),
    (lambda s: drained(s.list_prefix("g")), "list_prefix(g)"),
    (lambda s: drained(s.list_dir("g")), "list_dir(g)"),
]
IN_THE_CALLING_THREAD: list[tuple[Callable[[Any], Any], str]] = [
    (lambda s: s.get_sync("a"), "get_sync(a)"),
    (
        lambda s: s.get_sync("a", byte_range=FIRST),
        "get_sync(a, RangeByteRequest(start=0, end=1))",
    ),
    (
        lambda s: s.get_ranges_sync("a", [FIRST], prototype=PROTOTYPE),
        "get_sync(a, RangeByteRequest(start=0, end=1))",
    ),
    (lambda s: s.set_sync("n", buffer(b"x")), "set_sync(n)"),
    (lambda s: s.delete_sync("a"), "delete_sync(a)"),
    (lambda s: s.read_only, "read_only()"),
    (lambda s: s.supports_writes, "supports_writes()"),
    (lambda s: s.supports_deletes, "supports_deletes()"),
    (lambda s: s.supports_listing, "supports_listing()"),
    (lambda s: s.supports_partial_writes, "supports_partial_writes()"),
]


@pytest.mark.parametrize(
    ("ask", "call"),
    CALLS + IN_THE_CALLING_THREAD,
    ids=lambda value: value[:40] if isinstance(value, str) else "call",
)
def test_each_call_is_logged_and_counted(
    store: LoggingStore[MemoryStore], log: io.StringIO, ask: Callable[[Any], Any], call: str
) -> None:
    answer = ask(store)
    if (ask, call) in CALLS:
        answer = sync(answer)
    before, after = log.getvalue().splitlines()[:2]
    assert before == f" Calling MemoryStore.{call}"
    assert re.fullmatch(rf"Finished MemoryStore\.{re.escape(call)} \[\d+\.\d\d s\]", after)
    assert len(log.getvalue().splitlines()) == 2
    assert dict(store.counter) == {call.partition("(")[0]: 1}


def test_answers_are_those_of_the_other_store(store: LoggingStore[MemoryStore]) -> None:
    parts = sync(drained(store.get_ranges("a", [FIRST, None], prototype=PROTOTYPE)))
    found = {index: value.to_bytes() for batch in parts for index, value in batch}
    assert found == {0: b"0", 1: b"0123"}
    values = sync(store.get_partial_values(PROTOTYPE, iter([("a", None), ("nope", None)])))
    assert [value and value.to_bytes() for value in values] == [b"0123", None]


def test_several_values_are_logged_one_by_one(
    store: LoggingStore[MemoryStore], log: io.StringIO
) -> None:
    sync(store._set_many((key, buffer(b"x")) for key in ("p", "q")))
    calling = [line for line in log.getvalue().splitlines() if line.startswith(" Calling")]
    assert sorted(calling) == [" Calling MemoryStore.set(p)", " Calling MemoryStore.set(q)"]
    assert store.counter["set"] == 2


def test_a_call_that_fails_is_finished_too(
    store: LoggingStore[MemoryStore], log: io.StringIO
) -> None:
    with pytest.raises(FileNotFoundError):
        sync(store.getsize("nope"))
    with pytest.raises(ValueError, match="not allowed"):
        sync(store.get("../a", PROTOTYPE))
    lines = log.getvalue().splitlines()
    assert [line.split(" [")[0] for line in lines] == [
        " Calling MemoryStore.getsize(nope)",
        "Finished MemoryStore.getsize(nope)",
        " Calling MemoryStore.get(../a)",
        "Finished MemoryStore.get(../a)",
    ]


def test_a_block_can_be_logged(store: LoggingStore[MemoryStore], log: io.StringIO) -> None:
    def compacting() -> None:
        with store.log("now"):
            pass

    compacting()
    assert log.getvalue().startswith(" Calling MemoryStore.compacting(now)\nFinished ")
    assert store.counter["compacting"] == 1


@pytest.mark.parametrize("level", ["NOPE", "", "debug", 10])
def test_levels_that_are_none(level: Any) -> None:
    with pytest.raises(ValueError, match="Unknown level"):
        LoggingStore(MemoryStore(), log_level=level)


@pytest.mark.parametrize(
    ("level", "lines"), [("DEBUG", 2), ("INFO", 2), ("WARNING", 0), ("ERROR", 0)]
)
def test_levels(level: str, lines: int) -> None:
    log = io.StringIO()
    store = LoggingStore(MemoryStore(), log_level=level, log_handler=logging.StreamHandler(log))
    sync(store.exists("a"))
    assert len(log.getvalue().splitlines()) == lines
    assert store.counter["exists"] == 1
    store.logger.handlers.clear()


def test_without_a_handler_the_log_goes_to_standard_output(
    capsys: pytest.CaptureFixture[str],
) -> None:
    store = LoggingStore(MemoryStore())
    assert store.logger.name == f"LoggingStore({store._store})"
    assert store.logger.level == logging.DEBUG
    # Only where no handler higher up takes the records, as it does under pytest.
    store.logger.propagate = False
    made = LoggingStore(store._store)
    sync(made.exists("a"))
    shown = capsys.readouterr().out.splitlines()
    pattern = r"\S+ \S+ - LoggingStore\(memory://\d+\) - INFO -  Calling MemoryStore\.exists\(a\)"
    assert re.fullmatch(pattern, shown[0])
    made.logger.handlers.clear()
    made.logger.propagate = True


def test_views_log_to_the_same_place(store: LoggingStore[Store], log: io.StringIO) -> None:
    view = store.with_read_only(True)
    assert type(view) is LoggingStore
    assert view.log_level == "INFO"
    sync(view.exists("a"))
    assert " Calling MemoryStore.exists(a)" in log.getvalue().splitlines()
    view.logger.handlers.clear()


def test_handlers_stay_behind(store: LoggingStore[MemoryStore]) -> None:
    again = pickle.loads(pickle.dumps(store))
    assert again == store
    assert (again.log_level, again.log_handler) == ("INFO", None)
    again.logger.handlers.clear()

"""What notebooks show of arrays and groups."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import zarr
from zarr.core._html import MAX_ROWS, MAX_TEXT, node_html
from zarr.core.group import AsyncGroup, Group
from zarr.storage import MemoryStore
from zarr.testing.recording import RecordingStore

HOSTILE = "<script>alert('\"&')</script>"
TAGS = {"div", "style", "strong", "table", "tbody", "tr", "th", "td", "details", "summary", "p"}


class Shown:
    """The parts of a representation; it has to be well-formed, without anything of its own."""

    def __init__(self, html: str) -> None:
        root = ElementTree.fromstring(html)
        assert {element.tag for element in root.iter()} <= TAGS
        allowed = {"class", "scope"}
        assert {name for element in root.iter() for name in element.attrib} <= allowed
        title, summary, *sections = root[1:]
        self.title = "".join(title.itertext())
        self.summary = self._rows(summary)
        self.sections = {
            "".join(section[0].itertext()): self._rows(section[1]) for section in sections
        }
        self.more = [paragraph.text for paragraph in root.iter("p")]

    @staticmethod
    def _rows(table: ElementTree.Element) -> dict[str, str]:
        return {row[0].text or "": row[1].text or "" for row in table.iter("tr")}


def shown(node: Any) -> Shown:
    return Shown(node._repr_html_())


# --- nodes ------------------------------------------------------------------------------------


def test_an_array() -> None:
    array = zarr.create_array(
        MemoryStore(),
        name="a/b",
        shape=(100, 20),
        chunks=(5, 5),
        shards=(10, 10),
        dtype="i2",
        fill_value=7,
        attributes={"units": "K", "valid": [0, 1.5, None]},
    )
    for node, kind in ((array, "Array"), (array.async_array, "AsyncArray")):
        found = shown(node)
        assert found.title == f"{kind} {array.store_path}"
        assert found.title.endswith("/a/b")
        assert found.summary["Shape"] == "(100, 20)"
        assert found.summary["Shard shape"] == "(10, 10)"
        assert found.summary["Chunk shape"] == "(5, 5)"
        assert found.summary["Fill value"] == "7"
        assert found.summary["Store type"] == "MemoryStore"
        assert found.summary["No. bytes"] == "4000 (3.9K)"
        assert "Type" not in found.summary
        assert found.sections == {"Attributes (2)": {"units": '"K"', "valid": "[0, 1.5, null]"}}


@pytest.mark.parametrize(
    "parameters",
    [
        {"dtype": "f8", "zarr_format": 2},
        {"dtype": str},
        {"dtype": [("a", "i4"), ("b", "U3")], "zarr_format": 2},
        {"dtype": "M8[ns]"},
        {"dtype": "c8", "shape": ()},
    ],
)
def test_arrays_of_all_kinds(parameters: dict[str, Any]) -> None:
    array = zarr.create_array(MemoryStore(), **({"shape": (3,)} | parameters))
    found = shown(array)
    assert found.summary["Zarr format"] == str(array.metadata.zarr_format)
    assert found.sections == {}
    assert "Shard shape" not in found.summary


def test_a_group() -> None:
    group = zarr.create_group(MemoryStore(), path="g", attributes={"a": 1})
    group.create_array("x", shape=(3,), dtype="i4")
    inner: AsyncGroup = group._async_group
    for node, kind in ((group, "Group"), (inner, "AsyncGroup")):
        found = shown(node)
        assert found.title == f"{kind} {group.store_path}"
        assert found.summary == {
            "Zarr format": "3",
            "Read-only": "False",
            "Store type": "MemoryStore",
        }
        assert found.sections == {"Attributes (1)": {"a": "1"}}


@pytest.mark.filterwarnings("ignore:Consolidated metadata")
def test_members_are_shown_where_they_are_known() -> None:
    store = MemoryStore()
    group = zarr.create_group(store)
    group.create_array("x", shape=(3, 2), dtype="i4")
    group.create_group("y").create_array("z", shape=(), dtype="f8")
    assert shown(zarr.open_group(store)).sections == {}
    zarr.consolidate_metadata(store)
    known: Group = zarr.open_group(store)
    for node in (known, known._async_group):
        assert shown(node).sections == {"Members (2)": {"x": "(3, 2) int32", "y": "group"}}
        assert shown(node).summary["No. members"] == "3"
    empty = zarr.open_group(store)["y"]
    assert shown(empty).sections == {"Members (1)": {"z": "() float64"}}


@pytest.mark.filterwarnings("ignore:Consolidated metadata")
def test_nothing_is_read() -> None:
    store = RecordingStore(MemoryStore())
    group = zarr.create_group(store, attributes={"a": 1})
    array = group.create_array("x", shape=(3,), dtype="i4")
    array[:] = np.arange(3)
    zarr.consolidate_metadata(store)
    nodes: list[Any] = [group, zarr.open_group(store), array, array.async_array]
    store.reset()
    for node in nodes:
        shown(node)
    assert store.asked == []


def test_what_a_store_holds_is_not_trusted() -> None:
    class Hostile(MemoryStore):
        def __str__(self) -> str:
            return HOSTILE

    store = Hostile()
    attributes: dict[str, Any] = {HOSTILE: HOSTILE, "in": {HOSTILE: [HOSTILE]}}
    group = zarr.create_group(store, attributes=attributes)
    array = group.create_array("a<b>&", shape=(1,), dtype=str, fill_value=HOSTILE)
    array.attrs.update(attributes)
    for node in (group, group._async_group, array, array.async_array):
        found = shown(node)
        assert HOSTILE not in node._repr_html_()
        assert HOSTILE in found.title
        rows = found.sections["Attributes (2)"]
        assert HOSTILE in rows
        assert rows["in"].startswith('{"<script>alert(')
    assert shown(array).title.endswith("a<b>&")
    assert shown(array).summary["Fill value"] == HOSTILE


# --- text in, HTML out --------------------------------------------------------------------------


text = st.text(st.characters(exclude_categories=[]), max_size=300)


def cleaned(value: str) -> str:
    """Return what is to be seen of a text."""
    value = value if len(value) <= MAX_TEXT else value[: MAX_TEXT - 1] + "…"
    return "".join(
        "\ufffd" if unicodedata.category(char) in ("Cc", "Cs") and char not in "\t\n" else char
        for char in value.replace("\ufffe", "\ufffd").replace("\uffff", "\ufffd")
    )


@given(
    kind=text,
    place=text,
    summary=st.dictionaries(text, text, max_size=3),
    attributes=st.dictionaries(text, st.recursive(text | st.floats(), st.lists), max_size=3),
    members=st.none() | st.dictionaries(text, text, max_size=3),
)
def test_any_text_is_shown_as_it_is(
    kind: str,
    place: str,
    summary: dict[str, str],
    attributes: dict[str, Any],
    members: dict[str, str] | None,
) -> None:
    items = None if members is None else members.items()
    html = node_html(kind, place, summary.items(), attributes, items, len(members or ()))
    html.encode()
    found = Shown(html)
    assert found.title == f"{cleaned(kind)} {cleaned(place)}"
    wanted = {cleaned(label): cleaned(value) for label, value in summary.items()}
    assert found.summary == {key: wanted[key] for key in wanted if key not in ("Type", "Name")}
    if members is not None:
        shown_members = found.sections[f"Members ({len(members)})"]
        assert shown_members == {cleaned(name): cleaned(what) for name, what in members.items()}
    if attributes:
        names = found.sections[f"Attributes ({len(attributes)})"]
        assert list(names) == list(dict.fromkeys(map(cleaned, attributes)))


@pytest.mark.parametrize("length", [MAX_TEXT - 1, MAX_TEXT, MAX_TEXT + 1, 10**6])
def test_long_texts_are_cut(length: int) -> None:
    long = "x" * length
    expected = long if length <= MAX_TEXT else "x" * (MAX_TEXT - 1) + "…"
    found = Shown(node_html(long, long, [("a", long)], {long: 1}, [(long, long)], 1))
    assert found.title == f"{expected} {expected}"
    assert found.summary == {"a": expected}
    assert found.sections == {
        "Attributes (1)": {expected: "1"},
        "Members (1)": {expected: expected},
    }


def test_values_are_encoded_no_further_than_they_are_shown() -> None:
    class Endless(list[int]):
        def __iter__(self) -> Iterator[int]:
            for number in range(10**9):
                assert number < MAX_TEXT
                yield number

    found = Shown(node_html("", "", [], {"a": Endless([1]), "b": "y" * 10**6}))
    rows = found.sections["Attributes (2)"]
    assert rows["a"].startswith("[0, 1, 2")
    assert rows["b"].startswith('"yyy')
    assert [len(value) for value in rows.values()] == [MAX_TEXT] * 2
    assert all(value.endswith("…") for value in rows.values())


@pytest.mark.parametrize("more", [0, 1, 1000])
def test_long_lists_are_cut(more: int) -> None:
    count = MAX_ROWS + more
    taken = []

    def members() -> Iterator[tuple[str, str]]:
        for index in range(count):
            taken.append(index)
            yield f"m{index}", "group"

    attributes = {f"a{index}": index for index in range(count)}
    found = Shown(node_html("Group", "", [], attributes, members(), count))
    rows = found.sections[f"Attributes ({count})"]
    assert rows == {f"a{index}": str(index) for index in range(MAX_ROWS)}
    assert list(found.sections[f"Members ({count})"]) == [f"m{index}" for index in range(MAX_ROWS)]
    assert taken == list(range(MAX_ROWS))
    assert found.more == ([f"and {more} more"] * 2 if more else [])


def test_the_length_is_bounded() -> None:
    worst = '"' * 10**4  # of all characters, this one grows most
    rows = [(worst, worst)] * 15
    many = {f"{worst[:300]}{index}": worst for index in range(100)}
    html = node_html(worst, worst, rows, many, iter([(worst, worst)] * 100), 100)
    assert len(html) < 250_000


def test_values_that_are_no_json() -> None:
    circular: list[Any] = []
    circular.append(circular)
    deep: list[Any] = []
    for _ in range(10**4):
        deep = [deep]
    attributes = {"a": np.int64(5), "b": float("nan"), "c": circular, "d": {(1, 2): 3}, "e": deep}
    rows = Shown(node_html("", "", [], attributes)).sections["Attributes (5)"]
    assert rows["a"] == '"5"'
    assert rows["b"] == "NaN"
    assert rows["c"] == "[<list>"
    assert rows["d"] == "{<dict>"
    assert rows["e"].startswith("[[[[")


def test_what_cannot_be_shown_is_replaced() -> None:
    found = Shown(node_html("a\x00b\x1bc", "d\ud800e\tf\ng", [], {}))
    assert found.title == "a\ufffdb\ufffdc d\ufffde\tf\ng"


def test_what_is_unknown_is_left_out() -> None:
    found = Shown(node_html("Array", "", [("a", None), ("b", 0), ("Name", "x"), ("Type", "y")], {}))
    assert found.summary == {"b": "0"}

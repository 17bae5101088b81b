"""Keys, paths and prefixes, as all stores take them."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from tests.optional import lacks
from tests.stores.store_kit import PROTOTYPE, buffer, drained

from zarr.abc.store import Store
from zarr.storage import (
    FsspecStore,
    LocalStore,
    LoggingStore,
    ManagedMemoryStore,
    MemoryStore,
    ObjectStore,
    WrapperStore,
    ZipStore,
)
from zarr.storage._utils import (
    as_directory,
    check_key,
    check_keys,
    children,
    normalize_path,
)

OUTSIDE = [
    "..",
    "../up",
    "a/..",
    "a/../b",
    "a/../../up",
    "a/b/../../../up",
    "/",
    "/absolute",
    "//host/share",
    "C:/windows",
    "c:\\windows",
    "a\\b",
    "..\\up",
    "\\\\host\\share",
    "a\x00b",
    "\x00",
    "../up\n",
]
INSIDE = [
    "",
    "a",
    "a/b",
    "zarr.json",
    ".zarray",
    "...",
    "..a",
    "a..",
    "a/..b/c",
    "a/b../c",
    "c/0/0",
    "0.0",
    "a:b",
    "ab:/c",
    "sp ace",
    "ä/漢字",
    "a\nb",
    "%2e%2e/a",
    "~",
    "-",
]
# Words that keys of the kind that goes wrong are made of.
PARTS = st.sampled_from([".", "..", "...", "a", "b", "", "/", "\\", "\x00", "C:", "~"])


@pytest.mark.parametrize("key", OUTSIDE)
def test_keys_that_are_refused(key: str) -> None:
    with pytest.raises(ValueError, match="not allowed") as raised:
        check_key(key)
    assert repr(key) in str(raised.value)


@pytest.mark.parametrize("key", INSIDE)
def test_keys_that_are_taken(key: str) -> None:
    assert check_key(key) == key


NO_KEYS = [5, None, b"a", Path("a"), ("a",)]


def named(key: object) -> str:
    return re.escape(f"Got {key!r}, of type {type(key).__name__}.")


@pytest.mark.parametrize("key", NO_KEYS)
def test_keys_are_strings(key: Any) -> None:
    with pytest.raises(TypeError, match=named(key)):
        check_key(key)


def object_store(root: Path) -> Store:
    from obstore.store import MemoryStore

    return ObjectStore(MemoryStore())


STORES: dict[str, Callable[[Path], Store]] = {
    "memory": lambda root: MemoryStore(),
    "managed": lambda root: ManagedMemoryStore(path="in"),
    "local": LocalStore,
    "zip": lambda root: ZipStore(root / "a.zip", mode="w"),
    "wrapper": lambda root: WrapperStore(MemoryStore()),
    "logging": lambda root: LoggingStore(MemoryStore(), log_level="CRITICAL"),
}
if not lacks("fsspec"):
    STORES["fsspec"] = lambda root: FsspecStore.from_url("memory://no-keys")
if not lacks("obstore"):
    STORES["obstore"] = object_store


@pytest.mark.parametrize("kind", STORES)
@pytest.mark.parametrize("key", NO_KEYS)
async def test_every_store_says_which_key_is_none(tmp_path: Path, kind: str, key: Any) -> None:
    store: Any = STORES[kind](tmp_path)
    calls: list[Callable[[], Any]] = [
        lambda: store.get(key, PROTOTYPE),
        lambda: store.get_partial_values(PROTOTYPE, [(key, None)]),
        lambda: store.exists(key),
        lambda: store.getsize(key),
        lambda: store.set(key, buffer(b"y")),
        lambda: store.set_if_not_exists(key, buffer(b"y")),
        lambda: store._set_many([(key, buffer(b"y"))]),
        lambda: store.delete(key),
    ]
    for call in calls:
        with pytest.raises(TypeError, match=named(key)):
            await call()
    for name, arguments in (("get", ()), ("set", (buffer(b"y"),)), ("delete", ())):
        in_place = getattr(store, f"{name}_sync", None)
        if in_place is not None:
            with pytest.raises(TypeError, match=named(key)):
                in_place(key, *arguments)
    for request in (key, (key, None)):
        with pytest.raises(TypeError, match=re.escape(f"Got {request!r}.")):
            await drained(store.get_many([request], prototype=PROTOTYPE))
    assert await drained(store.list()) == []
    store.close()


@given(st.lists(PARTS, max_size=6).map("".join) | st.lists(PARTS, max_size=6).map("/".join))
def test_a_key_that_is_taken_stays_below_the_root(key: str) -> None:
    try:
        check_key(key)
    except ValueError:
        return
    reached = os.path.normpath(os.path.join("/root", key))
    assert reached == "/root" or reached.startswith("/root/")


@pytest.mark.parametrize(
    "make",
    [
        lambda root: MemoryStore(),
        lambda root: ManagedMemoryStore("traversal", path="in"),
        lambda root: LocalStore(root),
        lambda root: WrapperStore(LocalStore(root)),
    ],
    ids=["memory", "managed", "local", "wrapper"],
)
@pytest.mark.parametrize("key", OUTSIDE)
async def test_no_method_leaves_the_store(
    tmp_path: Path, make: Callable[[Path], Any], key: str
) -> None:
    (tmp_path / "up").write_bytes(b"secret")
    store = make(tmp_path / "base")
    await store.set("a/b", buffer(b"x"))
    calls: list[Callable[[], Any]] = [
        lambda: store.get(key, PROTOTYPE),
        lambda: store.get_partial_values(PROTOTYPE, [("a/b", None), (key, None)]),
        lambda: store.exists(key),
        lambda: store.getsize(key),
        lambda: store.set(key, buffer(b"y")),
        lambda: store.set_if_not_exists(key, buffer(b"y")),
        lambda: store.delete(key),
    ]
    for call in calls:
        with pytest.raises(ValueError, match="not allowed"):
            await call()
    for direct in (
        lambda: store.get_sync(key, prototype=PROTOTYPE),
        lambda: store.set_sync(key, buffer(b"y")),
        lambda: store.delete_sync(key),
    ):
        with pytest.raises(ValueError, match="not allowed"):
            direct()
    assert [found async for found in store.list()] == ["a/b"]
    assert (tmp_path / "up").read_bytes() == b"secret"
    assert set(os.listdir(tmp_path)) <= {"up", "base"}


@pytest.mark.parametrize("prefix", ["..", "../", "../base2", "a/../.."])
async def test_no_prefix_leaves_a_directory(tmp_path: Path, prefix: str) -> None:
    (tmp_path / "base2").mkdir()
    (tmp_path / "base2" / "x").write_bytes(b"secret")
    store: Store = LocalStore(tmp_path / "base")
    await store.set("a/b", buffer(b"x"))
    with pytest.raises(ValueError, match="not allowed"):
        await store.delete_dir(prefix)
    with pytest.raises(ValueError, match="not allowed"):
        await drained(store.list_dir(prefix))
    with pytest.raises(ValueError, match="not allowed"):
        await drained(store.list_prefix(f"{prefix}/"))
    assert (tmp_path / "base2" / "x").exists()


# --- paths of nodes ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "normal"),
    [
        (None, ""),
        ("", ""),
        ("/", ""),
        ("//", ""),
        ("a", "a"),
        ("/a/", "a"),
        ("a//b", "a/b"),
        ("//a///b//", "a/b"),
        ("a\\b", "a/b"),
        ("\\a\\\\b\\", "a/b"),
        (b"a/b", "a/b"),
        (b"", ""),
        (Path("a/b"), "a/b"),
        ("...", "..."),
        ("a/.b/c..", "a/.b/c.."),
        (" a ", " a "),
    ],
)
def test_normalize_path(path: Any, normal: str) -> None:
    assert normalize_path(path) == normal


@pytest.mark.parametrize(
    "path", [".", "..", "a/.", "./a", "a/../b", "..\\a", b"../a", Path("../a")]
)
def test_paths_that_are_refused(path: Any) -> None:
    with pytest.raises(ValueError, match=r"contains '\.' or '\.\.' segments"):
        normalize_path(path)


@pytest.mark.parametrize("path", [5, ["a"], object()])
def test_paths_of_other_types(path: Any) -> None:
    with pytest.raises(TypeError, match='invalid type for "path"'):
        normalize_path(path)


@given(st.lists(PARTS, max_size=6).map("/".join))
def test_normal_paths_stay_as_they_are(path: str) -> None:
    try:
        normal = normalize_path(path)
    except ValueError:
        return
    assert normalize_path(normal) == normal
    assert not normal.startswith("/")
    assert not normal.endswith("/")
    assert "//" not in normal


# --- prefixes ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("prefix", "directory"), [("", ""), ("a", "a/"), ("a/", "a/"), ("a/b", "a/b/")]
)
def test_as_directory(prefix: str, directory: str) -> None:
    assert as_directory(prefix) == directory


@pytest.mark.parametrize(
    ("prefix", "names"),
    [
        ("", ["a", "g", "gg"]),
        ("g", ["c", "zarr.json"]),
        ("g/", ["c", "zarr.json"]),
        ("g/c", ["0", "1"]),
        ("a", []),
        ("missing", []),
    ],
)
def test_children(prefix: str, names: list[str]) -> None:
    keys = ["g/c/1", "a", "g/zarr.json", "g/c/0", "gg"]
    assert sorted(children(keys, prefix)) == names


@given(
    st.sets(st.lists(st.sampled_from("abc"), min_size=1, max_size=4).map("/".join)),
    st.sampled_from(["", "a", "a/", "a/b", "c"]),
)
def test_children_are_the_first_parts_below(keys: set[str], prefix: str) -> None:
    parts = prefix.split("/") if prefix.strip("/") else []
    parts = [part for part in parts if part]
    split = [key.split("/") for key in keys]
    below = {
        key[len(parts)] for key in split if key[: len(parts)] == parts and len(key) > len(parts)
    }
    found = list(children(keys, prefix))
    assert len(found) == len(set(found))
    assert set(found) == below


ALPHABET = st.text(alphabet="./\\\n\0:aC", max_size=6)


@given(st.lists(ALPHABET, max_size=4))
def test_keys_together_are_judged_as_each_alone(keys: list[str]) -> None:
    def refused(*judged: str) -> bool:
        try:
            check_keys(judged) if len(judged) > 1 else check_key(*judged)
        except ValueError:
            return True
        return False

    assume(len(keys) > 1)
    assert refused(*keys) == any(map(refused, keys))


def test_keys_together_are_strings() -> None:
    keys: Any = ["a", 5]
    with pytest.raises(TypeError):
        check_keys(keys)

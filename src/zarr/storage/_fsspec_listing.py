"""List keys below a path of an fsspec file system.

Object stores also list folder markers: objects whose names end in a slash. HTTP servers have no
listing operation. Instead, their index pages are parsed. The links on such a page may lead to any
URL, so only links to direct children are used.
"""

from __future__ import annotations

import errno
import inspect
import re
from functools import lru_cache
from html import unescape
from typing import TYPE_CHECKING, Any, NamedTuple, cast
from urllib.parse import unquote, urljoin, urlsplit

from zarr.core.common import concurrent_map
from zarr.storage._fsspec_faults import fault_behind
from zarr.storage._fsspec_links import leads_nowhere
from zarr.storage._utils import can_be_child

if TYPE_CHECKING:
    from fsspec.asyn import AsyncFileSystem

_find_links = re.compile(
    r"""<a\s(?:[^>]*?\s)?href\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s>"']+))""", re.IGNORECASE
).findall
_HTTP = "fsspec.implementations.http"


class File(NamedTuple):
    """A file in a listing.

    Parameters
    ----------
    name : str
        Path of the file in the file system.
    nbytes : int or None
        Size in bytes; None if the listing does not contain the size.
    """

    name: str
    nbytes: int | None


class Child(NamedTuple):
    """A file or directory directly below a path.

    Parameters
    ----------
    path : str
        Path of the file or directory in the file system.
    name : str
        The last part of the path, which is valid as a part of a key.
    is_directory : bool
        Whether the child is listed as a directory.
    nbytes : int or None
        Size in bytes; None for a directory, or if the listing does not contain the size.
    """

    path: str
    name: str
    is_directory: bool
    nbytes: int | None


def bare(fs: AsyncFileSystem, path: str) -> str:
    """Return a path in the form used by listings, without leading and trailing slashes."""
    stripped: str = fs._strip_protocol(path)
    return stripped.strip("/")


async def files(fs: AsyncFileSystem, path: str, *, sizes: bool = False) -> list[File]:
    """Return all files below a path, or the path itself if it is a file.

    Parameters
    ----------
    fs : fsspec.asyn.AsyncFileSystem
        The file system.
    path : str
        The path.
    sizes : bool
        Whether to return sizes. Some file systems need more time to determine the sizes.
    """
    if not _walks(fs):
        return await _found(fs, path, sizes)
    # fsspec's own walk is not used: it treats a directory that it cannot list as empty, and it
    # recurses once per directory level.
    result: list[File] = []
    directories = [path]
    while directories:
        listings = await concurrent_map([(fs, directory) for directory in directories], children)
        if directories == [path] and not listings[0]:
            return await _itself(fs, path)
        directories = []
        for child in (child for listing in listings for child in listing):
            if child.is_directory:
                directories.append(child.path)
            else:
                result.append(File(child.path, child.nbytes))
    return result


async def _found(fs: AsyncFileSystem, path: str, sizes: bool) -> list[File]:
    try:
        found = await fs._find(path, maxdepth=None, withdirs=False, detail=sizes)
    except (FileNotFoundError, NotADirectoryError) as error:
        if (fault := fault_behind(error)) is not None:
            raise fault from fault.__cause__
        return []
    # A name that ends in a slash is a folder marker.
    return [
        File(name, found[name].get("size") if sizes else None)
        for name in found
        if not name.endswith("/")
    ]


async def below(fs: AsyncFileSystem, path: str) -> list[str] | None:
    """Find all objects below a path with a single call, and return their names.

    Folder markers are included. The call lists the parent directory, and returns only the names
    that begin with the path. Listing the path itself can take more requests: if nothing is found,
    the file system also asks whether the path is a file, and whether the path exists.

    Parameters
    ----------
    fs : fsspec.asyn.AsyncFileSystem
        The file system.
    path : str
        The path.

    Returns
    -------
    list of str or None
        The names; None if the file system cannot list by prefix, or if the path has no parent.
    """
    parent, _, name = path.rstrip("/").rpartition("/")
    if not parent.strip("/") or not name or not _lists_by_prefix(cast("Any", type(fs))):
        return None
    try:
        found: list[str] = await fs._find(parent, prefix=f"{name}/")
    except (FileNotFoundError, NotADirectoryError) as error:
        if (fault := fault_behind(error)) is not None:
            raise fault from fault.__cause__
        return []
    return found


@lru_cache(maxsize=100)
def _lists_by_prefix(cls: type) -> bool:
    """Return whether `_find` of an asynchronous file system class has a parameter `prefix`."""
    return "prefix" in inspect.signature(cast("Any", cls)._find).parameters


async def _itself(fs: AsyncFileSystem, path: str) -> list[File]:
    """Return a list with the file at a path; an empty list if the path is not a file."""
    if _is_http(fs):
        return []  # the URL is a file, or an index page without links
    try:
        listing = await fs._ls(path, detail=True)
    except (FileNotFoundError, NotADirectoryError) as error:
        if (fault := fault_behind(error)) is not None:
            raise fault from fault.__cause__
        return []
    return [
        File(entry["name"], entry["size"])
        for entry in listing
        if entry["type"] != "directory"
        and not entry["name"].endswith("/")
        and bare(fs, entry["name"]) == bare(fs, path)
    ]


async def children(fs: AsyncFileSystem, path: str) -> list[Child]:
    """Return the children of a path, each name once; an empty list if there is no such directory.

    The directory itself, folder markers, broken links, and names that cannot be a part of a key are
    omitted.
    """
    try:
        if _is_http(fs):
            return await _linked(fs, path)
        listing = await fs._ls(path, detail=True)
    except (FileNotFoundError, NotADirectoryError) as error:
        if (fault := fault_behind(error)) is not None:
            raise fault from fault.__cause__
        return []
    result: dict[str, Child] = {}
    directory = bare(fs, path)
    base = f"{directory}/" if directory else ""
    for entry in listing:
        is_directory = entry["type"] == "directory"
        if entry["name"].endswith("/") and not is_directory:
            continue  # a folder marker
        if await leads_nowhere(fs, entry):
            continue
        where = bare(fs, entry["name"])
        if where == directory:
            continue
        name = where[len(base) :] if where.startswith(base) else where.rpartition("/")[2]
        if can_be_child(name):
            size = None if is_directory else entry.get("size")
            result.setdefault(name, Child(entry["name"], name, is_directory, size))
    return list(result.values())


async def has_children(fs: AsyncFileSystem, path: str) -> bool:
    """Return whether a path is certainly a directory with children."""
    try:
        return bool(await children(fs, path))
    except Exception:  # nothing is proven; the caller then raises its earlier error
        return False


def _walks(fs: AsyncFileSystem) -> bool:
    """Return whether a file system finds files by listing one directory after another."""
    from fsspec import AbstractFileSystem
    from fsspec.asyn import AsyncFileSystem

    inner = getattr(fs, "sync_fs", None)
    if inner is not None:
        return type(inner).find is AbstractFileSystem.find
    return type(fs)._find is AsyncFileSystem._find


# --- index pages ------------------------------------------------------------------------


def _is_http(fs: AsyncFileSystem) -> bool:
    owner = next(base for base in type(fs).__mro__ if "_ls" in base.__dict__)
    return owner.__module__ == _HTTP


async def _linked(fs: AsyncFileSystem, url: str) -> list[Child]:
    """Return the children of a directory according to the links on its index page.

    Raises
    ------
    FileNotFoundError
        If the directory has no index page.
    OSError
        If the server replies with a status other than 200 or 203.
    """
    directory = url.rstrip("/") + "/"  # without the slash, most servers send a redirect
    session = await fs.set_session()
    asked = fs.encode_url(directory)
    async with session.get(asked, **fs.kwargs) as reply:
        fs._raise_not_found_for_status(reply, directory)
        if reply.status not in (200, 203):
            raise OSError(
                errno.EIO, f"expected a listing, but the server replied with status {reply.status}"
            )
        kind = reply.headers.get("Content-Type", "text/html").partition(";")[0].strip().lower()
        if kind not in ("text/html", "application/xhtml+xml"):
            return []
        page = await reply.text(errors="ignore")
        base = str(reply.url)
    result: dict[str, Child] = {}
    for link in _find_links(page):
        name, is_directory = _name_of("".join(link), base)
        if name and not (name in result and result[name].is_directory):
            end = "/" if is_directory else ""
            result[name] = Child(f"{directory}{name}{end}", name, is_directory, None)
    return list(result.values())


def _name_of(link: str, base: str) -> tuple[str, bool]:
    """Return the name of the target of a link, and whether the target is a directory.

    Parameters
    ----------
    link : str
        The link, as written in the page.
    base : str
        URL of the index page that contains the link.

    Returns
    -------
    tuple
        The name, and whether the target is a directory. The name is empty if the target is not
        directly below the page.
    """
    nowhere = "", False
    target = unescape(link).strip()
    if "?" in target or "#" in target:
        return nowhere  # the same page in a different sort order, or an anchor
    try:
        here, there = urlsplit(base), urlsplit(urljoin(base, target))
    except ValueError:
        return nowhere
    above = unquote(here.path.rpartition("/")[0]) + "/"
    path = unquote(there.path)
    if there.netloc != here.netloc or not path.startswith(above):
        return nowhere
    name = path[len(above) :]
    is_directory = name.endswith("/")
    name = name.removesuffix("/")
    # In a URL, a question mark or a hash ends the path, so a name that contains one of these
    # characters could not be requested.
    if "?" in name or "#" in name or not can_be_child(name):
        return nowhere
    if name in ("index.html", "index.htm"):
        return nowhere  # the page itself
    return name, is_directory

"""Make asynchronous instances of fsspec file systems."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeAlias

from zarr.storage._fsspec_serial import serialize

if TYPE_CHECKING:
    from fsspec import AbstractFileSystem
    from fsspec.asyn import AsyncFileSystem

Options: TypeAlias = dict[str, Any]

OWN = "_zarr_made_it"  # marks instances that were made for stores


def is_async(fs: AbstractFileSystem) -> bool:
    """Return whether a file system is asynchronous.

    The class is checked, because an instance of a caching file system forwards attribute access to
    the file system that it caches.
    """
    return bool(getattr(type(fs), "async_impl", False))


def is_wrapper(fs: AbstractFileSystem) -> bool:
    """Return whether a file system wraps a synchronous file system, and calls it in threads.

    Such a wrapper can be used on any event loop.
    """
    return hasattr(fs, "sync_fs")


def as_async(fs: AbstractFileSystem) -> AsyncFileSystem:
    """Return an asynchronous form of a file system; the result is not bound to an event loop.

    Parameters
    ----------
    fs : fsspec.AbstractFileSystem
        Any file system.

    Returns
    -------
    fsspec.asyn.AsyncFileSystem
        `fs` itself if it was made with ``asynchronous=True``; otherwise a new instance, made from
        the arguments of `fs` with ``asynchronous=True``. For a synchronous file system, the result
        is a wrapper that uses threads. If other file systems are among the arguments of `fs`, `fs`
        is returned unchanged; `for_running_loop` handles this case.
    """
    if not is_async(fs):
        from fsspec.implementations.asyn_wrapper import AsyncFileSystemWrapper

        return serialize(AsyncFileSystemWrapper(fs, asynchronous=True))
    if fs.asynchronous or is_wrapper(fs) or _has_inner_instances(fs):
        return fs
    # fsspec caches the new instance, so calls with equal arguments return the same instance.
    result = type(fs)(*fs.storage_args, **_async_options(type(fs), fs.storage_options))
    return as_own(result)


def as_own(fs: AsyncFileSystem) -> AsyncFileSystem:
    """Mark a file system instance as made for stores, and return it.

    When the last store that uses a marked instance has been freed, the client of the instance is
    closed. This rule does not apply to an instance in the instance cache of fsspec. The client of
    such an instance stays open until the event loop closes.
    """
    if is_async(fs):
        fs.__dict__[OWN] = True
    return fs


def open_url(url: str, options: Mapping[str, Any] | None) -> tuple[AsyncFileSystem, str]:
    """Make the file system of a URL.

    Parameters
    ----------
    url : str
        A URL that fsspec supports. The URL can be chained.
    options : mapping or None
        Arguments for the file system; None means no arguments.

    Returns
    -------
    tuple
        The asynchronous file system, and the path of the URL in this file system.

    Raises
    ------
    ValueError
        If no file system is known for the protocol.
    """
    from fsspec.core import get_filesystem_class, split_protocol, url_to_fs

    kwargs = dict(options or {})
    if "::" not in url:
        cls = get_filesystem_class(kwargs.get("protocol") or split_protocol(url)[0] or "file")
        if cls.async_impl and "asynchronous" not in kwargs:
            kwargs = _async_options(cls, kwargs)
    fs, path = url_to_fs(url, **kwargs)
    as_own(fs)
    if is_async(fs) and kwargs.get("asynchronous") is False:
        return fs, path  # the user chose this mode; the store calls an asynchronous copy
    return as_async(fs), path


def same(one: AbstractFileSystem, other: AbstractFileSystem) -> bool:
    """Return whether two file systems have the same class and arguments.

    fsspec's own comparison is not used, because it also compares the threads in which the instances
    were made.
    """
    return one is other or _identity(one) == _identity(other)


def _has_inner_instances(fs: AbstractFileSystem) -> bool:
    from fsspec import AbstractFileSystem

    values = [*fs.storage_args, *fs.storage_options.values()]
    for value in list(values):
        if isinstance(value, dict):
            values.extend(value.values())
    return any(isinstance(value, AbstractFileSystem) for value in values)


def clone(fs: AbstractFileSystem) -> AsyncFileSystem:
    """Make an asynchronous copy of a file system, without using the instance cache of fsspec."""
    cls = type(fs)
    args = tuple(_async_value(value) for value in fs.storage_args)
    options = _async_options(cls, fs.storage_options)
    return cls(*args, **options, skip_instance_cache=True)


def _async_options(cls: type[AbstractFileSystem], options: Mapping[str, Any]) -> Options:
    """Return arguments that make a file system and its inner file systems asynchronous."""
    from fsspec.implementations.dirfs import DirFileSystem
    from fsspec.implementations.reference import ReferenceFileSystem

    result = {name: _async_value(value) for name, value in options.items() if name != "loop"}
    result["asynchronous"] = True
    # Without `skip_instance_cache`, fsspec would share one inner instance among file systems of
    # several event loops.
    inner_options = {"asynchronous": True, "skip_instance_cache": True}
    if issubclass(cls, ReferenceFileSystem):
        # Do not change target_options: they apply to the reference document, which fsspec reads
        # synchronously.
        result["remote_options"] = {**(result.get("remote_options") or {}), **inner_options}
        if isinstance(fss := result.get("fs"), dict):
            result["fs"] = _reference_targets(fss)
    elif issubclass(cls, DirFileSystem):
        if result.get("fs") is None:
            result["target_options"] = {**(result.get("target_options") or {}), **inner_options}
        elif not is_async(result["fs"]):
            result["fs"] = as_async(result["fs"])
    return result


def _reference_targets(targets: Mapping[Any, Any]) -> dict[Any, AsyncFileSystem]:
    """Make each file system of a mapping asynchronous, and return the new mapping.

    If file systems are passed in a dict, fsspec does not make them asynchronous.
    """
    import fsspec

    result = {}
    for protocol, target in targets.items():
        if isinstance(target, dict):
            target = fsspec.filesystem(protocol.split(":", 1)[0], **target)
        result[protocol] = clone(target) if is_async(target) else as_async(target)
    result.setdefault(None, as_async(fsspec.filesystem("file")))
    return result


def _async_value(value: Any) -> Any:
    from fsspec import AbstractFileSystem

    if isinstance(value, AbstractFileSystem) and is_async(value) and not is_wrapper(value):
        return clone(value)  # instances of different event loops must not share a client
    return value


def _identity(value: Any) -> Any:
    from fsspec import AbstractFileSystem

    if isinstance(value, AbstractFileSystem):
        options = {
            name: _identity(option)
            for name, option in value.storage_options.items()
            if name != "asynchronous"
        }
        return type(value), [_identity(arg) for arg in value.storage_args], options
    return value

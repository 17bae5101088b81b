"""The registry that finds the data type for a NumPy dtype or a JSON form."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from zarr.core._entry_points import load_entry_points
from zarr.core._process_lock import ProcessLock
from zarr.errors import DataTypeValidationError

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

    from zarr.core.common import ZarrFormat
    from zarr.core.dtype.common import DTypeJSON
    from zarr.core.dtype.wrapper import TBaseDType, TBaseScalar, ZDType

__all__ = ["DataTypeRegistry"]

# Maximum number of entries in the lookup cache. The arrays of a hierarchy usually share a few data
# types.
_MEMO_LIMIT = 256

# This lock is held while a registry is changed. Lookups do not acquire this lock.
_changing = ProcessLock()

_OBJECT_DTYPE = (
    "Zarr data type resolution from {dtype} failed. "
    'Attempted to resolve a zarr data type from a numpy "Object" data type, which is ambiguous, '
    'as multiple zarr data types can be represented by the numpy "Object" data type. '
    "In this case you should construct your array by providing a specific Zarr data type. "
    'For a list of Zarr data types that are compatible with the numpy "Object"'
    "data type, see https://github.com/zarr-developers/zarr-python/issues/3117"
)
_AMBIGUOUS_DTYPE = (
    "Zarr data type resolution from {dtype} failed. "
    "Multiple data type wrappers found that match dtype '{dtype}': {matched}. "
    "You should unregister one of these data types, or avoid Zarr data type inference entirely by "
    "providing a specific Zarr data type when creating your array."
    "For more information, see https://github.com/zarr-developers/zarr-python/issues/3117"
)


@dataclass(frozen=True, kw_only=True)
class DataTypeRegistry:
    """Registry that finds data types by NumPy dtype or JSON form.

    Entry points are loaded if a lookup finds no registered data type. A data type from an entry
    point never takes precedence over a registered data type that has the same key or matches the
    same NumPy dtype.

    Attributes
    ----------
    contents : dict
        Maps each registration key to the class of a data type. Use `register` and `unregister` to
        change the dictionary.
    _lazy_load_list : list of EntryPoint
        Entry points that have not been loaded yet.
    """

    contents: dict[str, type[ZDType[Any, Any]]] = field(default_factory=dict, init=False)
    _lazy_load_list: list[EntryPoint] = field(default_factory=list, init=False)
    _entry_point_groups: list[str] = field(
        default_factory=list, init=False, repr=False, compare=False
    )
    _offered: dict[str, type[ZDType[Any, Any]]] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )
    _memo: dict[Any, ZDType[TBaseDType, TBaseScalar]] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )

    def register(self, key: str, cls: type[ZDType[Any, Any]]) -> None:
        """Register a data type, replacing any data type with the same key.

        Parameters
        ----------
        key : str
            The registration key, usually the name of the data type in format 3.
        cls : type
            A subclass of `ZDType`.
        """
        with _changing:
            self.contents[key] = cls
            self._offered.pop(key, None)
            self._forget()

    def unregister(self, key: str) -> None:
        """Remove a data type from the registry.

        Raises
        ------
        KeyError
            If no data type is registered with `key`.
        """
        with _changing:
            if key not in self.contents:
                raise KeyError(f"Data type '{key}' not found in registry.")
            del self.contents[key]
            self._forget()

    def get(self, key: str) -> type[ZDType[Any, Any]]:
        """Return the data type registered with a key, after loading entry points if necessary.

        Raises
        ------
        KeyError
            If no data type is registered with `key`.
        """
        if key not in self.contents:
            self._lazy_load()
        return self.contents[key]

    def match_dtype(self, dtype: TBaseDType) -> ZDType[TBaseDType, TBaseScalar]:
        """Return the data type for a NumPy dtype.

        Parameters
        ----------
        dtype : numpy.dtype
            A dtype object; objects convertible to a dtype are not accepted.

        Raises
        ------
        ValueError
            If no registered type matches, if several types match, or if `dtype` is ``O``, because
            the type of the objects is ambiguous.
        """
        memo = self._memo
        # Structured dtypes are not cached, because each conversion may have to emit a warning.
        simple = dtype.names is None
        if simple and (known := memo.get(dtype)) is not None:
            return known
        if dtype == np.dtype("O"):
            raise ValueError(_OBJECT_DTYPE.format(dtype=dtype))
        matched = self._all_for_dtype(dtype)
        if not matched:
            self._lazy_load()
            matched = self._all_for_dtype(dtype)
        if not matched:
            raise ValueError(f"No Zarr data type found that matches dtype '{dtype!r}'")
        if len(matched) > 1:
            raise ValueError(_AMBIGUOUS_DTYPE.format(dtype=dtype, matched=matched))
        if simple:
            remember(memo, dtype, matched[0])
        return matched[0]

    def match_json(
        self, data: DTypeJSON, *, zarr_format: ZarrFormat
    ) -> ZDType[TBaseDType, TBaseScalar]:
        """Return the data type that a JSON form describes.

        Parameters
        ----------
        data : str or Mapping
            The JSON form, as accepted by `ZDType.from_json`.
        zarr_format : {2, 3}
            Format of `data`.

        Raises
        ------
        ValueError
            If no registered type has this form, or if a parameter in `data` is not valid.
        """
        found = self._known_for_json(data, zarr_format)
        if found is None:
            self._lazy_load()
            found = self._known_for_json(data, zarr_format)
        if found is None:
            raise ValueError(f"No Zarr data type found that matches {data!r}")
        return found

    def _known_for_json(
        self, data: DTypeJSON, zarr_format: ZarrFormat
    ) -> ZDType[TBaseDType, TBaseScalar] | None:
        """Return the registered data type for a JSON form; None if no registered type matches."""
        memo = self._memo
        key = _memo_key(data, zarr_format)
        if key is not None and (known := memo.get(key)) is not None:
            return known
        found = self._first_for_json(data, zarr_format)
        if found is not None and key is not None:
            remember(memo, key, found)
        return found

    def _all_for_dtype(self, dtype: TBaseDType) -> list[ZDType[TBaseDType, TBaseScalar]]:
        """Return the data types that match a NumPy dtype.

        Data types from entry points are only returned if no other data type matches, because the
        installation of a package must not change the data types of existing code.
        """
        matched: list[ZDType[TBaseDType, TBaseScalar]] = []
        offered: list[ZDType[TBaseDType, TBaseScalar]] = []
        # Iterate over a copy, because another thread may register a type during the iteration.
        for key, cls in list(self.contents.items()):
            try:
                found = cls.from_native_dtype(dtype)
            except DataTypeValidationError:
                continue
            (offered if self._offered.get(key) is cls else matched).append(found)
        return matched or offered

    def _first_for_json(
        self, data: DTypeJSON, zarr_format: ZarrFormat
    ) -> ZDType[TBaseDType, TBaseScalar] | None:
        name = data.get("name") if isinstance(data, Mapping) else data
        named = self.contents.get(name) if isinstance(name, str) else None
        for cls in (*(() if named is None else (named,)), *self.contents.values()):
            try:
                found: ZDType[TBaseDType, TBaseScalar] = cls.from_json(
                    data, zarr_format=zarr_format
                )
            except DataTypeValidationError:
                continue
            return found
        return None

    def _forget(self) -> None:
        """Replace the lookup cache by an empty one, after a change of the registered types.

        A lookup that began before the change stores its result in the old cache, which is no longer
        used.
        """
        object.__setattr__(self, "_memo", {})

    def _discover(self, group: str) -> None:
        """Add an entry point group, which is loaded when a lookup finds no data type."""
        self._entry_point_groups.append(group)

    def _lazy_load(self) -> None:
        """Register the data types of the entry points that have not been loaded yet.

        After this call, the caller must repeat its lookup even if no entry point was loaded.
        Another thread may have registered data types since the first lookup.
        """
        if self._entry_point_groups:
            # `entry_points` is imported and called only if needed, because it reads the metadata of
            # all installed packages, which is slow.
            from importlib.metadata import entry_points

            with _changing:
                while self._entry_point_groups:
                    self._lazy_load_list.extend(entry_points(group=self._entry_point_groups[-1]))
                    self._entry_point_groups.pop()
        load_entry_points(self._lazy_load_list, self._offer)

    def _offer(self, entry: EntryPoint, cls: type[ZDType[Any, Any]]) -> None:
        """Register the data type of an entry point, unless the name is already registered."""
        with _changing:
            if entry.name not in self.contents:
                # `_offered` is changed before `contents`. If `contents` were changed first, a
                # lookup in another thread could find the data type in `contents` and treat it as
                # a data type that the user registered.
                self._offered[entry.name] = cls
                self.contents[entry.name] = cls
                self._forget()


def remember(memo: dict[Any, Any], key: object, dtype: ZDType[TBaseDType, TBaseScalar]) -> None:
    """Store a lookup result in `memo`, which was the lookup cache when the lookup began."""
    if len(memo) >= _MEMO_LIMIT:
        memo.clear()
    memo[key] = dtype


def _memo_key(data: DTypeJSON, zarr_format: ZarrFormat) -> tuple[object, ...] | None:
    """Return the cache key of a JSON form.

    The result is None if the form has a configuration or fields. Such a form is not cached.
    """
    if isinstance(data, str):
        return (zarr_format, data)
    if isinstance(data, Mapping) and data.keys() == {"name", "object_codec_id"}:
        name, codec = data["name"], data["object_codec_id"]
        if isinstance(name, str) and isinstance(codec, str | None):
            return (zarr_format, name, codec)
    return None

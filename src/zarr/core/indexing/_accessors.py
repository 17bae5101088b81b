"""The accessors ``oindex``, ``vindex`` and ``blocks`` of arrays."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

from zarr.core.indexing._lazy import made_arrays, made_arrays_async
from zarr.core.indexing._normalize import ensure_tuple, pop_fields, replace_lists
from zarr.core.indexing._select import is_vectorized_mask

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from zarr.core.indexing._types import (
        BasicSelection,
        CoordinateSelection,
        Fields,
        MaskSelection,
        OrthogonalSelection,
    )


class _SelectsAsync(Protocol):
    """Protocol with the methods of an asynchronous array that the accessors call."""

    @property
    def shape(self) -> tuple[int, ...]: ...

    def get_orthogonal_selection(
        self, selection: Any, *, fields: Fields | None = None
    ) -> Awaitable[Any]: ...

    def get_mask_selection(self, mask: Any, *, fields: Fields | None = None) -> Awaitable[Any]: ...

    def get_coordinate_selection(
        self, selection: Any, *, fields: Fields | None = None
    ) -> Awaitable[Any]: ...


class _Selects(Protocol):
    """Protocol with the methods of an array that the accessors call."""

    @property
    def shape(self) -> tuple[int, ...]: ...

    def get_orthogonal_selection(self, selection: Any, *, fields: Fields | None = None) -> Any: ...

    def set_orthogonal_selection(
        self, selection: Any, value: Any, *, fields: Fields | None = None
    ) -> None: ...

    def get_mask_selection(self, mask: Any, *, fields: Fields | None = None) -> Any: ...

    def set_mask_selection(
        self, mask: Any, value: Any, *, fields: Fields | None = None
    ) -> None: ...

    def get_coordinate_selection(self, selection: Any, *, fields: Fields | None = None) -> Any: ...

    def set_coordinate_selection(
        self, selection: Any, value: Any, *, fields: Fields | None = None
    ) -> None: ...

    def get_block_selection(self, selection: Any, *, fields: Fields | None = None) -> Any: ...

    def set_block_selection(
        self, selection: Any, value: Any, *, fields: Fields | None = None
    ) -> None: ...


_MetadataT = TypeVar("_MetadataT")


def _split(selection: Any) -> tuple[Fields | None, tuple[Any, ...]]:
    fields, rest = pop_fields(made_arrays(selection))
    return fields, replace_lists(ensure_tuple(rest))


@dataclass(frozen=True)
class OIndex:
    """Accessor for orthogonal selections of an array, ``array.oindex[...]``.

    Each dimension is selected independently; see `OrthogonalIndexer` for the supported items.
    Strings in a selection are field names.
    """

    array: _Selects

    def __getitem__(self, selection: OrthogonalSelection) -> Any:
        fields, items = _split(selection)
        return self.array.get_orthogonal_selection(items, fields=fields)

    def __setitem__(self, selection: OrthogonalSelection, value: Any) -> None:
        fields, items = _split(selection)
        self.array.set_orthogonal_selection(items, value, fields=fields)


@dataclass(frozen=True)
class AsyncOIndex(Generic[_MetadataT]):
    """Accessor for orthogonal selections of an asynchronous array.

    Used as ``await array.oindex.getitem(...)``.
    """

    array: _SelectsAsync

    async def getitem(self, selection: OrthogonalSelection) -> Any:
        """Read an orthogonal selection; see `OIndex`.

        Raises
        ------
        IndexError
            If the selection is not valid for the array.
        """
        fields, items = _split(await made_arrays_async(selection))
        return await self.array.get_orthogonal_selection(items, fields=fields)


@dataclass(frozen=True)
class VIndex:
    """Accessor for selections of single points of an array, ``array.vindex[...]``.

    The points are given by coordinates (see `CoordinateIndexer`) or by a mask (see `MaskIndexer`).
    Strings in a selection are field names.
    """

    array: _Selects

    def __getitem__(self, selection: CoordinateSelection | MaskSelection) -> Any:
        fields, items = _split(selection)
        if is_vectorized_mask(items, self.array.shape):
            return self.array.get_mask_selection(items, fields=fields)
        return self.array.get_coordinate_selection(items, fields=fields)

    def __setitem__(self, selection: CoordinateSelection | MaskSelection, value: Any) -> None:
        fields, items = _split(selection)
        if is_vectorized_mask(items, self.array.shape):
            self.array.set_mask_selection(items, value, fields=fields)
        else:
            self.array.set_coordinate_selection(items, value, fields=fields)


@dataclass(frozen=True)
class AsyncVIndex(Generic[_MetadataT]):
    """Accessor for selections of single points of an asynchronous array.

    Used as ``await array.vindex.getitem(...)``.
    """

    array: _SelectsAsync

    async def getitem(self, selection: CoordinateSelection | MaskSelection) -> Any:
        """Read a selection of points; see `VIndex`.

        Raises
        ------
        VindexInvalidSelectionError
            If the selection consists neither of coordinates nor of a mask with the shape of the
            array.
        BoundsCheckError
            If a point is outside the array.
        """
        fields, items = _split(await made_arrays_async(selection))
        if is_vectorized_mask(items, self.array.shape):
            return await self.array.get_mask_selection(items, fields=fields)
        return await self.array.get_coordinate_selection(items, fields=fields)


@dataclass(frozen=True)
class BlockIndex:
    """Accessor for selections of whole chunks, ``array.blocks[...]``; see `BlockIndexer`.

    Strings in a selection are field names.
    """

    array: _Selects

    def __getitem__(self, selection: BasicSelection) -> Any:
        fields, items = _split(selection)
        return self.array.get_block_selection(items, fields=fields)

    def __setitem__(self, selection: BasicSelection, value: Any) -> None:
        fields, items = _split(selection)
        self.array.set_block_selection(items, value, fields=fields)

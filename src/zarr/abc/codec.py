"""Abstract base classes of codecs and of the pipeline that runs them.

A codec transforms a chunk in one of three roles: array to array, array to bytes, bytes to bytes. A
codec defines two synchronous methods that process one chunk, `_decode_sync` and `_encode_sync`; all
other methods are derived from them. A codec that waits for I/O defines the coroutines
`_decode_single` and `_encode_single` instead. A codec that processes chunks in batches overrides
`decode` and `encode`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import (
    TYPE_CHECKING,
    Any,
    Generic,
    Literal,
    Protocol,
    TypeAlias,
    TypedDict,
    TypeVar,
    runtime_checkable,
)

from typing_extensions import ReadOnly, TypeIs

from zarr.abc.metadata import Metadata
from zarr.core._overrides import overridable
from zarr.core.buffer import Buffer, NDBuffer
from zarr.core.common import NamedConfig, concurrent_map
from zarr.core.sync import in_pool

if TYPE_CHECKING:
    from typing import Self

    from zarr.abc.store import ByteGetter, ByteSetter, Store
    from zarr.core.array_spec import ArraySpec
    from zarr.core.dtype.wrapper import TBaseDType, TBaseScalar, ZDType
    from zarr.core.indexing import SelectorTuple
    from zarr.core.metadata import ArrayMetadata
    from zarr.core.metadata.v3 import ChunkGridMetadata

__all__ = [
    "ArrayArrayCodec",
    "ArrayBytesCodec",
    "ArrayBytesCodecPartialDecodeMixin",
    "ArrayBytesCodecPartialEncodeMixin",
    "BaseCodec",
    "BytesBytesCodec",
    "CodecInput",
    "CodecOutput",
    "CodecPipeline",
    "GetResult",
    "SupportsSyncCodec",
]

CodecInput = TypeVar("CodecInput", bound=NDBuffer | Buffer)
CodecOutput = TypeVar("CodecOutput", bound=NDBuffer | Buffer)

_NameT_co = TypeVar("_NameT_co", bound=str, covariant=True)


class CodecJSON_V2(TypedDict, Generic[_NameT_co]):
    """JSON form of a codec in format 2 metadata: ``id`` and the parameters of the codec."""

    id: ReadOnly[_NameT_co]


CodecJSON_V3: TypeAlias = str | NamedConfig[str, Mapping[str, object]]
CodecJSON: TypeAlias = str | CodecJSON_V2[str] | NamedConfig[str, Mapping[str, object]]


class GetResult(TypedDict):
    """Result of reading one chunk: the chunk is either present or absent."""

    status: Literal["present", "missing"]


@runtime_checkable
class SupportsSyncCodec(Protocol[CodecInput, CodecOutput]):
    """A codec with synchronous methods that encode and decode a chunk."""

    def _decode_sync(self, chunk_data: CodecOutput, chunk_spec: ArraySpec) -> CodecInput: ...

    def _encode_sync(self, chunk_data: CodecInput, chunk_spec: ArraySpec) -> CodecOutput | None: ...


class BaseCodec(Metadata, Generic[CodecInput, CodecOutput]):
    """Base class of codecs of all roles.

    A subclass sets `is_fixed_size`: True if the size of the output depends only on the size of the
    input, not on the values.
    """

    is_fixed_size: bool

    def compute_encoded_size(self, input_byte_length: int, chunk_spec: ArraySpec) -> int:
        """Return the size of the encoded chunk.

        Parameters
        ----------
        input_byte_length : int
            Size of the chunk before encoding, in bytes.
        chunk_spec : ArraySpec
            Spec of the chunk before encoding.

        Returns
        -------
        int
            Size of the encoded chunk in bytes.

        Raises
        ------
        NotImplementedError
            If the encoded size depends on the values in the chunk.
        """
        raise NotImplementedError(
            f"The encoded size of {type(self).__name__} depends on the values it encodes."
        )

    def resolve_metadata(self, chunk_spec: ArraySpec) -> ArraySpec:
        """Return the spec of a chunk after this codec has encoded it.

        Codecs that change shape, data type or fill value override this method.

        Parameters
        ----------
        chunk_spec : ArraySpec
            Spec of the chunk before encoding.
        """
        return chunk_spec

    def evolve_from_array_spec(self, array_spec: ArraySpec) -> Self:
        """Return a codec whose array-dependent parameters are set for the given array.

        Parameters
        ----------
        array_spec : ArraySpec
            Spec of the chunks before this codec encodes them.
        """
        return self

    def validate(
        self,
        *,
        shape: tuple[int, ...],
        dtype: ZDType[TBaseDType, TBaseScalar],
        chunk_grid: ChunkGridMetadata,
    ) -> None:
        """Raise an error for an array that this codec cannot encode; by default, accept all arrays.

        Parameters
        ----------
        shape : tuple of int
            Shape of the array in elements.
        dtype : ZDType
            Data type of the elements.
        chunk_grid : RegularChunkGridMetadata or RectilinearChunkGridMetadata
            Chunk grid of the array.

        Raises
        ------
        ValueError
            If the codec cannot encode the array.
        """

    async def _decode_single(self, chunk_data: CodecOutput, chunk_spec: ArraySpec) -> CodecInput:
        """Decode one chunk; the default implementation runs `_decode_sync` in the thread pool."""
        function: Callable[..., CodecInput] = _sync_hook(self, "_decode_sync")
        return await in_pool(lambda: function(chunk_data, chunk_spec))

    async def _encode_single(
        self, chunk_data: CodecInput, chunk_spec: ArraySpec
    ) -> CodecOutput | None:
        """Encode one chunk; the default implementation runs `_encode_sync` in the thread pool."""
        function: Callable[..., CodecOutput | None] = _sync_hook(self, "_encode_sync")
        return await in_pool(lambda: function(chunk_data, chunk_spec))

    async def decode(
        self, chunks_and_specs: Iterable[tuple[CodecOutput | None, ArraySpec]]
    ) -> Iterable[CodecInput | None]:
        """Decode several chunks.

        Parameters
        ----------
        chunks_and_specs : iterable of tuple
            Pairs of an encoded chunk and the spec of the decoded chunk. None in place of an encoded
            chunk stands for an absent chunk.

        Returns
        -------
        iterable
            Decoded chunks in the same order; None for an absent chunk.
        """
        return await _each_present(self._decode_single, chunks_and_specs)

    async def encode(
        self, chunks_and_specs: Iterable[tuple[CodecInput | None, ArraySpec]]
    ) -> Iterable[CodecOutput | None]:
        """Encode several chunks.

        Parameters
        ----------
        chunks_and_specs : iterable of tuple
            Pairs of a chunk and its spec. None in place of a chunk stands for an absent chunk.

        Returns
        -------
        iterable
            Encoded chunks in the same order; None for an absent chunk.
        """
        return await _each_present(self._encode_single, chunks_and_specs)


def _sync_hook(codec: object, name: str) -> Callable[..., Any]:
    hook = getattr(codec, name, None)
    if hook is None:
        raise NotImplementedError(
            f"{type(codec).__name__} must implement {name}, or its coroutine or batch form."
        )
    return hook  # type: ignore[no-any-return]


_T = TypeVar("_T")
_In = TypeVar("_In")
_Out = TypeVar("_Out")


async def _each_present(
    function: Callable[[_In, ArraySpec], Awaitable[_Out]],
    items: Iterable[tuple[_In | None, ArraySpec]],
) -> list[_Out | None]:
    """Apply `function` to each chunk that is not None."""

    async def one(chunk: _In | None, spec: ArraySpec) -> _Out | None:
        return None if chunk is None else await function(chunk, spec)

    return await concurrent_map(items, one)


class ArrayArrayCodec(BaseCodec[NDBuffer, NDBuffer]):
    """A codec that encodes an array as another array, for example by transposing it."""

    is_fixed_size: bool


class ArrayBytesCodec(BaseCodec[NDBuffer, Buffer]):
    """A codec that encodes an array as bytes; every chain of codecs has exactly one such codec."""

    is_fixed_size: bool


class BytesBytesCodec(BaseCodec[Buffer, Buffer]):
    """A codec that encodes bytes as other bytes, such as a compressor."""

    is_fixed_size: bool


Codec: TypeAlias = ArrayArrayCodec | ArrayBytesCodec | BytesBytesCodec


class ArrayBytesCodecPartialDecodeMixin:
    """Mixin for codecs that can decode a selection of a chunk without reading the whole chunk."""

    async def _decode_partial_single(
        self, byte_getter: ByteGetter, selection: SelectorTuple, chunk_spec: ArraySpec
    ) -> NDBuffer | None:
        """Read and decode a selection of one chunk; return None if the chunk is absent."""
        raise NotImplementedError

    @overridable
    async def decode_partial(
        self, batch_info: Iterable[tuple[ByteGetter, SelectorTuple, ArraySpec]]
    ) -> Iterable[NDBuffer | None]:
        """Read and decode one selection from each of several chunks.

        Parameters
        ----------
        batch_info : iterable of tuple
            For each chunk, a tuple of these items: the `ByteGetter` of its key; the selection
            within the chunk; the spec of the whole chunk.

        Returns
        -------
        iterable
            The selected elements of each chunk, in the same order; None for an absent chunk.
        """
        return await concurrent_map(batch_info, self._decode_partial_single)


class ArrayBytesCodecPartialEncodeMixin:
    """Mixin for codecs that can update a selection of a stored chunk directly in the store."""

    async def _encode_partial_single(
        self,
        byte_setter: ByteSetter,
        chunk_array: NDBuffer,
        selection: SelectorTuple,
        chunk_spec: ArraySpec,
    ) -> None:
        """Encode and store new values for a selection of one chunk."""
        raise NotImplementedError

    @overridable
    async def encode_partial(
        self, batch_info: Iterable[tuple[ByteSetter, NDBuffer, SelectorTuple, ArraySpec]]
    ) -> None:
        """Encode and store new values for one selection in each of several chunks.

        Parameters
        ----------
        batch_info : iterable of tuple
            For each chunk, a tuple of these items: the `ByteSetter` of its key; the new values; the
            selection to replace within the chunk; the spec of the whole chunk.
        """
        await concurrent_map(batch_info, self._encode_partial_single)


class CodecPipeline:
    """Reads and writes the chunks of one array through its codecs.

    The configuration ``codec_pipeline.path`` selects a third-party pipeline. No method is abstract:
    a pipeline has to define only the methods that are called for its arrays. By default `validate`
    accepts every array, partial decoding and encoding are unsupported, and all other methods raise
    `NotImplementedError`.
    """

    def evolve_from_array_spec(self, array_spec: ArraySpec) -> Self:
        """Return the pipeline with its codecs adapted to chunks that have the given spec."""
        raise _not_implemented(type(self), "evolve_from_array_spec")

    @classmethod
    def from_codecs(cls, codecs: Iterable[Codec]) -> Self:
        """Make a pipeline from codecs in encoding order."""
        raise _not_implemented(cls, "from_codecs")

    @classmethod
    def from_array_metadata_and_store(cls, array_metadata: ArrayMetadata, store: Store) -> Self:
        """Make a pipeline from the metadata of an array and the store that contains the array.

        Raises
        ------
        NotImplementedError
            If the class makes pipelines only with `from_codecs`.
        """
        raise NotImplementedError(
            f"{cls.__name__} cannot be created from metadata and a store. "
            f"Use {cls.__name__}.from_codecs instead."
        )

    @property
    def supports_partial_decode(self) -> bool:
        """Whether a selection of a chunk can be read without the rest of the chunk."""
        return False

    @property
    def supports_partial_encode(self) -> bool:
        """Whether a codec can update a selection of a stored chunk directly in the store."""
        return False

    def validate(
        self,
        *,
        shape: tuple[int, ...],
        dtype: ZDType[TBaseDType, TBaseScalar],
        chunk_grid: ChunkGridMetadata,
    ) -> None:
        """Raise an error for an array that a codec cannot encode; see `BaseCodec.validate`."""

    def compute_encoded_size(self, byte_length: int, array_spec: ArraySpec) -> int:
        """Return the size in bytes of an encoded chunk; see `BaseCodec.compute_encoded_size`."""
        raise _not_implemented(type(self), "compute_encoded_size")

    async def decode(
        self, chunk_bytes_and_specs: Iterable[tuple[Buffer | None, ArraySpec]]
    ) -> Iterable[NDBuffer | None]:
        """Decode several chunks; see `BaseCodec.decode`.

        In the input and in the result, None stands for an absent chunk.
        """
        raise _not_implemented(type(self), "decode")

    async def encode(
        self, chunk_arrays_and_specs: Iterable[tuple[NDBuffer | None, ArraySpec]]
    ) -> Iterable[Buffer | None]:
        """Encode several chunks; see `BaseCodec.encode`.

        In the input and in the result, None stands for an absent chunk.
        """
        raise _not_implemented(type(self), "encode")

    async def read(
        self,
        batch_info: Iterable[tuple[ByteGetter, ArraySpec, SelectorTuple, SelectorTuple, bool]],
        out: NDBuffer,
        drop_axes: tuple[int, ...] = (),
    ) -> tuple[GetResult, ...]:
        """Read chunks and copy a selection of each chunk into an array.

        Parameters
        ----------
        batch_info : iterable of tuple
            For each chunk, a tuple of these items: the `ByteGetter` of its key; its spec; the
            selection within the chunk; the region of `out` that receives the selected elements;
            whether the whole chunk is selected.
        out : NDBuffer
            Buffer that receives the selected elements. Elements of absent chunks are set to the
            fill value.
        drop_axes : tuple of int
            Dimensions that have length 1 in the chunk selections and are missing from `out`.

        Returns
        -------
        tuple of GetResult
            One result per chunk, in the order of `batch_info`.
        """
        raise _not_implemented(type(self), "read")

    async def write(
        self,
        batch_info: Iterable[tuple[ByteSetter, ArraySpec, SelectorTuple, SelectorTuple, bool]],
        value: NDBuffer,
        drop_axes: tuple[int, ...] = (),
    ) -> None:
        """Copy elements of an array into a selection of each chunk, and store the chunks.

        Parameters
        ----------
        batch_info : iterable of tuple
            For each chunk, a tuple of these items: the `ByteSetter` of its key; its spec; the
            selection within the chunk; the region of `value` that contains the new values; whether
            the whole chunk is selected. If only a part of a chunk is replaced, the stored chunk is
            read first.
        value : NDBuffer
            The new values; an array of shape ``()`` contains one value for all elements.
        drop_axes : tuple of int
            Dimensions that have length 1 in the chunk selections and are missing from `value`.
        """
        raise _not_implemented(type(self), "write")


def _not_implemented(cls: type, method: str) -> NotImplementedError:
    return NotImplementedError(f"{cls.__name__} does not implement CodecPipeline.{method}.")


def is_codec(value: object) -> TypeIs[Codec]:
    """Return whether `value` is a codec of any role."""
    return isinstance(value, ArrayArrayCodec | ArrayBytesCodec | BytesBytesCodec)

"""Chains of codecs. The input spec of each codec is computed once per chunk spec."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, fields
from functools import cached_property
from typing import TYPE_CHECKING, Any, cast

from zarr.abc.codec import (
    ArrayArrayCodec,
    ArrayBytesCodec,
    ArrayBytesCodecPartialDecodeMixin,
    BytesBytesCodec,
)
from zarr.core._decoded_size import DecodedLimit, compressed_limit, unknown
from zarr.core._faults import told
from zarr.core._states import set_codecs
from zarr.errors import ZarrUserWarning

if TYPE_CHECKING:
    from typing import Self

    from zarr.abc.codec import Codec
    from zarr.core.array_spec import ArraySpec
    from zarr.core.buffer import Buffer, NDBuffer

_ROLES = (ArrayArrayCodec, ArrayBytesCodec, BytesBytesCodec)

# Maximum number of chunk specs whose resolved chains are cached. An array with a regular grid has
# one chunk spec. If the array has shards, there are two chunk specs: one for shards and one for
# inner chunks.
_KEPT_SPECS = 64


def split_codecs(
    codecs: Iterable[Codec], *, check_order: bool = True
) -> tuple[tuple[ArrayArrayCodec, ...], ArrayBytesCodec, tuple[BytesBytesCodec, ...]]:
    """Split codecs by role: array-to-array, array-to-bytes and bytes-to-bytes codecs.

    Parameters
    ----------
    codecs : iterable of codec
        The codecs in the order of encoding (Zarr v3 core specification, "Chunk encoding"): any
        number of array-to-array codecs, one array-to-bytes codec, and any number of bytes-to-bytes
        codecs.
    check_order : bool
        Whether to check the order of the codecs. If True, a wrong order raises an error. Codecs
        before or after a sharding codec then cause a warning, because such codecs prevent partial
        reads of a shard. If False, there is no such error and no warning.

    Returns
    -------
    tuple
        The array-to-array codecs, the array-to-bytes codec, and the bytes-to-bytes codecs.

    Raises
    ------
    TypeError
        If an item is not a codec, or if a codec cannot take the output of its predecessor.
    ValueError
        If there is no array-to-bytes codec, or more than one.
    """
    by_role: tuple[list[Any], list[Any], list[Any]] = ([], [], [])
    previous: Codec | None = None
    previous_role = 0
    for codec in codecs:
        role = next((i for i, kind in enumerate(_ROLES) if isinstance(codec, kind)), None)  # type: ignore[redundant-expr]
        if role is None:
            raise TypeError(f"Expected a codec. Got {type(codec)} instead.")
        if check_order and previous is not None:
            _check_follows(codec, role, previous, previous_role)
        if role == 1 and by_role[1]:
            raise ValueError("Only one ArrayBytesCodec is allowed.")
        by_role[role].append(codec)
        previous, previous_role = codec, role
    if not by_role[1]:
        raise ValueError("At least one ArrayBytesCodec is required.")
    if (
        check_order
        and isinstance(by_role[1][0], ArrayBytesCodecPartialDecodeMixin)
        and len(by_role[0]) + len(by_role[2]) > 0
    ):
        warnings.warn(
            "Combining a `sharding_indexed` codec disables partial reads and "
            "writes, which may lead to inefficient performance.",
            category=ZarrUserWarning,
            stacklevel=3,
        )
    return tuple(by_role[0]), by_role[1][0], tuple(by_role[2])


def _check_follows(codec: Codec, role: int, previous: Codec, previous_role: int) -> None:
    """Raise an error if a codec cannot take the output of the previous codec as its input."""
    if role < 2 and previous_role == 0:
        return
    if role == 2 and previous_role > 0:
        return
    if role == 1 and previous_role == 1:
        raise ValueError("Only one ArrayBytesCodec is allowed.")
    wanted = "ArrayArrayCodec" if role < 2 else "ArrayBytesCodec or BytesBytesCodec"
    name = ("ArrayArray", "ArrayBytes", "BytesBytes")[role]
    raise TypeError(
        f"Invalid codec order. {name} codec {codec} must be preceded by "
        f"an {wanted}. Got {type(previous)} instead."
    )


def _is_sync(codec: Codec, direction: str) -> bool:
    """Return whether a codec can decode or encode synchronously.

    `direction` is ``"decode"`` or ``"encode"``. Three methods can decode: `_decode_sync`,
    `_decode_single` and `decode`. The first class in the method resolution order with at least one
    of these methods determines the result. If that class defines only `_decode_single` or `decode`,
    the result is False, because an inherited `_decode_sync` would not call the method of the class.
    If that class defines `_decode_sync`, the result is the attribute `_is_sync` of the codec; True
    if the codec has no such attribute. Only codecs that run other codecs have this attribute. For
    encoding, the same applies to `_encode_sync`, `_encode_single` and `encode`.
    """
    for cls in type(codec).__mro__:
        if f"_{direction}_sync" in vars(cls):
            return bool(getattr(codec, "_is_sync", True))
        if f"_{direction}_single" in vars(cls) or direction in vars(cls):
            return False
    return False


@dataclass(frozen=True)
class _Stage:
    codec: Codec
    spec: ArraySpec


class ResolvedChain:
    """The codecs for chunks of one spec, and the input spec of each codec.

    Parameters
    ----------
    stages : sequence
        Pairs of a codec and its input spec, in the order of encoding.
    """

    def __init__(self, stages: Sequence[_Stage]) -> None:
        self.stages = tuple(stages)
        self.spec = stages[0].spec
        self._shape = self.spec.shape
        # The methods of the codecs are looked up once per chain. A look-up for every chunk would
        # take as much time as decoding or encoding the chunk with a fast codec.
        self._decoders: list[Any] = [_bound(s, "decode") for s in reversed(self.stages)]
        self._many_decoders = [
            _bound_many_decoder(stage, decode)
            for stage, decode in zip(reversed(self.stages), self._decoders)
        ]
        self._encoders: list[Any] = [_bound(s, "encode") for s in self.stages]

    def decode_sync(self, buffer: Buffer) -> NDBuffer:
        """Decode one chunk in the calling thread.

        Parameters
        ----------
        buffer : Buffer
            The encoded chunk.

        Returns
        -------
        NDBuffer
            The chunk, with the shape and data type of the spec.

        Raises
        ------
        ValueError
            If the shape of the decoded chunk differs from the shape in the spec.
        """
        data: Any = buffer
        for decode in self._decoders:
            data = decode(data)
        return data if data.shape == self._shape else self.checked(data)

    def at_once(self, nbytes: int) -> int:
        """Return how many decoded chunks fit into `nbytes` bytes; at least 1."""
        size = self.spec._nbytes
        # The size is None if the elements have a variable length.
        return 1 if size is None else max(1, nbytes // max(1, size))

    def decode_many_sync(
        self, buffers: Sequence[Buffer], *, beside_loop: bool = False
    ) -> list[NDBuffer]:
        """Decode several chunks in the calling thread, codec by codec; see `decode_sync`.

        Parameters
        ----------
        buffers : sequence of Buffer
            The encoded chunks.
        beside_loop : bool
            Whether an event loop contends for the GIL during the decoding.
        """
        data: Any = buffers
        for decode_many in self._many_decoders:
            data = decode_many(data, beside_loop)
        return [chunk if chunk.shape == self._shape else self.checked(chunk) for chunk in data]

    def encode_sync(self, chunk: NDBuffer) -> Buffer | None:
        """Encode one chunk in the calling thread; return None if there is nothing to store."""
        data: Any = chunk
        for encode in self._encoders:
            data = encode(data)
            if data is None:
                return None
        return data  # type: ignore[no-any-return]

    def checked(self, chunk: NDBuffer) -> NDBuffer:
        """Return a decoded chunk; raise an error if its shape differs from the shape in the spec.

        Without this check, NumPy would broadcast the chunk into the result.

        Raises
        ------
        ValueError
            If the shapes differ. The message names both shapes.
        """
        if chunk.shape != self.spec.shape:
            raise ValueError(
                f"A chunk of shape {self.spec.shape} was expected, its data decode to shape "
                f"{chunk.shape}."
            )
        return chunk


def _bound(stage: _Stage, direction: str) -> Callable[[Any], Any] | None:
    """Return a function that decodes or encodes one chunk; None if the codec has only coroutines.

    A codec may define `_decoder_for` and `_encoder_for`. These methods do the work that depends
    only on the spec, and return a function that takes a chunk. `_decoder_for` is not used for a
    subclass that overrides only `_decode_sync`, because such a subclass expects that its override
    is called. Likewise, `_encoder_for` is not used for a subclass that overrides only
    `_encode_sync`.
    """
    codec: Any = stage.codec
    code = getattr(codec, f"_{direction}_sync", None)
    prepare = f"_{direction}r_for"
    for cls in type(codec).__mro__:
        if prepare in vars(cls):
            return getattr(codec, prepare)(stage.spec)  # type: ignore[no-any-return]
        if f"_{direction}_sync" in vars(cls):
            break
    if code is None:
        return None
    spec = stage.spec
    return lambda data: code(data, spec)


def _bound_many_decoder(
    stage: _Stage, decode: Callable[[Any], Any]
) -> Callable[[Sequence[Any], bool], list[Any]]:
    """Return a function that decodes several chunks of one spec.

    By default, that function calls `decode` for each chunk. A codec may define `_many_decoder_for`.
    Like `_decoder_for`, this method does the work that depends only on the spec, and returns a
    function. That function takes the chunks, and a bool that is True if an event loop contends for
    the GIL. Between two chunks the function should do as little as possible, because it holds the
    GIL while other threads wait. `_many_decoder_for` is not used for a subclass that overrides only
    `_decode_sync`, because such a subclass expects that its override is called.
    """
    for cls in type(stage.codec).__mro__:
        if "_many_decoder_for" in vars(cls):
            return cast("Any", stage.codec)._many_decoder_for(stage.spec)  # type: ignore[no-any-return]
        if "_decode_sync" in vars(cls):
            break
    return lambda data, _: [decode(one) for one in data]


def _encoded_limit(codec: Codec, nbytes: int | None, spec: ArraySpec) -> int | None:
    """Return the maximum encoded size, in bytes, of `nbytes` bytes of data; None if unknown."""
    if nbytes is None or isinstance(codec, ArrayArrayCodec):
        return None
    try:
        most = codec.compute_encoded_size(nbytes, spec)
    except NotImplementedError:
        return compressed_limit(nbytes)
    # A third-party codec may not have the attribute `is_fixed_size`.
    is_fixed = getattr(codec, "is_fixed_size", False)
    return most if is_fixed else compressed_limit(max(nbytes, most))


@dataclass(frozen=True)
class CodecChain:
    """The codecs of an array, by role and in the order of encoding.

    Parameters
    ----------
    array_array_codecs : tuple of ArrayArrayCodec
        Applied first.
    array_bytes_codec : ArrayBytesCodec
        Applied next.
    bytes_bytes_codecs : tuple of BytesBytesCodec
        Applied last.
    """

    array_array_codecs: tuple[ArrayArrayCodec, ...]
    array_bytes_codec: ArrayBytesCodec
    bytes_bytes_codecs: tuple[BytesBytesCodec, ...]

    def __getstate__(self) -> dict[str, Any]:
        # Omit the cache of resolved chains, because it would make pickles large.
        return {field.name: getattr(self, field.name) for field in fields(self)}

    @classmethod
    def from_codecs(cls, codecs: Iterable[Codec]) -> Self:
        """Make a chain from codecs in encoding order. For the errors, see `split_codecs`."""
        return cls(*split_codecs(codecs))

    @property
    def codecs(self) -> tuple[Codec, ...]:
        """All codecs in the order of encoding."""
        return (*self.array_array_codecs, self.array_bytes_codec, *self.bytes_bytes_codecs)

    @cached_property
    def decodes_sync(self) -> bool:
        """Whether every codec can decode synchronously."""
        return all(_is_sync(codec, "decode") for codec in self.codecs)

    @cached_property
    def encodes_sync(self) -> bool:
        """Whether every codec can encode synchronously."""
        return all(_is_sync(codec, "encode") for codec in self.codecs)

    @property
    def is_sync(self) -> bool:
        """Whether every codec can decode and encode synchronously."""
        return self.decodes_sync and self.encodes_sync

    @cached_property
    def _resolved(self) -> dict[int, tuple[ArraySpec, ResolvedChain]]:
        return {}

    def for_spec(self, spec: ArraySpec) -> ResolvedChain:
        """Return the chain for chunks of one spec.

        The result contains the input spec of each codec, and is cached.

        Parameters
        ----------
        spec : ArraySpec
            The spec of the decoded chunk.
        """
        # The key is the id of the spec, because an int is fast to hash. The entry keeps the spec
        # alive, so that no other object gets the same id.
        found = self._resolved.get(id(spec))
        if found is not None and found[0] is spec:
            return found[1]
        resolved = ResolvedChain(list(self._stages(spec)))
        if len(self._resolved) >= _KEPT_SPECS:
            self._resolved.clear()
        self._resolved[id(spec)] = (spec, resolved)
        return resolved

    def _stages(self, spec: ArraySpec) -> Iterable[_Stage]:
        # Maximum number of bytes that this codec receives from the previous codec during encoding.
        # During decoding, this codec must not return more than this number of bytes.
        nbytes: int | None = None
        for codec in self.codecs:
            if isinstance(codec, BytesBytesCodec):
                limit = unknown(spec) if nbytes is None else DecodedLimit(nbytes)
                yield _Stage(codec, spec._limited(limit))
            else:
                yield _Stage(codec, spec)
                nbytes = spec._nbytes
            nbytes = _encoded_limit(codec, nbytes, spec)
            spec = codec.resolve_metadata(spec)

    def evolve(self, spec: ArraySpec) -> Self:
        """Return a chain in which every codec is adapted to a spec by `evolve_from_array_spec`."""
        evolved: list[Codec] = []
        for codec in self.codecs:
            settled = codec.evolve_from_array_spec(spec)
            evolved.append(settled)
            spec = settled.resolve_metadata(spec)
        return type(self)(*split_codecs(evolved, check_order=False))

    def compute_encoded_size(self, nbytes: int, spec: ArraySpec) -> int:
        """Return the size in bytes of an encoded chunk.

        Parameters
        ----------
        nbytes : int
            Size of the chunk before encoding, in bytes.
        spec : ArraySpec
            The spec of the chunk before encoding.

        Raises
        ------
        NotImplementedError
            If the encoded size depends on the values of the elements.
        """
        for codec in self.codecs:
            nbytes = codec.compute_encoded_size(nbytes, spec)
            spec = codec.resolve_metadata(spec)
        return nbytes

    def decode_sync(self, buffer: Buffer, spec: ArraySpec) -> NDBuffer:
        """Decode one chunk in the calling thread; see `ResolvedChain.decode_sync`."""
        return self.for_spec(spec).decode_sync(buffer)

    def encode_sync(self, chunk: NDBuffer, spec: ArraySpec) -> Buffer | None:
        """Encode one chunk in the calling thread; see `ResolvedChain.encode_sync`."""
        return self.for_spec(spec).encode_sync(chunk)

    async def decode(
        self, chunks: Sequence[tuple[Buffer | None, ArraySpec]]
    ) -> list[NDBuffer | None]:
        """Decode a batch of chunks with the coroutines of the codecs, codec by codec.

        Parameters
        ----------
        chunks : sequence of tuple
            Pairs of an encoded chunk (None if the chunk is absent) and the spec of the decoded
            chunk.

        Returns
        -------
        list of NDBuffer or None
            One item per pair, in the order of `chunks`: the decoded chunk, or None if the chunk is
            absent.
        """
        chains = [self.for_spec(spec) for _, spec in chunks]
        data: list[Any] = [chunk for chunk, _ in chunks]
        for position in reversed(range(len(self.codecs))):
            codec = self.codecs[position]
            specs = [chain.stages[position].spec for chain in chains]
            try:
                data = _as_many(codec, data, await codec.decode(zip(data, specs)))
            except Exception as error:
                raise told(error)  # noqa: B904
        if any(new is None and old is not None for new, (old, _) in zip(data, chunks)):
            raise ValueError(
                "A codec returned None for the stored bytes of a chunk, expected a decoded chunk."
            )
        return [
            None if chunk is None else chain.checked(chunk) for chunk, chain in zip(data, chains)
        ]

    async def encode(
        self, chunks: Sequence[tuple[NDBuffer | None, ArraySpec]]
    ) -> list[Buffer | None]:
        """Encode a batch of chunks with the coroutines of the codecs, codec by codec.

        Parameters
        ----------
        chunks : sequence of tuple
            Pairs of a chunk (None if the chunk is not stored) and its spec.

        Returns
        -------
        list of Buffer or None
            One item per pair, in the order of `chunks`: the encoded chunk, or None if the chunk is
            not stored.
        """
        chains = [self.for_spec(spec) for _, spec in chunks]
        data: list[Any] = [chunk for chunk, _ in chunks]
        for position, codec in enumerate(self.codecs):
            specs = [chain.stages[position].spec for chain in chains]
            data = _as_many(codec, data, await codec.encode(zip(data, specs)))
        return data


def _as_many(codec: Codec, before: Sequence[Any], after: Iterable[Any]) -> list[Any]:
    """Return the results of a codec as a list; raise an error if their number is wrong."""
    results = list(after)
    if len(results) != len(before):
        raise ValueError(f"{codec} gave {len(results)} results for {len(before)} chunks.")
    return results


@dataclass(frozen=True)
class AsyncChunkTransform:
    """Decode and encode single chunks with the coroutines of their codecs.

    Parameters
    ----------
    codecs : tuple of codec
        The codecs in the order of encoding.
    """

    codecs: tuple[Codec, ...]

    __setstate__ = set_codecs

    def __init__(self, *, codecs: Iterable[Codec]) -> None:
        object.__setattr__(self, "codecs", tuple(codecs))
        split_codecs(self.codecs)

    @cached_property
    def _chain(self) -> CodecChain:
        return CodecChain.from_codecs(self.codecs)

    @property
    def _aa_codecs(self) -> tuple[ArrayArrayCodec, ...]:
        return self._chain.array_array_codecs

    @property
    def _ab_codec(self) -> ArrayBytesCodec:
        return self._chain.array_bytes_codec

    @property
    def _bb_codecs(self) -> tuple[BytesBytesCodec, ...]:
        return self._chain.bytes_bytes_codecs

    async def decode_chunk(self, chunk_bytes: Buffer, chunk_spec: ArraySpec) -> NDBuffer:
        """Decode one chunk.

        Parameters
        ----------
        chunk_bytes : Buffer
            The encoded chunk.
        chunk_spec : ArraySpec
            The spec of the decoded chunk.
        """
        (chunk,) = await self._chain.decode([(chunk_bytes, chunk_spec)])
        assert chunk is not None
        return chunk

    async def encode_chunk(self, chunk_array: NDBuffer, chunk_spec: ArraySpec) -> Buffer | None:
        """Encode one chunk; return None if there is nothing to store.

        Parameters
        ----------
        chunk_array : NDBuffer
            The chunk.
        chunk_spec : ArraySpec
            The spec of the chunk.
        """
        (encoded,) = await self._chain.encode([(chunk_array, chunk_spec)])
        return encoded

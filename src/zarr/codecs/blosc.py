"""The ``blosc`` codec."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal, NotRequired, TypeAlias

from typing_extensions import TypedDict

from zarr.abc.codec import BytesBytesCodec
from zarr.codecs._coders import (
    blosc_library,
    decode_blosc,
    decode_by,
    decode_many_blosc,
    many_decoder,
)
from zarr.codecs._deprecated import DeprecatedNames
from zarr.codecs._named import NamedCodec
from zarr.codecs._parse import parse_choice, parse_integer
from zarr.core._decoded_size import limit_of
from zarr.core.common import NamedRequiredConfig

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Self

    from zarr.core.array_spec import ArraySpec
    from zarr.core.buffer import Buffer
    from zarr.core.common import JSON

BloscCnameLiteral: TypeAlias = Literal["lz4", "lz4hc", "blosclz", "snappy", "zlib", "zstd"]
BloscShuffleLiteral: TypeAlias = Literal["noshuffle", "shuffle", "bitshuffle"]

_CNAMES: tuple[BloscCnameLiteral, ...] = ("lz4", "lz4hc", "blosclz", "snappy", "zlib", "zstd")
# The index of a name in this tuple is the number of the shuffle mode in format 2 metadata and in
# the Blosc library.
_SHUFFLES: tuple[BloscShuffleLiteral, ...] = ("noshuffle", "shuffle", "bitshuffle")

_MAX_CLEVEL = 9
_MAX_BLOCKSIZE = (1 << 31) - 1


class BloscConfigV2(TypedDict):
    """Parameters of Blosc in format 2 metadata."""

    cname: BloscCnameLiteral
    clevel: int
    shuffle: int
    blocksize: int
    typesize: NotRequired[int]


class BloscConfigV3(TypedDict):
    """Configuration of the ``blosc`` codec in format 3 metadata."""

    cname: BloscCnameLiteral
    clevel: int
    shuffle: BloscShuffleLiteral
    blocksize: int
    typesize: int


class BloscJSON_V3(NamedRequiredConfig[Literal["blosc"], BloscConfigV3]):
    """The JSON form of the ``blosc`` codec in format 3 metadata."""


class BloscCname(metaclass=DeprecatedNames, names=_CNAMES):
    """Deprecated enumeration of the compressors in Blosc; pass the strings instead."""


class BloscShuffle(metaclass=DeprecatedNames, names=_SHUFFLES):
    """Deprecated enumeration of the shuffle modes of Blosc; pass the strings instead."""

    @staticmethod
    def from_int(num: int) -> BloscShuffleLiteral:
        """Return the name of a shuffle mode, given its number in format 2 metadata.

        Parameters
        ----------
        num : int
            0 for ``"noshuffle"``, 1 for ``"shuffle"``, 2 for ``"bitshuffle"``.

        Raises
        ------
        ValueError
            If `num` is not 0, 1 or 2.
        """
        if num not in range(len(_SHUFFLES)):
            raise ValueError(f"Value must be between 0 and {len(_SHUFFLES) - 1}. Got {num}.")
        return _SHUFFLES[num]


def parse_typesize(data: object) -> int:
    """Return `data` if it is a valid element size for shuffling: a positive number of bytes.

    Raises
    ------
    TypeError
        If `data` is not an integer.
    ValueError
        If `data` is 0 or negative.
    """
    typesize = parse_integer(data, "typesize")
    if typesize <= 0:
        raise ValueError(
            f"Value must be greater than 0. Got {typesize}, which is less or equal to 0."
        )
    return typesize


def parse_clevel(data: object) -> int:
    """Return `data` if it is a valid Blosc compression level: an integer from 0 to 9.

    Raises
    ------
    TypeError
        If `data` is not an integer.
    ValueError
        If `data` is less than 0 or greater than 9.
    """
    clevel = parse_integer(data, "clevel")
    if not 0 <= clevel <= _MAX_CLEVEL:
        raise ValueError(
            f"clevel must be an integer from 0 to {_MAX_CLEVEL}, inclusive. Got {clevel}."
        )
    return clevel


def parse_blocksize(data: object) -> int:
    """Return `data` if it is a valid Blosc block size in bytes; 0 lets Blosc choose the size.

    Raises
    ------
    TypeError
        If `data` is not an integer.
    ValueError
        If `data` is negative, or 2 GiB or more.
    """
    blocksize = parse_integer(data, "blocksize")
    if not 0 <= blocksize <= _MAX_BLOCKSIZE:
        raise ValueError(
            f"blocksize must be 0 or more bytes, and less than 2 GiB. Got {blocksize}."
        )
    return blocksize


@dataclass(frozen=True)
class BloscCodec(BytesBytesCodec, NamedCodec):
    """Codec that compresses with Blosc 1 (Zarr v3 core specification, "blosc codec").

    Parameters
    ----------
    typesize : int or None
        Size of the elements to shuffle, in bytes; None for the item size of the data type.
    cname : {"lz4", "lz4hc", "blosclz", "snappy", "zlib", "zstd"}
        The compressor.
    clevel : int
        Compression level, from 0 (no compression) to 9 (smallest output).
    shuffle : {"noshuffle", "shuffle", "bitshuffle"} or None
        What is shuffled before compression: nothing, bytes or bits. None selects bits for elements
        of one byte, and bytes for larger elements.
    blocksize : int
        Size of the blocks in bytes; 0 lets Blosc choose the size.

    Raises
    ------
    TypeError
        If `typesize`, `clevel` or `blocksize` is not an integer.
    ValueError
        If a number is out of range, or if `cname` or `shuffle` is not one of the listed values.
    """

    is_fixed_size = False
    _name = "blosc"

    # Names of the parameters that the caller did not give. The values of these parameters are
    # derived from the data type.
    _tunable_attrs: frozenset[Literal["typesize", "shuffle"]] = field(init=False)
    typesize: int
    cname: BloscCnameLiteral
    clevel: int
    shuffle: BloscShuffleLiteral
    blocksize: int

    def __init__(
        self,
        *,
        typesize: int | None = None,
        cname: BloscCnameLiteral = "zstd",
        clevel: int = 5,
        shuffle: BloscShuffleLiteral | None = None,
        blocksize: int = 0,
    ) -> None:
        given = {"typesize": typesize, "shuffle": shuffle}
        tunable = frozenset(name for name, value in given.items() if value is None)
        object.__setattr__(self, "_tunable_attrs", tunable)
        object.__setattr__(self, "typesize", 1 if typesize is None else parse_typesize(typesize))
        object.__setattr__(self, "cname", parse_choice(cname, "cname", _CNAMES))
        object.__setattr__(self, "clevel", parse_clevel(clevel))
        object.__setattr__(
            self,
            "shuffle",
            "bitshuffle" if shuffle is None else parse_choice(shuffle, "shuffle", _SHUFFLES),
        )
        object.__setattr__(self, "blocksize", parse_blocksize(blocksize))

    def __setstate__(self, state: dict[str, Any]) -> None:
        # Pickles that zarr-python wrote contain a `set`, which would make the codec unhashable.
        self.__dict__.update(state, _tunable_attrs=frozenset(state["_tunable_attrs"]))

    def _configuration(self) -> dict[str, JSON] | None:
        return {
            "typesize": self.typesize,
            "cname": self.cname,
            "clevel": self.clevel,
            "shuffle": self.shuffle,
            "blocksize": self.blocksize,
        }

    def evolve_from_array_spec(self, array_spec: ArraySpec) -> Self:
        """Derive typesize and shuffle from the data type, unless the caller gave them."""
        if not self._tunable_attrs:
            return self
        native = array_spec.dtype.to_native_dtype()
        of_variable_size = native.hasobject or native.kind == "T"
        nbytes = 1 if of_variable_size else max(native.itemsize, 1)
        typesize = nbytes if "typesize" in self._tunable_attrs else self.typesize
        shuffle = self.shuffle
        if "shuffle" in self._tunable_attrs:
            shuffle = "bitshuffle" if nbytes == 1 else "shuffle"
        return replace(self, typesize=typesize, shuffle=shuffle)

    def compute_encoded_size(self, _input_byte_length: int, _chunk_spec: ArraySpec) -> int:
        # docstring inherited
        return super().compute_encoded_size(_input_byte_length, _chunk_spec)

    @cached_property
    def _blosc_codec(self) -> Any:
        """The numcodecs codec that encodes chunks.

        By default, chunks are decoded with `decode_blosc`. If a subclass overrides this property,
        chunks are encoded and decoded with the codec that the subclass returns.
        """
        return blosc_library().Blosc(
            cname=self.cname,
            clevel=self.clevel,
            shuffle=_SHUFFLES.index(self.shuffle),
            blocksize=self.blocksize,
            typesize=self.typesize,
        )

    def _decode_sync(self, chunk_data: Buffer, chunk_spec: ArraySpec) -> Buffer:
        if type(self)._blosc_codec is not _OWN:
            return decode_by(self._blosc_codec, chunk_data, chunk_spec)
        decoded = decode_blosc(chunk_data.as_numpy_array(), limit_of(chunk_spec))
        return chunk_spec.prototype.buffer.from_bytes(decoded)

    def _many_decoder_for(
        self, chunk_spec: ArraySpec
    ) -> Callable[[Sequence[Buffer], bool], list[Buffer]]:
        """Return a function that decodes several chunks of one spec; see `_decode_sync`."""
        if type(self)._blosc_codec is not _OWN:
            return lambda chunks, _: [self._decode_sync(each, chunk_spec) for each in chunks]
        return many_decoder(decode_many_blosc, chunk_spec)

    def _encode_sync(self, chunk_data: Buffer, chunk_spec: ArraySpec) -> Buffer | None:
        encoded = self._blosc_codec.encode(chunk_data.as_numpy_array())
        return chunk_spec.prototype.buffer.from_bytes(encoded)


_OWN = BloscCodec._blosc_codec

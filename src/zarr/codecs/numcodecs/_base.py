"""Base classes of the ``numcodecs.*`` codecs, one for each kind of codec.

Each codec wraps one codec of the numcodecs library. The name of the wrapping codec is
``numcodecs.<id>``, and its configuration contains the parameters of the wrapped codec
(zarr-extensions, "numcodecs.*").
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from enum import Enum
from functools import cache, cached_property
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from zarr.abc.codec import ArrayArrayCodec, ArrayBytesCodec, BytesBytesCodec
from zarr.abc.metadata import Metadata
from zarr.codecs._coders import decoder_of
from zarr.codecs._results import array_of, encoded_buffer
from zarr.core._decoded_size import limit_of
from zarr.core.common import parse_named_configuration
from zarr.core.dtype import get_data_type_from_native_dtype
from zarr.errors import UnknownCodecError
from zarr.registry import get_numcodec

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Self

    import numpy.typing as npt

    from zarr.abc.numcodec import Numcodec
    from zarr.core.array_spec import ArraySpec
    from zarr.core.buffer import Buffer, NDBuffer
    from zarr.core.common import JSON
    from zarr.core.dtype.wrapper import TBaseDType, TBaseScalar, ZDType

_PREFIX = "numcodecs."
# Maximum number of specs whose decoders are cached.
_KEPT_SPECS = 64

_EXTRAS = {"pcodec": "numcodecs[pcodec]", "zfpy": "numcodecs[zfpy]"}


@dataclass(frozen=True)
class _NumcodecsCodec(Metadata):
    """Base class of the codecs that wrap a codec of the numcodecs library.

    The wrapped codec is created on first use, so that metadata can be read even if the codec is
    not installed.

    Parameters
    ----------
    **codec_config : JSON
        Parameters of the numcodecs codec. They may include the ``id`` of the codec.

    Raises
    ------
    ValueError
        If ``id`` is not the id of the wrapped codec.
    """

    codec_name: str
    codec_config: dict[str, JSON]

    def __init__(self, **codec_config: Any) -> None:
        config = {key: _to_json(value) for key, value in codec_config.items()}
        expected = self.codec_name.removeprefix(_PREFIX)
        found = config.pop("id", expected)
        if found != expected:
            raise ValueError(f"Codec id does not match {expected}. Got: {found}.")
        object.__setattr__(self, "codec_config", {"id": expected} | config)

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}(codec_name={self.codec_name!r}, "
            f"codec_config={self._configuration!r})"
        )

    @property
    def _configuration(self) -> dict[str, JSON]:
        """The parameters without ``id``; the id is part of the codec name."""
        return {key: value for key, value in self.codec_config.items() if key != "id"}

    def __hash__(self) -> int:
        return hash((self.codec_name, json.dumps(self.codec_config, sort_keys=True, default=repr)))

    @classmethod
    def from_dict(cls, data: dict[str, JSON]) -> Self:
        """Create a codec from its JSON form, which is stored in array metadata.

        Parameters
        ----------
        data : dict
            A JSON object with the members ``name`` and ``configuration``. The name starts with
            ``numcodecs.``.

        Raises
        ------
        TypeError
            If `data` is not a JSON object.
        ValueError
            If the configuration is missing, or if the name is not the name of this codec.
        """
        name, configuration = parse_named_configuration(data)
        if not name.startswith(_PREFIX):
            raise ValueError(f"Expected name to start with '{_PREFIX}'. Got {name} instead.")
        parameters: dict[str, Any] = configuration or {}
        return cls(**(parameters | {"id": name.removeprefix(_PREFIX)}))

    def to_dict(self) -> dict[str, JSON]:
        """Return the JSON form of the codec, which contains name and configuration."""
        return {"name": self.codec_name, "configuration": self._configuration}

    def compute_encoded_size(self, input_byte_length: int, chunk_spec: ArraySpec) -> int:
        """Return the size of the encoded chunk in bytes.

        Raises
        ------
        NotImplementedError
            The error is always raised, because the encoded size depends on the values. Codecs that
            add a checksum override this method.
        """
        raise NotImplementedError(
            f"The encoded size of {self.codec_name} depends on the values it encodes."
        )

    @cached_property
    def _codec(self) -> Numcodec:
        codec_id = self.codec_name.removeprefix(_PREFIX)
        try:
            return get_numcodec(self.codec_config)
        except UnknownCodecError as error:
            if codec_id not in _EXTRAS:
                raise
            raise UnknownCodecError(
                f"{error} Known packages supporting this codec: {_EXTRAS[codec_id]}."
            ) from error

    def _decode(self, data: Any, chunk_spec: ArraySpec) -> Any:
        # Decoders are cached by the ``id()`` of the spec. The cache keeps a reference to the spec,
        # so that no other object can get the same ``id()``.
        found = self._settled.get(id(chunk_spec))
        if found is None or found[0] is not chunk_spec:
            if len(self._settled) >= _KEPT_SPECS:
                self._settled.clear()
            found = (chunk_spec, decoder_of(self._codec, chunk_spec, limit_of(chunk_spec)))
            self._settled[id(chunk_spec)] = found
        return found[1](data)

    @cached_property
    def _settled(self) -> dict[int, tuple[ArraySpec, Callable[[Any], Any]]]:
        return {}

    def __getstate__(self) -> dict[str, Any]:
        return {key: value for key, value in self.__dict__.items() if key != "_settled"}

    def _with_defaults(self, **parameters: Any) -> Self:
        """Return the codec with the given defaults for missing parameters; check all parameters.

        Raises
        ------
        TypeError, ValueError
            If the numcodecs codec rejects a parameter.
        """
        missing = {key: value for key, value in parameters.items() if key not in self.codec_config}
        evolved = type(self)(**(self.codec_config | missing)) if missing else self
        try:
            _ = evolved._codec
        except UnknownCodecError:
            # Without the codec, chunks cannot be encoded or decoded, but metadata can be inspected.
            pass
        return evolved


def _to_json(value: object) -> JSON:
    if isinstance(value, Enum):
        value = value.value
    if isinstance(value, np.dtype):
        return value.str
    if isinstance(value, np.generic):
        return value.item()  # type: ignore[no-any-return]
    return value  # type: ignore[return-value]


class _NumcodecsBytesBytesCodec(_NumcodecsCodec, BytesBytesCodec):
    """A numcodecs codec that encodes bytes as bytes."""

    is_fixed_size = False

    def evolve_from_array_spec(self, array_spec: ArraySpec) -> Self:
        # docstring inherited
        return self._with_defaults()

    def _decode_sync(self, chunk_data: Buffer, chunk_spec: ArraySpec) -> Buffer:
        return encoded_buffer(
            self._decode(chunk_data.as_numpy_array(), chunk_spec), chunk_spec.prototype
        )

    def _encode_sync(self, chunk_data: Buffer, chunk_spec: ArraySpec) -> Buffer | None:
        return encoded_buffer(self._codec.encode(chunk_data.as_numpy_array()), chunk_spec.prototype)


class _NumcodecsChecksumCodec(_NumcodecsBytesBytesCodec):
    """A numcodecs codec that adds a checksum of 4 bytes."""

    is_fixed_size = True

    def compute_encoded_size(self, input_byte_length: int, chunk_spec: ArraySpec) -> int:
        # docstring inherited
        return input_byte_length + 4


class _NumcodecsArrayBytesCodec(_NumcodecsCodec, ArrayBytesCodec):
    """A numcodecs codec that encodes an array as bytes."""

    is_fixed_size = False

    def evolve_from_array_spec(self, array_spec: ArraySpec) -> Self:
        # docstring inherited
        return self._with_defaults()

    def _decode_sync(self, chunk_data: Buffer, chunk_spec: ArraySpec) -> NDBuffer:
        # The numcodecs codecs that encode arrays as bytes only support native byte order.
        decoded = self._decode(chunk_data.as_numpy_array(), chunk_spec)
        dtype = chunk_spec.dtype.to_native_dtype()
        array = array_of(decoded, dtype.newbyteorder("="), chunk_spec.shape)
        return chunk_spec.prototype.nd_buffer.from_numpy_array(array.astype(dtype, copy=False))

    def _encode_sync(self, chunk_data: NDBuffer, chunk_spec: ArraySpec) -> Buffer | None:
        dtype = chunk_spec.dtype.to_native_dtype().newbyteorder("=")
        array = chunk_data.as_numpy_array().astype(dtype, order="C", copy=False)
        return encoded_buffer(self._codec.encode(array), chunk_spec.prototype)


class _NumcodecsArrayArrayCodec(_NumcodecsCodec, ArrayArrayCodec):
    """A numcodecs codec that encodes an array as an array.

    Most wrapped codecs of this kind have parameters for the data types of decoded and encoded
    arrays. If an array has a different data type, the wrapped codec reinterprets the memory of the
    array. Therefore, if only the byte order differs, this class converts the array before it calls
    the wrapped codec.
    """

    is_fixed_size = False

    # The names of two numcodecs parameters: the data type of decoded arrays, and the data type of
    # encoded arrays. The parameter for decoded arrays defaults to the data type of the array. If
    # `_encoded_parameter` is None, or if the configuration lacks the parameter of this name,
    # encoded arrays have the same data type as decoded arrays. A subclass can change this rule
    # with `_encoded_dtype`.
    _decoded_parameter: ClassVar[str | None] = None
    _encoded_parameter: ClassVar[str | None] = None

    def evolve_from_array_spec(self, array_spec: ArraySpec) -> Self:
        # docstring inherited
        if self._decoded_parameter is None:
            return self._with_defaults()
        return self._with_defaults(
            **{self._decoded_parameter: str(array_spec.dtype.to_native_dtype())}
        )

    def resolve_metadata(self, chunk_spec: ArraySpec) -> ArraySpec:
        # docstring inherited
        dtype = self._encoded_dtype(chunk_spec.dtype)
        if dtype == chunk_spec.dtype:
            return chunk_spec
        fill_value = _converted(chunk_spec.fill_value, dtype)
        return replace(chunk_spec, dtype=dtype, fill_value=fill_value)

    def _encoded_dtype(
        self, dtype: ZDType[TBaseDType, TBaseScalar]
    ) -> ZDType[TBaseDType, TBaseScalar]:
        if self._encoded_parameter is None:
            return dtype
        name = self.codec_config.get(self._encoded_parameter)
        return dtype if name is None else _data_type(str(name))

    def _encoded_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        return shape

    def _decode_sync(self, chunk_data: NDBuffer, chunk_spec: ArraySpec) -> NDBuffer:
        encoded = _in_byte_order_of(
            getattr(self._codec, self._encoded_parameter or "", None), chunk_data.as_numpy_array()
        )
        decoded = self._decode(encoded, chunk_spec)
        return _handed_on(decoded, chunk_spec.dtype.to_native_dtype(), chunk_spec.shape, chunk_spec)

    def _encode_sync(self, chunk_data: NDBuffer, chunk_spec: ArraySpec) -> NDBuffer | None:
        array = _in_byte_order_of(
            getattr(self._codec, self._decoded_parameter or "", None), chunk_data.as_numpy_array()
        )
        encoded = self._codec.encode(array)
        native = self._encoded_dtype(chunk_spec.dtype).to_native_dtype()
        return _handed_on(encoded, native, self._encoded_shape(chunk_spec.shape), chunk_spec)


def _in_byte_order_of(dtype: np.dtype[Any] | None, array: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return a C-contiguous array in the byte order that the numcodecs codec expects."""
    if dtype is not None and array.dtype != dtype and _swapped(array.dtype, dtype):
        return array.astype(dtype, order="C")
    return np.ascontiguousarray(array) if array.ndim else array


def _handed_on(
    data: object, native: np.dtype[Any], shape: tuple[int, ...], chunk_spec: ArraySpec
) -> NDBuffer:
    if isinstance(data, np.ndarray) and data.dtype != native and _swapped(data.dtype, native):
        data = data.astype(native)
    return chunk_spec.prototype.nd_buffer.from_numpy_array(array_of(data, native, shape))


def _swapped(one: np.dtype[Any], other: np.dtype[Any]) -> bool:
    return one.newbyteorder("=") == other.newbyteorder("=")


@cache
def _data_type(name: str) -> ZDType[TBaseDType, TBaseScalar]:
    """Return the data type for a NumPy dtype string, the value of a numcodecs parameter."""
    return get_data_type_from_native_dtype(np.dtype(name))


def _converted(fill_value: Any, dtype: ZDType[TBaseDType, TBaseScalar]) -> Any:
    """Return the fill value converted to the data type of encoded arrays.

    If the fill value cannot be converted, the default scalar of the data type is used instead. The
    value is only used for inner chunks that a shard does not store, so it is enough that writing
    and reading use the same value.
    """
    native = dtype.to_native_dtype()
    with np.errstate(all="ignore"):
        try:
            return np.asarray(fill_value).astype(native)[()]
        except (TypeError, ValueError):
            return dtype.default_scalar()

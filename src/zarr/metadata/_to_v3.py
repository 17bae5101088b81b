"""Convert format 2 metadata to format 3 metadata that describe the same stored chunks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final, Literal, cast

import numpy as np

from zarr.abc.codec import ArrayArrayCodec, BytesBytesCodec
from zarr.codecs import BloscCodec, BytesCodec, GzipCodec, TransposeCodec, ZstdCodec
from zarr.codecs.blosc import BloscShuffle
from zarr.core.dtype import get_data_type_from_json
from zarr.core.dtype.common import HasObjectCodec
from zarr.core.group import GroupMetadata
from zarr.core.metadata import ArrayV2Metadata, ArrayV3Metadata
from zarr.core.metadata.v3 import RegularChunkGridMetadata
from zarr.errors import UnknownCodecError
from zarr.registry import get_codec_class

if TYPE_CHECKING:
    from zarr.abc.codec import Codec
    from zarr.abc.numcodec import Numcodec

# Maps the id of a numcodecs filter to the names of two attributes. The first attribute contains the
# input data type of the filter, the second attribute the output data type.
_FILTER_DTYPES: Final[Mapping[str, tuple[str, str]]] = {
    "astype": ("decode_dtype", "encode_dtype"),
    "delta": ("dtype", "astype"),
    "fixedscaleoffset": ("dtype", "astype"),
    "quantize": ("dtype", "astype"),
}
# In format 2 metadata, this value of `shuffle` means that Blosc chooses the shuffle mode, depending
# on the item size.
_AUTOSHUFFLE: Final = -1
_PREFIX: Final = "numcodecs."


def convert_group(metadata: GroupMetadata) -> GroupMetadata:
    """Return the format 3 metadata of a format 2 group.

    Parameters
    ----------
    metadata : GroupMetadata
        Metadata of the format 2 group.

    Raises
    ------
    NotImplementedError
        If the metadata are consolidated. Consolidated metadata contain format 2 metadata of the
        members. This function does not convert the metadata of members.
    """
    if metadata.consolidated_metadata is not None:
        error = NotImplementedError("Migration of consolidated metadata isn't supported.")
        error.add_note("Delete the key '.zmetadata' first, and consolidate again afterwards.")
        raise error
    return GroupMetadata(attributes=metadata.attributes, zarr_format=3)


def convert_array(metadata: ArrayV2Metadata) -> ArrayV3Metadata:
    """Return the format 3 metadata of a format 2 array.

    The chunks keep their keys and bytes, and reads return the same values. In format 3, the fill
    value cannot be undefined. An undefined fill value is replaced by the default value of the data
    type. The format 2 array uses the same default for elements that are not stored.

    Parameters
    ----------
    metadata : ArrayV2Metadata
        Metadata to convert; they are not changed.

    Returns
    -------
    ArrayV3Metadata
        Format 3 metadata with the same attributes, and without dimension names.

    Raises
    ------
    TypeError
        If a filter or the compressor corresponds to a format 3 codec of the wrong kind. Filters
        must be array-to-array codecs, except the filter that encodes elements of variable length. A
        compressor must be a bytes-to-bytes codec.
    ValueError
        If a codec or the data type has no counterpart in format 3. If a filter does not accept the
        data type of its input. If the fields of a structured data type differ in byte order.
    """
    dtype = metadata.dtype
    codecs = _codecs(metadata)
    undefined = metadata.fill_value is None
    return ArrayV3Metadata(
        shape=metadata.shape,
        data_type=get_data_type_from_json(cast("Any", dtype.to_json(zarr_format=3)), zarr_format=3),
        chunk_grid=RegularChunkGridMetadata(chunk_shape=metadata.chunks),
        chunk_key_encoding=cast("Any", {"name": "v2", "separator": metadata.dimension_separator}),
        fill_value=dtype.default_scalar() if undefined else metadata.fill_value,
        codecs=codecs,
        attributes=metadata.attributes,
        dimension_names=None,
    )


# --- codecs -----------------------------------------------------------------------------


def _codecs(metadata: ArrayV2Metadata) -> tuple[Codec, ...]:
    """Return the codecs of an array, in encoding order."""
    codecs: list[Codec] = []
    if metadata.order == "F":
        # Filters process elements in memory order, so the axes are transposed before the filters.
        codecs.append(TransposeCodec(order=reversed(range(metadata.ndim))))
    filters = metadata.filters or ()
    if isinstance(metadata.dtype, HasObjectCodec):
        codecs.append(_object_codec(filters, metadata.dtype.object_codec_id))
    else:
        elements = cast("np.dtype[Any]", metadata.dtype.to_native_dtype())
        for item in filters:
            codec, elements = _filter(item, elements)
            codecs.append(codec)
        codecs.append(BytesCodec(endian=_byte_order(elements)))
    if metadata.compressor is not None:
        codecs.append(_compressor(metadata.compressor))
    return tuple(codecs)


def _object_codec(filters: tuple[Numcodec, ...], codec_id: str) -> Codec:
    """Return the codec for elements of variable length, which has the same name in both formats."""
    found = [str(item.get_config()["id"]) for item in filters]
    if found != [codec_id]:
        raise ValueError(
            f"An array of elements of variable length can be migrated if {codec_id!r} is its only "
            f"filter. It has the filters {found}."
        )
    return get_codec_class(codec_id).from_dict({"name": codec_id})


def _filter(item: Numcodec, elements: np.dtype[Any]) -> tuple[Codec, np.dtype[Any]]:
    """Return the format 3 codec for a filter, and the data type of the output of the filter."""
    config = dict(item.get_config())
    codec_id = str(config.pop("id"))
    codec_class = _counterpart(codec_id)
    if not issubclass(codec_class, ArrayArrayCodec):
        raise TypeError(f"Filter {codec_class} is not an ArrayArrayCodec")
    encoded = np.dtype("u1") if codec_id == "packbits" else elements
    if codec_id in _FILTER_DTYPES:
        names = _FILTER_DTYPES[codec_id]
        taken, encoded = (np.dtype(getattr(item, name)) for name in names)
        if not _is_taken(elements, taken):
            raise ValueError(
                f"The filter {item} takes elements of {taken.str}, but gets {elements.str}. Format "
                "2 reinterprets the bytes of the elements in this case, but format 3 does not."
            )
        # In format 3, only the bytes codec defines a byte order. If a codec parameter is a
        # big-endian data type, Zarr implementations interpret it in different ways. All of them
        # accept little-endian data types.
        config |= {name: np.dtype(config[name]).newbyteorder("<").str for name in names}
    return codec_class.from_dict(_json_of(codec_id, config)), encoded


def _is_taken(elements: np.dtype[Any], taken: np.dtype[Any]) -> bool:
    # Dates and durations are encoded as integers.
    dates = elements.kind in "mM" and taken.kind == "i"
    return elements == taken or (
        dates and elements.str[0] == taken.str[0] and elements.itemsize == taken.itemsize
    )


def _compressor(item: Numcodec) -> Codec:
    """Return the format 3 codec for a compressor; prefer codecs of the Zarr specification."""
    config = dict(item.get_config())
    codec_id = str(config.pop("id"))
    if codec_id == "blosc":
        return _blosc(config)
    if codec_id == "gzip":
        return GzipCodec(level=config["level"])
    if codec_id == "zstd":
        return ZstdCodec(level=config["level"], checksum=config.get("checksum", False))
    codec_class = _counterpart(codec_id)
    if not issubclass(codec_class, BytesBytesCodec):
        raise TypeError(f"Compressor {codec_class} is not a BytesBytesCodec")
    return codec_class.from_dict(_json_of(codec_id, config))


def _blosc(config: Mapping[str, Any]) -> BloscCodec:
    shuffle = config["shuffle"]
    return BloscCodec(
        typesize=config.get("typesize"),
        cname=config["cname"],
        clevel=config["clevel"],
        shuffle=None if shuffle == _AUTOSHUFFLE else BloscShuffle.from_int(shuffle),
        blocksize=config["blocksize"],
    )


def _counterpart(codec_id: str) -> type[Codec]:
    try:
        return get_codec_class(f"{_PREFIX}{codec_id}")
    except UnknownCodecError:
        raise UnknownCodecError(
            f"Couldn't find corresponding zarr.codecs.numcodecs codec for {codec_id}"
        ) from None


def _json_of(codec_id: str, config: dict[str, Any]) -> dict[str, Any]:
    return {"name": f"{_PREFIX}{codec_id}", "configuration": config}


# --- byte order -------------------------------------------------------------------------


def _byte_order(dtype: np.dtype[Any]) -> Literal["little", "big"] | None:
    """Return the byte order of elements; None if the elements have no byte order.

    Raises
    ------
    ValueError
        If the fields of a structured data type differ in byte order.
    """
    found = set(_byte_orders(dtype))
    if len(found) > 1:
        raise ValueError(
            f"The fields of {dtype} have different byte orders. Format 3 does not support this."
        )
    return found.pop() if found else None


def _byte_orders(dtype: np.dtype[Any]) -> Iterator[Literal["little", "big"]]:
    element = dtype.base
    if element.fields is not None:
        for field in element.fields.values():
            yield from _byte_orders(field[0])
    elif element.str[0] != "|":
        yield "big" if element.str[0] == ">" else "little"

"""The deliberate differences: how each is recognized, and its reason."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from differential.compare import Difference, is_metadata, same, same_outcome
from differential.proofs import (
    Proof,
    as_numpy,
    in_form,
    lost,
    reads_alike,
    same_as,
    where_ours_returns,
)


@dataclass(frozen=True)
class Explanation:
    """A deliberate difference.

    Parameters
    ----------
    name : str
        Short name.
    reason : str
        Reason for the difference.
    matches : callable
        Returns whether a difference is of this kind.
    proof : callable or None
        Further condition on the case; see `differential.proofs`.
    stored : bool
        Whether stored data may differ; if False, only results and exceptions may differ. If the
        stored elements of an array differ, a proof is required.
    """

    name: str
    reason: str
    matches: Callable[[Difference], bool]
    proof: Proof | None = None
    stored: bool = False


def _ours(difference: Difference, *classes: str) -> bool:
    """Return whether this package raised one of `classes`, or nothing if `classes` is empty."""
    return difference.ours.get("raises") in (classes or (None,))


def _peer(difference: Difference, *classes: str) -> bool:
    """Return whether the peer raised one of `classes`, or nothing if `classes` is empty."""
    return difference.peer.get("raises") in (classes or (None,))


def _says(difference: Difference, text: str) -> bool:
    return text in difference.ours.get("message", "")


def _peer_says(difference: Difference, text: str) -> bool:
    return text in difference.peer.get("message", "")


def _fits(difference: Difference) -> bool | None:
    """Return whether numpy would broadcast the assigned value; None if shapes are unknown."""
    value, selected = difference.step.get("value"), difference.step.get("selected")
    if value is None or selected is None:
        return None
    while len(value) > len(selected) and value[0] == 1:
        value = value[1:]
    pairs = zip(reversed(value), reversed(selected))
    return len(value) <= len(selected) and all(a in (1, b) for a, b in pairs)


def _too_large(d: Difference) -> bool:
    # For unusual selections of blocks, or irregular chunks, the shape of the selection is unknown.
    of_blocks = ".blocks[" in d.step["code"] and _says(d, "could not broadcast input array")
    return (_fits(d) is False or of_blocks) and _ours(d, "ValueError")


def _value_for_nothing(d: Difference) -> bool:
    is_refused = _ours(d, "ValueError") and _says(d, "could not broadcast input array")
    into = d.ours.get("message", "").rpartition("into shape ")[2].strip("()").split(",")
    return is_refused and _peer(d) and "0" in [length.strip() for length in into]


def _group_itself(d: Difference) -> bool:
    return d.step["op"] == "item" and _peer_says(d, "'' not found in consolidated metadata")


def _broadcast(d: Difference) -> bool:
    return (
        _fits(d) is True
        and bool(d.step["value"])
        and d.step["value"] != d.step["selected"]
        and _ours(d)
        and (_peer(d, "ValueError", "IndexError", "TypeError") or d.what == "stored")
    )


def _field(d: Difference) -> bool:
    if "fields" not in d.step or _says(d, "read-only") or _ellipsis(d):
        return False
    if d.step["op"] == "read":
        return _peer(d, "TypeError")
    return bool(d.step["op"] == "write")


# Error message of a filter that cannot encode a chunk. An omitted chunk is not encoded.
_REFUSED = "Shuffle buffer is not an integer multiple of elementsize"


def _null_fill(d: Difference) -> bool:
    created = d.case["steps"][0]["code"]
    if d.case["kind"] != "array-v2" or "fill_value=None" not in created:
        return False
    if _says(d, _REFUSED) and _peer(d):
        return True
    return (
        d.what == "stored"
        and _ours(d)
        and _peer(d)
        and not any(map(is_metadata, d.keys))
        and all(peer is None for _, peer in d.values.values())
    )


def _partial_failure(d: Difference) -> bool:
    return d.what == "stored" and "raises" in d.ours and not d.ours["stored"]


def _broken_off(d: Difference) -> bool:
    return (
        d.what == "stored"
        and d.step["op"] in ("write", "append", "create", "copy")
        and "raises" in d.ours
        and not any(map(is_metadata, d.keys))
        # Keys that both sides stored have equal values.
        and not any(key in d.ours["stored"] and key in d.peer["stored"] for key in d.keys)
    )


def _read_only_nothing(d: Difference) -> bool:
    return (
        d.step["op"] in ("write", "append", "resize")
        and _ours(d, "ValueError")
        and "read-only" in d.ours["message"]
        and _peer(d)
        and not d.peer["stored"]
    )


def _no_blocks(d: Difference) -> bool:
    if d.step.get("via") != "blocks" or not _peer(d, "BoundsCheckError"):
        return False
    if d.step["op"] == "write":
        selected = d.step.get("selected")
        return 0 in selected if selected else "out of bounds" not in d.ours.get("message", "")
    if not _ours(d):
        return _peer_says(d, "with length 0")
    return 0 in d.ours["result"]["array"]["shape"]


def _unpacked(answer: Any) -> Any:
    """Return an answer with each zero-dimensional object array replaced by its object."""
    if isinstance(answer, list):
        return [_unpacked(item) for item in answer]
    if not isinstance(answer, dict):
        return answer
    array = answer.get("array")
    if isinstance(array, dict) and array["shape"] == [] and "items" in array:
        return _unpacked(array["items"][0])
    return {key: _unpacked(value) for key, value in answer.items()}


def _packed_bytes(d: Difference) -> bool:
    if d.what != "outcome" or d.case.get("elements") != "bytes":
        return False
    if _peer_says(d, "Expected bytes, got numpy.ndarray"):
        return True
    return _ours(d) and _peer(d) and same_outcome(_unpacked(d.ours), _unpacked(d.peer))


def _told_of_sets(d: Difference) -> bool:
    if not (_ours(d) and _peer(d) and d.step["op"] == "describe"):
        return False
    plain = re.sub(
        r"frozenset\((\{[^}]*\})?\)", lambda m: m[1] or "set()", json.dumps(d.ours["result"])
    )
    return "_tunable_attrs" in plain and same(json.loads(plain), d.peer["result"])


def _null_character(d: Difference) -> bool:
    lines = " ".join(step["code"] for step in d.case["steps"][: d.number + 1])
    # A number n is converted to n null characters.
    null = {"text": r"'\\x00'", "bytes": r"zarr\.ones|fill_value=(True|\d+)\b"}
    # Group cases have arrays of several data types.
    kind = d.case.get("elements", "text")
    return (
        kind in null
        and re.search(null[kind], lines) is not None
        and _ours(d)
        and (_peer(d) or _peer_says(d, _REFUSED))
        and not any(map(is_metadata, d.keys))
    )


def _nan_pairs(d: Difference) -> bool:
    lines = " ".join(step["code"] for step in d.case["steps"][: d.number + 1])
    return (
        d.what == "stored"
        and d.case.get("elements") == "complex"
        and re.search(r"fill_value=[^=]*nan", lines, re.IGNORECASE) is not None
        and not any(map(is_metadata, d.keys))
        and all(peer is None for _, peer in d.values.values())
    )


def _byte_order(d: Difference) -> bool:
    created = d.case["steps"][0]["code"]
    lines = " ".join(step["code"] for step in d.case["steps"][: d.number + 1])
    return (
        re.search(r"zn\.(Delta|FixedScaleOffset|Quantize|AsType|BitRound)", created) is not None
        and ("'>" in lines or "'big'" in lines)
        and _ours(d)
        and _peer(d)
    )


def _text_as_json(d: Difference) -> bool:
    return (
        d.what == "stored"
        and d.case.get("elements") == "text"
        and "numcodecs.JSON()" in d.case["steps"][0]["code"]
        and not any(map(is_metadata, d.keys))
    )


def _index_location(document: Any) -> Any:
    text = json.dumps(document, sort_keys=True)
    return text.replace('"index_location": "start"', '"index_location": "end"')


def _index_kept(d: Difference) -> bool:
    if d.what != "stored" or d.step["op"] != "copy":
        return False
    documents = [values for key, values in d.values.items() if is_metadata(key)]
    return bool(documents) and all(_index_location(a) == _index_location(b) for a, b in documents)


def _chunks_of_create(d: Difference) -> bool:
    if d.case.get("fault") != "chunks" or d.step["op"] != "create":
        return False
    if "chunks='auto'" in d.step["code"]:
        return _ours(d) and _peer(d, "ValueError", "TypeError")
    return "chunks=()" in d.step["code"] and _says(d, "chunks has 0 dimensions") and _peer(d)


def _transposed_copy(d: Difference) -> bool:
    created = d.case["steps"][0]["code"]
    return (
        d.case["kind"] == "array-v2"
        and "numcodecs.BitRound" in created
        and ("order='F'" in created or d.case["config"].get("array.order") == "F")
        and _ours(d)
        and _peer(d)
    )


def _flat_filter(d: Difference) -> bool:
    created = d.case["steps"][0]["code"]
    return (
        "zn." in created
        and (_ours(d) or _ours(d, "ValueError"))
        and (
            _peer_says(d, "axes don't match array")
            or (
                ("ShardingCodec" in created or "shards=" in created)
                and _peer(d, "ValueError", "IndexError")
            )
        )
    )


def _ellipsis(d: Difference) -> bool:
    return (
        "..." in d.step["code"]
        and d.step["op"] in ("read", "write")
        and _peer_says(d, "The truth value of an array with more than one element is ambiguous")
        and (
            _ours(d)
            # The selection is invalid even without the ellipsis; this package raised an error.
            or (
                _ours(d, "IndexError", "BoundsCheckError")
                and re.search(
                    "indices for array|unsupported selection|out of bounds|mask", d.ours["message"]
                )
                is not None
            )
            or _fits(d) is False
        )
    )


def _other_data_type(d: Difference) -> bool:
    kinds = {"VLenUTF8Codec": "text", "VLenBytesCodec": "bytes"}
    named = re.findall(r"(?:serializer=|codecs=\[)zc\.(VLen\w+)", d.case["steps"][0]["code"])
    wrong = any(kinds[name] != d.case["elements"] for name in named)
    return wrong and _ours(d, "TypeError", "ValueError")


def _outside(d: Difference) -> bool:
    if d.step["op"] != "write" or any(map(is_metadata, d.keys)) or not (_ours(d) and _peer(d)):
        return False
    created = d.case["steps"][0]["code"]
    resized = any(step["op"] == "resize" for step in d.case["steps"][: d.number])
    # Delta decodes by cumulative sum, so a NaN spreads to later elements. NaN != NaN, NaT != NaT.
    spread = d.case["elements"] == "float" and "Delta" in created
    unequal = d.case["elements"] == "struct" and re.search("NaT|nan", created) is not None
    return resized or spread or unequal


def _conflicts(d: Difference) -> bool:
    classes = ("ContainsArrayError", "ContainsGroupError")
    if d.step["op"] != "hierarchy":
        return False
    if _ours(d):
        return _peer(d) and "overwrite=True" in d.step["code"]
    if not _ours(d, *classes, "ValueError"):
        return False
    return _peer(d, *classes) or (_peer(d) and "overwrite=True" in d.step["code"])


def _found_first(d: Difference) -> bool:
    return (
        "require_" in d.step["code"]
        and (_ours(d) or _ours(d, "TypeError", "ValueError"))
        and _peer(d, "ContainsArrayError", "ContainsGroupError", "TypeError")
        and any("consolidate" in step["code"] for step in d.case["steps"][: d.number])
    )


def _made_again(d: Difference) -> bool:
    return (
        d.what == "stored"
        and "require_" in d.step["code"]
        and any("consolidate" in step["code"] for step in d.case["steps"][: d.number])
        and all(is_metadata(key) and peer is None for key, (_, peer) in d.values.items())
    )


def _by_bits(d: Difference) -> bool:
    created = d.case["steps"][0]["code"]
    return (
        d.what == "stored"
        and d.case.get("elements") == "struct"
        and re.search(r"NaT|nan|-0\.0", created) is not None
        and not any(map(is_metadata, d.keys))
        and all((ours is None) != (peer is None) for ours, peer in d.values.values())
    )


def _left_in_document(d: Difference) -> bool:
    deleted = re.fullmatch(r"del g\['(.*)'\]", d.step["code"])
    if deleted is None:
        return False
    path = "/".join(part for part in deleted[1].split("/") if part)

    def is_below(entry: str) -> bool:
        return f"{entry}/".startswith(f"{path}/")

    for key, (ours, peer) in d.values.items():
        if not is_metadata(key) or ours is None or peer is None:
            return False
        kept, left = (
            (document.get("consolidated_metadata") or document).get("metadata", {})
            for document in (ours, peer)
        )
        if kept != {entry: value for entry, value in left.items() if not is_below(entry)}:
            return False
    return True


def _kept_members(d: Difference) -> bool:
    if "zarr.save" not in d.step["code"]:
        return False
    if d.what != "stored":
        return _says(d, "only groups may have child nodes") or _ours(d)

    def plain(document: Any) -> Any:
        return {**document, "attributes": None, "consolidated_metadata": None}

    # Allowed: keys that only this package keeps; other attributes or consolidated metadata.
    return all(
        peer is None
        or key.endswith(".zattrs")
        or (is_metadata(key) and ours is not None and plain(ours) == plain(peer))
        for key, (ours, peer) in d.values.items()
    )


def _bad_fill(d: Difference) -> bool:
    if d.step["op"] not in ("create", "add") or d.what != "outcome":
        return False
    if d.case.get("elements") == "bool":
        return _ours(d, "TypeError") and _says(d, "compatible with the data type Bool()")
    if _says(d, "requires a specified unit"):
        return _peer(d) or _peer(d, "OverflowError")
    if not re.search(r"fill_value=b'", d.step["code"]):
        return False
    return (_ours(d, "TypeError") and _peer(d, "ValueError")) or _says(d, "bytes for a scalar")


def _append_axis(d: Difference) -> bool:
    axis, ndim = d.step.get("axis"), d.step.get("ndim")
    if d.step["op"] != "append" or axis is None:
        return False
    if axis < 0 and ndim:
        return _ours(d) or _ours(d, "ValueError")
    return (axis >= ndim or not ndim) and _ours(d, "AxisError")


def _all_chunks(line: str) -> str:
    return line.replace("'write_empty_chunks': False", "'write_empty_chunks': True")


def _in_little_endian(line: str) -> str:
    return line.replace("'>", "'<").replace("endianness='big'", "endianness='little'")


def _in_c_order(line: str) -> str:
    return re.sub(r"(order'?[=:] ?)'F'", r"\1'C'", line)


_LITTLE_ENDIAN = same_as(_in_little_endian)

EXPLANATIONS: tuple[Explanation, ...] = (
    Explanation(
        "format other than 2 and 3",
        "such a format is refused; the released package treats it as format 3",
        lambda d: _ours(d, "ValueError") and "zarr_format must be 2 or 3" in d.ours["message"],
    ),
    Explanation(
        "codec parameters",
        "a parameter that a codec does not have is refused; the released package accepts it, or "
        "fails when the codec is used",
        lambda d: (
            d.case.get("fault") == "codec"
            and d.step["op"] == "create"
            and _ours(d, "ValueError", "TypeError")
            and d.what == "outcome"
        ),
    ),
    Explanation(
        "value too large",
        "a value that does not fit the selection is refused; the released package crops it",
        _too_large,
    ),
    Explanation(
        "value for nothing",
        "a value that does not fit is refused even if the selection is empty; the released "
        "package does not check the value in that case",
        _value_for_nothing,
    ),
    Explanation(
        "broadcasting",
        "a value that numpy would broadcast is broadcast; the released package refuses or crops it",
        _broadcast,
        proof=as_numpy,
        stored=True,
    ),
    Explanation(
        "null fill value",
        "if the metadata of format 2 have no fill value, every written chunk is stored, because "
        "the value of an absent chunk is undefined; the released package omits chunks of zeros",
        _null_fill,
        proof=same_as(_all_chunks, array__write_empty_chunks=True),
        stored=True,
    ),
    Explanation(
        "several fields",
        "a write to several fields raises first the error that only one field can be written; "
        "the released package raises an error about the selection or the value first",
        lambda d: (
            "fields" in d.step
            and d.step["op"] == "write"
            and _says(d, "multiple fields are not supported for this operation")
            and _peer(d, "ValueError", "IndexError", "TypeError", "BoundsCheckError")
        ),
    ),
    Explanation(
        "a structured value for a field",
        "a structured value cannot be assigned to a single field, as in numpy; the released "
        "package accepts it",
        lambda d: (
            "fields" in d.step
            and d.step["op"] == "write"
            and _ours(d, "TypeError")
            and _says(d, "Cannot cast scalar from dtype([(")
        ),
    ),
    Explanation(
        "fields",
        "fields are read and written as in numpy; the released package cannot read a single "
        "field, and a write to one field overwrites the others",
        _field,
        proof=as_numpy,
        stored=True,
    ),
    Explanation(
        "nothing stored on failure",
        "a call that is refused stores nothing; the released package has already stored a part",
        _partial_failure,
        stored=True,
    ),
    Explanation(
        "write broken off",
        "if storing a chunk fails, it is not determined which other chunks of the same write "
        "have been stored",
        _broken_off,
        stored=True,
    ),
    Explanation(
        "read-only",
        "an array opened for reading refuses a write even if the selection is empty",
        _read_only_nothing,
    ),
    Explanation(
        "no blocks",
        "a slice that contains no blocks selects nothing; the released package raises an error "
        "that it is out of bounds",
        _no_blocks,
    ),
    Explanation(
        "axis of append",
        "a negative axis counts from the end, and an axis that does not exist is refused; the "
        "released package returns as if it had appended",
        _append_axis,
    ),
    Explanation(
        "mask without dimensions",
        "a mask for an array without dimensions raises the same IndexError as other masks that "
        "do not fit; in the released package numpy's ValueError is raised",
        lambda d: (
            _ours(d, "IndexError") and _peer_says(d, "Calling nonzero on 0d arrays is not allowed")
        ),
    ),
    Explanation(
        "ellipsis in oindex",
        "a selection may contain an ellipsis and lists; the released package compares the lists "
        "with the ellipsis, and fails",
        _ellipsis,
        proof=where_ours_returns(as_numpy),
    ),
    Explanation(
        "cast_value of big-endian data",
        "big-endian data are converted like little-endian data; the helper library of the "
        "released package refuses them",
        lambda d: (
            "CastValue" in d.case["steps"][0]["code"]
            and _peer_says(d, "'ndarray' object is not an instance of 'ndarray'")
        ),
        proof=_LITTLE_ENDIAN,
    ),
    Explanation(
        "times in structured types",
        "chunks with a datetime64 field are compressed like other chunks; the released package "
        "cannot compress them",
        lambda d: _peer_says(d, "cannot include dtype 'M' in a buffer"),
        proof=where_ours_returns(as_numpy),
    ),
    Explanation(
        "failed attribute",
        "if an attribute could not be stored, the attributes in memory do not contain it either",
        lambda d: (
            d.step["op"] == "attributes"
            and d.step["code"] == "a.attrs.asdict()"
            and bool(d.case["steps"][d.number - 1].get("odd"))
        ),
    ),
    Explanation(
        "loading what is missing",
        "load of a missing path raises an error that says that the path is missing, and creates "
        "nothing; the released package creates a group and refuses to load it",
        lambda d: (
            "zarr.load(" in d.step["code"]
            and _ours(d, "GroupNotFoundError")
            and _peer(d, "NotImplementedError")
        ),
    ),
    Explanation(
        "packed bytes",
        "an element of variable-length bytes is of type bytes; if the result has no dimensions, "
        "the released package returns the element inside an array, and it cannot store an "
        "element that is given in this form",
        _packed_bytes,
    ),
    Explanation(
        "hashable codec",
        "Blosc codecs are hashable, so their repr contains a frozenset instead of a set",
        _told_of_sets,
    ),
    Explanation(
        "fill value of a null character",
        "empty text or bytes do not equal a null character; the released package treats both as "
        "equal, so it omits chunks that differ from the fill value, and reads absent chunks as "
        "empty elements",
        _null_character,
        proof=where_ours_returns(as_numpy),
        stored=True,
    ),
    Explanation(
        "repeated positions",
        "if several values are assigned to one element, the last value is stored, as in numpy",
        lambda d: d.what == "stored" and bool(d.step.get("repeats")),
        proof=as_numpy,
        stored=True,
    ),
    Explanation(
        "conflicts in a hierarchy",
        "existing nodes that conflict are reported in the order of the given nodes, and a node "
        "that is not given is never overwritten",
        _conflicts,
    ),
    Explanation(
        "member outside of the consolidated metadata",
        "require_array and require_group look for the member in the store before they create "
        "it, even if the consolidated metadata lack it",
        _found_first,
    ),
    Explanation(
        "member of stale consolidated metadata",
        "a required member is created if the store has lost it since consolidation; the "
        "released package trusts the consolidated metadata",
        _made_again,
        stored=True,
    ),
    Explanation(
        "fill value of a structured type",
        "a chunk is omitted only if its elements equal the fill value bit by bit, including NaT "
        "and the sign of a zero in its fields; in the released package NaT equals nothing, and "
        "-0.0 equals 0.0",
        _by_bits,
        proof=same_as(_all_chunks, array__write_empty_chunks=True),
        stored=True,
    ),
    Explanation(
        "filtered NaT",
        "a chunk that contains only the fill value is not stored, even if its fields contain "
        "NaT; the released package passes it to a filter that refuses it",
        lambda d: (
            d.case.get("elements") == "struct"
            and re.search(r"NaT|nan|-0\.0", d.case["steps"][0]["code"]) is not None
            and _ours(d)
            and _peer_says(d, _REFUSED)
        ),
    ),
    Explanation(
        "deleted members",
        "if a member is deleted, all nodes below it are removed from the consolidated metadata "
        "as well",
        _left_in_document,
        stored=True,
    ),
    Explanation(
        "saving into a group",
        "saving into a group keeps its attributes and its members with other names; the "
        "released package deletes everything first",
        _kept_members,
        stored=True,
    ),
    Explanation(
        "parent of the other format",
        "no node is created below an array, even if the array has the other format",
        lambda d: (
            _says(d, "only groups may have child nodes")
            and (_peer(d) or _peer(d, "ContainsArrayError", "ContainsGroupError"))
        ),
    ),
    Explanation(
        "read-only first",
        "the error that a store is read-only is raised before any error about what is stored in it",
        lambda d: _says(d, "read-only") and not _peer(d),
    ),
    Explanation(
        "fill values",
        "a fill value that is not a value of the data type is refused; for both text and bytes "
        "the error is a TypeError",
        _bad_fill,
    ),
    Explanation(
        "text without its codec",
        "creating an array with elements of variable length requires a codec for such elements; "
        "the released package raises an error only when elements are stored",
        lambda d: (
            d.step["op"] == "create" and _says(d, "but no such codec was specified") and _peer(d)
        ),
    ),
    Explanation(
        "shape of filtered chunks",
        "the output of a numcodecs filter is given the shape of the chunk again; the released "
        "package can neither transpose such output nor store it in shards",
        _flat_filter,
    ),
    Explanation(
        "NaN in complex fill values",
        "two complex numbers with NaN in one part are not equal if their other parts differ; "
        "the released package treats them as equal, and omits chunks that differ from the fill "
        "value only in the other part",
        _nan_pairs,
        proof=same_as(_all_chunks, array__write_empty_chunks=True),
        stored=True,
    ),
    Explanation(
        "scale_offset of rounded elements",
        "the output of numcodecs.BitRound has the data type of its input; in the released "
        "package the next codec treats it as integers, and reads return other numbers than were "
        "written",
        lambda d: (
            "zn.BitRound" in d.case["steps"][0]["code"]
            and "ScaleOffset" in d.case["steps"][0]["code"]
            and _ours(d)
            and _peer(d)
        ),
        proof=as_numpy,
        stored=True,
    ),
    Explanation(
        "rounding twice",
        "the output of numcodecs.BitRound has the data type of its input; in the released "
        "package a second one treats it as integers, and fails",
        lambda d: (
            d.case["steps"][0]["code"].count("zn.BitRound") > 1
            and _ours(d)
            and _peer_says(d, "Only float arrays (16-64bit) can be bit-rounded")
        ),
        proof=in_form(_in_little_endian, as_numpy),
    ),
    Explanation(
        "byte order and filters",
        "a numcodecs filter receives data in the byte order that it assumes; in the released "
        "package the filter misinterprets the bytes, and reads return other numbers than were "
        "written",
        _byte_order,
        proof=_LITTLE_ENDIAN,
        stored=True,
    ),
    Explanation(
        "inner chunks outside of the array",
        "if a mask selects all elements of a shard that are inside the array, the whole shard "
        "is replaced, as with a slice; if empty chunks are stored, the inner chunks outside the "
        "array contain fill value",
        lambda d: (
            d.what == "stored"
            and d.step["op"] == "write"
            and "shards=" in d.case["steps"][0]["code"]
            and "'write_empty_chunks': True" in d.case["steps"][0]["code"]
        ),
        proof=reads_alike,
        stored=True,
    ),
    Explanation(
        "what is no element",
        "an object that cannot be an element is refused with the error of numpy; the released "
        "package first compares it with the stored elements",
        lambda d: (
            d.step["op"] == "write"
            and _ours(d, "TypeError")
            and _says(d, "argument must be a string or a real number, not ")
            and _peer(d, "ValueError")
            and _peer_says(d, "The truth value of an array with more than one element")
        ),
    ),
    Explanation(
        "fault of a codec",
        "values that a codec refuses reach the codec, and its error is raised; the released "
        "package fails earlier, when it puts the values into a chunk",
        lambda d: (
            d.step["op"] == "write"
            and (_says(d, "pco error: ") or _says(d, "is not an integer multiple of elementsize"))
            and (
                _peer_says(d, "axes don't match array")
                or _peer_says(d, "is out of bounds for axis 0 with size 1")
                or _peer_says(d, "too many indices for array: array is ")
            )
        ),
    ),
    Explanation(
        "text as JSON",
        "the metadata of a numcodecs.JSON filter for text contain the object data type, which "
        "every reader knows; the released package stores the name of a data type that numpy "
        "cannot find",
        _text_as_json,
        proof=as_numpy,
        stored=True,
    ),
    Explanation(
        "index location",
        "a copy that keeps the shards also keeps the location of their index",
        _index_kept,
        proof=reads_alike,
        stored=True,
    ),
    Explanation(
        "chunks of create",
        "in create, chunks='auto' means the same as in other functions, and chunks=() is "
        "refused for arrays with dimensions, in both formats; the released package treats "
        "'auto' as four lengths, and () as 'auto'",
        _chunks_of_create,
    ),
    Explanation(
        "shards after a transpose",
        "the inner chunks have to divide the encoded shard, whose dimensions a preceding "
        "transpose has reordered",
        lambda d: (
            d.step["op"] == "create"
            and ("TransposeCodec" in d.step["code"] or "'transpose'" in d.step["code"])
            and _says(d, "is not divisible by the shard's inner chunk size")
            and (_peer(d) or _peer(d, "KeyError"))
        ),
    ),
    Explanation(
        "serializer of another data type",
        "text and bytes of variable length each have their own serializer, which refuses "
        "elements of other types",
        _other_data_type,
    ),
    Explanation(
        "overflow of scale_offset",
        "a value outside the range of the data type is refused, even for 64-bit types",
        lambda d: (
            _says(d, "scale_offset produced a value outside the range of dtype")
            and re.search("dtype (int64|>i8)", d.ours["message"]) is not None
            and _peer(d)
        ),
    ),
    Explanation(
        "group where an array is",
        "opening a group at the path of an array is refused, whatever the format of the array",
        lambda d: d.step["op"] == "open" and _ours(d, "ContainsArrayError") and _peer(d),
    ),
    Explanation(
        "empty path",
        "an empty path is the group itself, even with consolidated metadata; it cannot be "
        "deleted or replaced like a member",
        lambda d: (
            ("g['']" in d.step["code"] and (_ours(d) or _says(d, "The empty path names the group")))
            or ("g.get('', " in d.step["code"] and _ours(d) and _peer(d))
            or _group_itself(d)
            or (d.step["code"] == "'' in g" and _ours(d))
            or (
                "g['']" in d.step["code"]
                and (_ours(d, "AttributeError") or _says(d, "max_depth must be None or >= 0"))
                and _peer_says(d, "'' not found in consolidated metadata")
            )
        ),
    ),
    Explanation(
        "rounding in F order",
        "chunks in F order are stored in F order even after numcodecs.BitRound; the released "
        "package stores them in C order, and reads return the elements at other positions",
        _transposed_copy,
        proof=same_as(_in_c_order, array__order="C"),
        stored=True,
    ),
    Explanation(
        "scale_offset of converted elements",
        "offset and scale are numbers of the type that the codec receives, which a preceding "
        "codec may have converted",
        lambda d: (
            ("CastValue" in d.step["code"] or "AsType" in d.step["code"])
            and "ScaleOffset" in d.step["code"]
            and _ours(d)
            and _peer_says(d, "is not representable in dtype")
        ),
    ),
    Explanation(
        "byte order and serializers",
        "a numcodecs serializer receives data in the byte order of the machine, the only byte "
        "order that it accepts",
        lambda d: (
            "zn.PCodec" in d.case["steps"][0]["code"]
            and ("'>" in d.case["steps"][0]["code"] or "'big'" in d.case["steps"][0]["code"])
            and _ours(d)
            and (_peer(d) or _peer_says(d, "Unsupported data type: dtype('>"))
        ),
        proof=_LITTLE_ENDIAN,
        stored=True,
    ),
    Explanation(
        "filters of another size",
        "a write refuses a chunk that could not be read back, for example if the output of a "
        "filter has another size than the next filter declares",
        lambda d: (
            "zn." in d.case["steps"][0]["code"]
            and _ours(d, "ValueError")
            and _says(d, "bytes, but decoding gave")
            and d.step["op"] in ("create", "write", "append", "copy")
            and _peer(d)
        ),
        proof=lost,
    ),
    Explanation(
        "objects as bytes",
        "elements of variable length cannot be serialized as they are in memory, because the "
        "memory contains addresses",
        lambda d: (
            "zc.BytesCodec" in d.case["steps"][0]["code"]
            and _ours(d, "TypeError")
            and _says(
                d,
                "The bytes codec needs elements of a fixed size, but elements of dtype object have "
                "no fixed size",
            )
            and d.step["op"] in ("create", "write", "append", "copy")
            and (_peer(d) or _fits(d) is True)
        ),
    ),
    Explanation(
        "stale metadata of a child",
        "if a child has consolidated metadata, these determine its members, even if a member "
        "has been deleted since; the released package checks whether the members exist",
        lambda d: (
            d.step["op"] == "members"
            and _ours(d)
            and _peer(d)
            and any(step["op"] == "delete" for step in d.case["steps"][: d.number])
            and any(
                "consolidate_metadata(store, path" in s["code"] for s in d.case["steps"][: d.number]
            )
        ),
    ),
    Explanation(
        "lists of large integers",
        "a list is converted exactly to the data type; in the released package integers above "
        "63 bits lose digits",
        lambda d: (
            d.step["op"] == "write"
            and d.step["code"].count(".tolist()") > 0
            and "dtype='<u8'" in d.step["code"].replace(">", "<")
            and re.search(r"\b1844674407370955161\d\b", d.step["code"]) is not None
            and _ours(d)
            and _peer(d)
        ),
        proof=as_numpy,
        stored=True,
    ),
    Explanation(
        "rounding of big-endian numbers",
        "numcodecs.BitRound raises an error for big-endian numbers; the released package passes "
        "some of them to the codec in the byte order of the machine, or fails earlier",
        lambda d: (
            "BitRound" in d.case["steps"][0]["code"]
            and _ours(d, "KeyError")
            and re.fullmatch("'>f[248]'", d.ours["message"]) is not None
            and d.step["op"] in ("write", "append", "copy")
        ),
    ),
    Explanation(
        "beyond the end",
        "a write of all elements of a chunk that are inside the array replaces the whole chunk, "
        "with fill value outside the array; the released package keeps the previous elements "
        "outside",
        _outside,
        proof=reads_alike,
        stored=True,
    ),
)


def explain(difference: Difference) -> Explanation | None:
    """Return the explanation of a difference; None if the difference is not deliberate."""
    if difference.refuted:
        return None
    stored = difference.what == "stored"
    return next(
        (item for item in EXPLANATIONS if (item.stored or not stored) and item.matches(difference)),
        None,
    )

"""Cases that create, write and read one array."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

from differential.attributes import draw_attribute_step, draw_attributes, draw_failing_step
from differential.choices import Choices
from differential.codec_forms import (
    Chain,
    default_serializer,
    draw_bad_codec,
    draw_chain_v2,
    draw_chain_v3,
)
from differential.elements import (
    SPELLINGS,
    Elements,
    Shape,
    draw_array,
    draw_bad_fill_value,
    draw_elements,
    draw_fill_value,
    draw_value,
)
from differential.selecting import Selection, draw_selection

Step = dict[str, Any]
Case = dict[str, Any]

MOST_CHUNKS = 48
METHODS = {
    "basic": "basic_selection",
    "oindex": "orthogonal_selection",
    "vindex": "coordinate_selection",
    "mask": "mask_selection",
    "blocks": "block_selection",
}
_LENGTHS = (
    (6, 5, 4, 12, 9, 7, 3, 2, 1, 16, 20, 0),
    (4, 5, 3, 6, 7, 2, 8, 1, 0),
    (3, 2, 4, 5, 1, 0),
)
DESCRIPTIONS = (
    "[{a}.shape, {a}.chunks, {a}.shards, {a}.dtype, {a}.fill_value, {a}.order, {a}.ndim, {a}.size]",
    "[{a}.nbytes, {a}.nchunks, {a}.cdata_shape, {a}.nchunks_initialized, {a}.nbytes_stored()]",
    "{a}.metadata.to_dict()",
    "[{a}.filters, {a}.compressors]",
    "{a}.serializer",
    "[{a}.name, {a}.path, {a}.basename, {a}.read_only, repr({a}), str({a}.info), len({a})]",
    "[{a}.read_chunk_sizes, {a}.write_chunk_sizes]",
    "str({a}.info_complete())",
    "[{a}.metadata.zarr_format, {a}.attrs.asdict(), {a}.config]",
    "np.asarray({a})",
    "[row for row in {a}]",
    "{a}.metadata.dimension_names",
)


def draw_shape(choices: Choices) -> Shape:
    """Draw the shape of an array of at most some hundred elements."""
    ndim = choices.weighted(((38, 1), (36, 2), (14, 3), (7, 0), (5, 4)))
    lengths = _LENGTHS[min(max(ndim, 1), 3) - 1]
    return tuple(choices.pick(lengths) for _ in range(ndim))


def draw_chunk(choices: Choices, shape: Shape) -> Shape:
    """Draw a chunk shape for which the number of chunks is limited."""
    chunk = [choices.between(1, max(1, length)) for length in shape]
    if choices.chance(15):
        chunk = [part + choices.below(3) for part in chunk]
    while math.prod(math.ceil(n / c) for n, c in zip(shape, chunk, strict=True)) > MOST_CHUNKS:
        chunk = [2 * part for part in chunk]
    return tuple(chunk)


def draw_rectilinear(choices: Choices, shape: Shape) -> str:
    """Draw a chunk grid whose chunks differ in length."""
    dimensions = []
    for length in shape:
        if choices.chance(30) or not length:
            dimensions.append(str(choices.between(1, max(1, length))))
            continue
        parts: list[int] = []
        while sum(parts) < length:
            parts.append(choices.between(1, max(1, length - sum(parts))))
        dimensions.append(str(parts))
    return f"[{', '.join(dimensions)}]"


class ArrayBuilder:
    """Draws the steps of one case.

    Parameters
    ----------
    choices : Choices
        Source of the random choices.
    zarr_format : {2, 3}
        Format of the array.
    """

    def __init__(self, choices: Choices, zarr_format: int) -> None:
        self.choices = choices
        self.zarr_format = zarr_format
        self.elements: Elements = draw_elements(choices)
        self.shape: Shape = draw_shape(choices)
        # Shape of the stored chunks (shards if the array has any), and of the chunks within shards.
        self.chunk: Shape = draw_chunk(choices, self.shape)
        self.inner: Shape = self.chunk
        self.regular = True
        self.config: dict[str, Any] = {}
        self.name: str | None = None
        # Expression for the `data` argument, and codecs.
        self.data: str | None = None
        self.chain = Chain()
        # At most one argument is invalid. If two arguments were invalid, one side might report the
        # first argument, and the other side the second argument.
        self.fault: str = ""
        if self.elements not in SPELLINGS:
            self.fault = choices.weighted(
                (
                    (83, ""),
                    (5, "codec"),
                    (4, "fill_value"),
                    (3, "chunks"),
                    (2, "shards"),
                    (2, "format"),
                    (1, "names"),
                )
            )
        self.steps: list[Step] = []

    def build(self) -> Case:
        """Draw all steps and return the case."""
        choices = self.choices
        self._create()
        self.steps.append({"op": "describe", "code": DESCRIPTIONS[0].format(a="a")})
        for _ in range(choices.between(1, 8)):
            self._step()
        if choices.chance(8):
            self._write_read_only()
        if choices.chance(4):
            self.steps.append(draw_failing_step(choices, "a"))
            self.steps.append({"op": "attributes", "code": "a.attrs.asdict()"})
        self._finish()
        return {
            "kind": f"array-v{self.zarr_format}",
            "config": self.config,
            "steps": self.steps,
            "elements": self.elements.kind,
            "fault": self.fault,
        }

    def _create(self) -> None:
        choices = self.choices
        if choices.chance(25):
            self.name = choices.pick(("x", "group/x", "deep/er/x"))
        if choices.chance(8):
            key, value = choices.pick(
                (
                    ("array.write_empty_chunks", True),
                    ("array.order", "F"),
                    ("codec_pipeline.batch_size", 1),
                    ("codec_pipeline.batch_size", 3),
                    ("async.concurrency", 1),
                    ("threading.max_workers", 1),
                    ("array.read_missing_chunks", False),
                )
            )
            self.config[key] = value
        creator = choices.weighted(
            ((64, "create_array"), (14, "create"), (12, "data"), (6, "array"), (4, "filled"))
        )
        if creator in ("create_array", "data"):
            code = self._create_array(creator == "data")
        else:
            code = self._create_legacy(creator)
        step: Step = {"op": "create", "code": f"a = {code}", "needed": True}
        if self.data is not None:
            step["assigned"] = self.data
        self.steps.append(step)

    def _create_array(self, from_data: bool) -> str:
        choices = self.choices
        arguments = ["store"]
        if self.name:
            arguments.append(f"name={self.name!r}")
        if from_data:
            self.data = draw_array(choices, self.elements, self.shape)
            arguments.append(f"data={self.data}")
        else:
            shape = self.shape[0] if len(self.shape) == 1 and choices.chance(10) else self.shape
            arguments += [f"shape={shape}", f"dtype={self.elements.dtype}"]
        sharded = False
        if self.zarr_format == 3 and choices.chance(5):
            self.config["array.rectilinear_chunks"] = True
            self.regular = False
            arguments.append(f"chunks={draw_rectilinear(choices, self.shape)}")
        else:
            sharded = self.fault == "shards" or (self.zarr_format == 3 and choices.chance(28))
            arguments += self._chunks(or_else=not sharded)
            if sharded:
                arguments.append(f"shards={self._shards()}")
        self._draw_chain(sharded)
        for parameter in ("filters", "serializer", "compressors"):
            code = getattr(self.chain, parameter)
            if code is not None:
                arguments.append(f"{parameter}={code}")
        return f"zarr.create_array({', '.join(arguments + self._options())})"

    def _draw_chain(self, sharded: bool) -> None:
        choices = self.choices
        if self.zarr_format == 3:
            self.chain = draw_chain_v3(choices, self.elements, self.inner, sharded)
        else:
            self.chain = draw_chain_v2(choices, self.elements)
        if self.fault == "fill_value":
            self.chain.filters = None  # Filters might reject even the default fill value.
        if self.fault == "codec":
            parameter, code = draw_bad_codec(choices, self.zarr_format)
            setattr(self.chain, parameter, code)

    def _chunks(self, *, or_else: bool) -> list[str]:
        """Draw the ``chunks`` argument: a shape, or sometimes another form if `or_else` is True."""
        choices = self.choices
        self.inner = self.chunk
        if self.fault == "chunks":
            self.regular = False
            bad = (
                "(0,)",
                str((*self.chunk, 2)),
                "[[1, 1], 2]",
                "True",
                "None",
                "()",
                "2.5",
                "'auto'",
                "'x'",
            )
            return [f"chunks={choices.pick(bad)}"]
        form = choices.weighted(
            ((82, "tuple"), (6, "list"), (4, "one"), (4, "omit"), (2, "whole"), (2, "false"))
        )
        if form == "tuple" or not or_else:
            return [f"chunks={self.chunk}"]
        if form == "list":
            return [f"chunks={list(self.chunk)}"]
        if form == "one":
            size = max(1, *self.chunk, *self.shape) if self.shape else 1
            self.chunk = (size,) * len(self.shape)
            return [f"chunks={size}"]
        if form == "whole":
            whole = [choices.chance(50) for _ in self.chunk]
            parts = tuple(
                -1 if taken else part for taken, part in zip(whole, self.chunk, strict=True)
            )
            self.chunk = tuple(
                max(1, n) if taken else part
                for taken, n, part in zip(whole, self.shape, self.chunk, strict=True)
            )
            return [f"chunks={parts}"]
        self.regular = False
        return ["chunks=False"] if form == "false" else []

    def _shards(self) -> str:
        """Draw the shape of shards, and use it as the shape of the stored chunks."""
        choices = self.choices
        shard = tuple(part * choices.pick((2, 1, 3)) for part in self.chunk)
        if self.fault == "shards":
            return choices.pick(("'auto'", str(tuple(part + 1 for part in shard)), "(3,)", "7"))
        self.chunk = shard
        if choices.chance(25):
            return f"{{'shape': {shard}, 'index_location': {choices.pick(('start', 'end'))!r}}}"
        return str(shard)

    def _options(self) -> list[str]:
        """Draw the arguments that do not depend on the codecs."""
        choices = self.choices
        options = []
        options += self._fill_value()
        if self.fault == "format":
            options.append(f"zarr_format={choices.pick(('4', '1', 'None'))}")
        elif self.zarr_format == 2:
            options.append("zarr_format=2")
        if choices.chance(30 if self.zarr_format == 2 else 5):
            options.append(f"order={choices.pick(('F', 'C'))!r}")
        if choices.chance(15):
            options.append(f"attributes={draw_attributes(choices)}")
        if choices.chance(20):
            options.append(f"chunk_key_encoding={self._key_encoding()}")
        if self.fault == "names" or (self.zarr_format == 3 and choices.chance(20)):
            names: list[str | None] = [choices.pick(("x", "y", None, "t", "")) for _ in self.shape]
            if self.fault == "names":
                names.append("more")
            options.append(f"dimension_names={names}")
        if choices.chance(12):
            settings = choices.pick(
                ("'write_empty_chunks': True", "'order': 'F'", "'write_empty_chunks': False")
            )
            options.append(f"config={{{settings}}}")
        return options

    def _fill_value(self) -> list[str]:
        """Draw the ``fill_value`` argument."""
        if self.fault == "fill_value":
            return [f"fill_value={draw_bad_fill_value(self.choices)}"]
        fill_value = draw_fill_value(self.choices, self.elements)
        return [] if fill_value is None else [f"fill_value={fill_value}"]

    def _key_encoding(self) -> str:
        separator = self.choices.pick(("/", "."))
        name = "v2" if self.zarr_format == 2 or self.choices.chance(40) else "default"
        if self.choices.chance(30):
            return f"{{'name': {name!r}, 'configuration': {{'separator': {separator!r}}}}}"
        return f"{{'name': {name!r}, 'separator': {separator!r}}}"

    def _create_legacy(self, creator: str) -> str:
        choices = self.choices
        arguments = []
        if creator == "array":
            self.data = draw_array(choices, self.elements, self.shape)
            arguments.append(self.data)
        else:
            arguments.append(str(self.shape))
            if creator == "full":
                arguments.append(draw_value(choices, self.elements))
            arguments.append(f"dtype={self.elements.dtype}")
        arguments.append("store=store")
        if self.name:
            arguments.append(f"path={self.name!r}")
        arguments += self._chunks(or_else=True)
        self._draw_chain(sharded=False)
        arguments.append(f"zarr_format={self.zarr_format}")
        if self.zarr_format == 2:
            if self.chain.filters is not None:
                arguments.append(f"filters={self.chain.filters}")
            if self.chain.compressors is not None:
                arguments.append(f"compressor={self.chain.compressors}")
            if choices.chance(25):
                arguments.append(f"order={choices.pick(('F', 'C'))!r}")
            if choices.chance(25):
                arguments.append(f"dimension_separator={choices.pick(('/', '.'))!r}")
        else:
            codecs = [self.chain.serializer or default_serializer(self.elements)]
            if self.chain.filters is not None and not self.chain.filters.startswith("["):
                codecs.insert(0, self.chain.filters)
            if self.chain.compressors is not None and not self.chain.compressors.startswith(
                ("[", "None", "()")
            ):
                codecs.append(self.chain.compressors)
            if choices.chance(60):
                arguments.append(f"codecs=[{', '.join(codecs)}]")
        if creator in ("create", "array"):
            arguments += self._fill_value()
            if choices.chance(10):
                arguments.append(f"attributes={draw_attributes(choices)}")
        function = (
            creator if creator != "filled" else choices.pick(("zeros", "ones", "empty", "full"))
        )
        if function == "full":
            arguments.append(f"fill_value={draw_value(choices, self.elements)}")
        return f"zarr.{function}({', '.join(arguments)})"

    def _step(self) -> None:
        choices = self.choices
        kind = choices.weighted(
            (
                (34, "write"),
                (36, "read"),
                (7, "describe"),
                (6, "resize"),
                (4, "append"),
                (6, "attributes"),
                (4, "reopen"),
                (3, "copy"),
            )
        )
        if kind == "attributes":
            self.steps.append(draw_attribute_step(choices, "a"))
        elif kind == "describe":
            self.steps.append({"op": "describe", "code": choices.pick(DESCRIPTIONS).format(a="a")})
        else:
            getattr(self, f"_{kind}")()

    def _fields(self, selection: Selection) -> str | None:
        """Draw the field or fields to which a selection is restricted; None for all fields."""
        if self.elements.fields and selection.code == "'a'":
            return "()"  # The selection is already the name of a field.
        if not self.elements.fields or not self.choices.chance(12):
            return None
        if self.choices.chance(40):
            return str(list(self.elements.fields[:2]))
        return repr(self.choices.pick(self.elements.fields))

    def _selection(self) -> Selection:
        selection = draw_selection(self.choices, self.shape, self.chunk)
        if selection.via == "blocks" and not self.regular:
            return replace(selection, shape=None)
        return selection

    def _read(self) -> None:
        choices = self.choices
        selection = self._selection()
        fields = self._fields(selection)
        step: Step = {"op": "read", "via": selection.via} | _oracle(selection, fields)
        if selection.via in METHODS and choices.chance(15):
            further = f", fields={fields}" if fields not in (None, "()") else ""
            step["code"] = f"a.get_{METHODS[selection.via]}(np.s_[{selection.code}]{further})"
        else:
            step["code"] = _brackets(selection, fields)
        self.steps.append(step)

    def _write(self) -> None:
        choices = self.choices
        selection = self._selection()
        fields = self._fields(selection)
        elements = self.elements
        if fields is not None and choices.chance(60):
            elements = Elements("", "integer", "'i4'", ("0", "1", "2", "3"))
        step: Step = {"op": "write", "via": selection.via} | _oracle(selection, fields)
        shape = selection.shape
        form = choices.weighted(
            ((62, "exact"), (26, "scalar"), (4, "broadcast"), (3, "other"), (3, "list"), (2, "odd"))
        )
        if shape is None or form == "scalar":
            value = draw_value(choices, elements)
            if elements.kind == "struct":
                value = f"np.array({value}, dtype={elements.numpy})"
            step["value"] = []
        elif form == "odd":
            value = choices.pick(("None", "'x'", "1.5", "[1, [2]]", "3", "np.zeros(2, 'c8')", "{}"))
            if value.startswith("np.zeros"):
                step["value"] = [2]
        else:
            value_shape = _value_shape(choices, shape, form)
            value = draw_array(choices, elements, value_shape)
            if form == "list" and 0 not in value_shape and elements.kind != "struct":
                value += ".tolist()"
            step["value"] = list(value_shape)
        if shape is not None:
            step["selected"] = list(shape)
        if selection.repeats:
            step["repeats"] = True
        step["assigned"] = value
        if selection.via in METHODS and choices.chance(15):
            further = f", fields={fields}" if fields not in (None, "()") else ""
            method = f"a.set_{METHODS[selection.via]}"
            step["code"] = f"{method}(np.s_[{selection.code}], {value}{further})"
        else:
            step["code"] = f"{_brackets(selection, fields)} = {value}"
        self.steps.append(step)
        if choices.chance(50):
            self.steps.append({"op": "read", "via": "basic", "code": "a[...]"})

    def _resize(self) -> None:
        choices = self.choices
        if choices.chance(6):
            code = choices.pick(("()", "(-1,)", "(2, 2, 2, 2, 2)", "'3'", "2.5", "None"))
            self.steps.append({"op": "resize", "code": f"a.resize({code})"})
            return
        shape = tuple(max(0, length + choices.between(-5, 4)) for length in self.shape)
        code = str(shape[0]) if len(shape) == 1 and choices.chance(30) else str(shape)
        self.shape = shape
        self.steps.append({"op": "resize", "code": f"a.resize({code})"})

    def _append(self) -> None:
        choices = self.choices
        axis = choices.below(len(self.shape)) if self.shape else 0
        added = list(self.shape)
        if self.shape:
            added[axis] = choices.between(0, 4)
        step: Step = {"op": "append", "ndim": len(self.shape)}
        if choices.chance(8):
            axis = choices.pick((len(self.shape), -1, 7))
        elif choices.chance(5) and len(added) > 1:
            added[axis - 1] += 1
        elif self.shape:
            self.shape = tuple(n + added[axis] * (k == axis) for k, n in enumerate(self.shape))
        step["axis"] = axis
        data = draw_array(choices, self.elements, tuple(added))
        step["assigned"] = data
        step["code"] = f"a.append({data}{f', axis={axis}' if axis or choices.chance(30) else ''})"
        self.steps.append(step)

    def _open(self, mode: str, function: str = "open_array") -> str:
        path = f", path={self.name!r}" if self.name else ""
        return f"zarr.{function}(store{path}, mode={mode!r})"

    def _reopen(self) -> None:
        choices = self.choices
        mode, function = choices.pick(("r+", "a")), choices.pick(("open_array", "open"))
        self.steps.append({"op": "open", "code": f"a = {self._open(mode, function)}"})

    def _write_read_only(self) -> None:
        """Open the array as read-only, and try to change it."""
        self.steps.append({"op": "open", "code": f"a = {self._open('r')}", "read_only": True})
        self.choices.pick((self._write, self._resize, self._append))()

    def _copy(self) -> None:
        choices = self.choices
        path = choices.pick(("copy", "x/copy", "copies/one"))
        options = [f"name={path!r}", "overwrite=True"]
        further = (
            f"zarr_format={choices.pick((3, 2))}",
            f"chunks={draw_chunk(choices, self.shape)}",
            "compressors=None",
            "shards=None",
            "filters='auto'",
            "serializer='auto'",
            f"fill_value={draw_value(choices, self.elements)}",
            "write_data=False",
        )
        options += [option for option in further if choices.chance(22)]
        copy = f"zarr.from_array(store, data=a, {', '.join(options)})"
        self.steps.append({"op": "copy", "code": f"copy = {copy}", "path": path})
        self.steps.append(
            {"op": "read", "via": "basic", "code": "[copy.metadata.to_dict(), copy[...]]"}
        )

    def _finish(self) -> None:
        opened = self._open("r")
        self.steps.append({"op": "read", "via": "basic", "code": f"{opened}[...]", "final": True})
        self.steps.append({"op": "describe", "code": f"{opened}.metadata.to_dict()", "final": True})


def _accessor(selection: Selection) -> str:
    return {"mask": ".vindex", "basic": "", "fancy": ""}.get(selection.via, f".{selection.via}")


def _brackets(selection: Selection, fields: str | None) -> str:
    """Return the expression for a selection of the array; None in `fields` means all fields."""
    named = "" if fields in (None, "()") else f"{str(fields).strip('[]')}, "
    code = f"{named}{selection.code}"
    return f"a{_accessor(selection)}[{code}]"


def _oracle(selection: Selection, fields: str | None) -> Step:
    """Return entries of a step: expressions for the selection (``place``) and its `fields`."""
    if fields is None:
        return {"place": f"{_accessor(selection)}[{selection.code}]"}
    if fields == "()":
        return {"place": "[...]", "fields": selection.code}
    return {"place": f"{_accessor(selection)}[{selection.code}]", "fields": fields}


def _value_shape(choices: Choices, shape: Shape, form: str) -> Shape:
    """Draw the shape of a value that is assigned to a selection with a given shape."""
    if form in ("exact", "list") or not shape:
        return shape
    if form == "broadcast":
        if choices.chance(50):
            return shape[choices.between(1, len(shape)) :]
        return tuple(1 if choices.chance(60) else length for length in shape)
    kind = choices.pick(("larger", "smaller", "more"))
    if kind == "more":
        return (1, *shape)
    axis, change = choices.below(len(shape)), 1 if kind == "larger" else -1
    return tuple(max(0, n + change * (k == axis)) for k, n in enumerate(shape))

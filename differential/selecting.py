"""Selections, as Python expressions, with the shape of the selected elements."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from differential.choices import Choices
from differential.elements import Shape

# A part of a selection: its expression, and the lengths of its dimensions in the result.
_Part = tuple[str, Shape]


@dataclass(frozen=True)
class Selection:
    """A selection.

    Parameters
    ----------
    via : str
        Way of indexing: ``basic``, ``fancy`` (lists and arrays in plain brackets),
        ``oindex``, ``vindex``, ``mask`` or ``blocks``.
    code : str
        Expression between the brackets.
    shape : tuple of int or None
        Shape of the selected elements; None if it is unknown, for example for an invalid
        selection.
    repeats : bool
        Whether any element is selected more than once.
    """

    via: str
    code: str
    shape: Shape | None
    repeats: bool = False


def _slice(choices: Choices, length: int, steps: tuple[int, ...]) -> _Part:
    """Draw a slice, whose bounds may be outside the dimension."""

    def bound() -> int:
        if choices.chance(20):
            return choices.between(-length - 2, length + 3)
        return choices.below(length + 1)

    start = bound() if choices.chance(60) else None
    stop = bound() if choices.chance(60) else None
    if start is not None and stop is not None and 0 <= stop < start and choices.chance(80):
        start, stop = stop, start
    step = choices.pick(steps)
    item = slice(start, stop, None if step == 1 else step)
    code = f"{'' if start is None else start}:{'' if stop is None else stop}"
    selected = len(range(*item.indices(length)))
    return (code if step == 1 else f"{code}:{step}"), (selected,)


def _integer(choices: Choices, length: int) -> _Part:
    value = choices.between(-length, length - 1) if choices.chance(30) else choices.below(length)
    return (f"np.int64({value})" if choices.chance(10) else str(value)), ()


def _joined(parts: list[_Part], rest: Shape = ()) -> tuple[str, Shape]:
    """Join parts into one index; `rest` contains the lengths of dimensions without a part."""
    code = ", ".join(code for code, _ in parts)
    return code or "()", sum((shape for _, shape in parts), ()) + rest


def _basic_parts(choices: Choices, shape: Shape, steps: tuple[int, ...]) -> list[_Part]:
    return [
        _integer(choices, length)
        if length and choices.chance(25)
        else _slice(choices, length, steps)
        for length in shape
    ]


def _shortened(choices: Choices, parts: list[_Part], shape: Shape) -> tuple[str, Shape]:
    """Join parts; sometimes omit the last parts, or replace adjacent parts by an ellipsis."""
    form = choices.weighted(((70, "all"), (15, "ellipsis"), (15, "start")))
    if form == "ellipsis":
        first = choices.below(len(parts) + 1)
        last = choices.between(first, len(parts))
        return _joined([*parts[:first], ("...", shape[first:last]), *parts[last:]])
    if form == "start":
        last = choices.below(len(parts) + 1)
        return _joined(parts[:last], shape[last:])
    return _joined(parts)


def draw_basic(choices: Choices, shape: Shape) -> Selection:
    """Draw slices and integers."""
    parts = _basic_parts(choices, shape, (1, 1, 1, 2, 3))
    return Selection("basic", *_shortened(choices, parts, shape))


def _listed(choices: Choices, values: list[int]) -> str:
    form = choices.weighted(((60, "list"), (30, "array"), (10, "typed")))
    if form == "list" and values:
        return str(values)
    dtype = "'i8'" if form != "typed" else "'u1'" if min(values, default=0) >= 0 else "'i2'"
    return f"np.array({values}, dtype={dtype})"


def _coordinates(choices: Choices, length: int, count: int) -> list[int]:
    """Draw positions in a dimension: ascending, in any order, repeated or negative."""
    values = [choices.below(length) for _ in range(count)]
    form = choices.weighted(((45, "ascending"), (30, "any"), (25, "negative")))
    if form == "ascending":
        return sorted(set(values))
    if form == "negative":
        return [value - length if choices.chance(50) else value for value in values]
    return values


def _truths(choices: Choices, count: int) -> list[bool]:
    kind = choices.weighted(((80, "some"), (10, "none"), (10, "all")))
    return [choices.chance(50) if kind == "some" else kind == "all" for _ in range(count)]


def draw_oindex(choices: Choices, shape: Shape) -> Selection:
    """Draw one index per dimension: a slice, an integer, an integer array or a boolean array."""
    parts: list[_Part] = []
    repeats = False
    for length in shape:
        kind = choices.weighted(((30, "list"), (30, "slice"), (20, "integer"), (20, "truths")))
        if kind == "slice" or not length:
            parts.append(_slice(choices, length, (1, 1, 2)))
        elif kind == "integer":
            parts.append(_integer(choices, length))
        elif kind == "truths":
            truths = _truths(choices, length)
            code = str(truths) if choices.chance(40) else f"np.array({truths})"
            parts.append((code, (sum(truths),)))
        else:
            values = _coordinates(choices, length, choices.between(1, 4))
            repeats |= len({value % length for value in values}) < len(values)
            parts.append((_listed(choices, values), (len(values),)))
    return Selection("oindex", *_shortened(choices, parts, shape), repeats)


def draw_vindex(choices: Choices, shape: Shape) -> Selection:
    """Draw one array of positions per dimension; together they give coordinates."""
    if not shape or 0 in shape:
        return Selection("vindex", "()", None)
    form = choices.weighted(((60, "flat"), (20, "square"), (20, "broadcast")))
    count = choices.between(1, 5)
    codes, positions = [], []
    for axis, length in enumerate(shape):
        if form == "flat":
            if choices.chance(10):
                drawn: Any = choices.below(length)
            else:
                drawn = [choices.between(-length, length - 1) for _ in range(count)]
        elif form == "square":
            drawn = [[choices.below(length) for _ in range(count)] for _ in range(2)]
        else:
            row = [choices.below(length) for _ in range(count if axis % 2 else 2)]
            drawn = [row] if axis % 2 else [[value] for value in row]
        flat_list = isinstance(drawn, list) and isinstance(drawn[0], int)
        codes.append(_listed(choices, drawn) if flat_list else str(drawn))
        positions.append(np.asarray(drawn) % length)
    together = np.broadcast_arrays(*positions)
    distinct = set(zip(*(axis.ravel().tolist() for axis in together), strict=True))
    selected = together[0].shape or None
    repeats = len(distinct) < together[0].size
    return Selection("vindex", ", ".join(codes), selected, repeats)


def draw_mask(choices: Choices, shape: Shape) -> Selection:
    """Draw a boolean array with the shape of the array."""
    size = math.prod(shape)
    if size <= 24:
        truths = _truths(choices, size)
    else:
        period, phase = choices.pick((2, 3, 7, 50)), choices.below(7)
        truths = [number % period == phase % period for number in range(size)]
    code = f"np.array({truths}, dtype=bool).reshape({shape})"
    return Selection("mask", code, (sum(truths),))


def draw_blocks(choices: Choices, shape: Shape, chunk: Shape) -> Selection:
    """Draw slices and integers in units of chunks."""
    parts: list[_Part] = []
    for length, part in zip(shape, chunk, strict=True):
        number = math.ceil(length / part) if part else 0
        if number and choices.chance(50):
            block = choices.below(number)
            code = str(block - number if choices.chance(20) else block)
            parts.append((code, (min(length, (block + 1) * part) - block * part,)))
        else:
            first = choices.below(max(number, 1))
            last = choices.between(first if choices.chance(8) else first + 1, number)
            code = f"{first}:{last}" if choices.chance(70) else ":"
            if code == ":":
                first, last = 0, number
            parts.append((code, (max(0, min(length, last * part) - first * part),)))
    return Selection("blocks", *_joined(parts))


def draw_fancy(choices: Choices, shape: Shape) -> Selection:
    """Draw lists, integer arrays and boolean arrays in plain brackets, possibly with slices."""
    other = choices.pick((draw_vindex, draw_oindex, draw_mask))(choices, shape)
    # The shape depends on the combination of indices, and is not computed here.
    return Selection("fancy", other.code, None, other.repeats)


def draw_odd(choices: Choices, shape: Shape) -> Selection:
    """Draw a selection that is invalid or unusual."""
    via = choices.pick(("basic", "oindex", "vindex", "blocks", "mask", "fancy"))
    length = shape[0] if shape else 0
    code = choices.pick(
        (
            str(length),
            str(-length - 1),
            "::-1",
            "::0",
            "1.0",
            "None",
            ", ".join(["0"] * (len(shape) + 1)),
            "..., ...",
            "'a'",
            f"[{length}]",
            "[0, -100]",
            "[]",
            "[[0, 0], [0, 0]]",
            "[0.5]",
            f"np.ones({length + 1}, dtype=bool)",
            "np.array([True])",
            "True",
            "slice(0, 1), [0]",
            "[0], slice(None)",
            "slice('a', 'b')",
            f"slice({length}, 0)",
            "np.array(0)",
            "np.array([0, 0])",
            "{}",
        )
    )
    return Selection(via, code, None)


def draw_selection(choices: Choices, shape: Shape, chunk: Shape) -> Selection:
    """Draw a selection of an array.

    Parameters
    ----------
    choices : Choices
        Source of the random choices.
    shape, chunk : tuple of int
        Shapes of the array and of its chunks, in elements.
    """
    kind = choices.weighted(
        (
            (36, "basic"),
            (16, "oindex"),
            (12, "vindex"),
            (10, "mask"),
            (9, "blocks"),
            (9, "fancy"),
            (8, "odd"),
        )
    )
    if kind == "basic":
        return draw_basic(choices, shape)
    if kind == "oindex":
        return draw_oindex(choices, shape)
    if kind == "vindex":
        return draw_vindex(choices, shape)
    if kind == "mask" and (shape or choices.chance(10)):
        return draw_mask(choices, shape)
    if kind in ("blocks", "mask") and (0 not in shape or choices.chance(10)):
        return draw_blocks(choices, shape, chunk)
    if kind in ("blocks", "mask"):
        return draw_basic(choices, shape)
    if kind == "fancy":
        return draw_fancy(choices, shape)
    return draw_odd(choices, shape)

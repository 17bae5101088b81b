"""Data types and their values, as Python expressions."""

from __future__ import annotations

from dataclasses import dataclass

from differential.choices import Choices

Shape = tuple[int, ...]


@dataclass(frozen=True)
class Elements:
    """A data type, and some of its values.

    Parameters
    ----------
    dtype : str
        Expression for the ``dtype`` of a zarr array.
    kind : str
        Kind that decides which codecs fit: ``integer``, ``float``, ``complex``, ``bool``, ``time``,
        ``fixed`` (bytes, text and raw of a fixed length), ``text``, ``bytes`` (of any length) or
        ``struct``.
    numpy : str
        Expression for the data type of a numpy array that contains such elements.
    values : tuple of str
        Expressions for elements; the first is the default fill value.
    fields : tuple of str
        Names of the fields of a structured type.
    """

    dtype: str
    kind: str
    numpy: str
    values: tuple[str, ...]
    fields: tuple[str, ...] = ()


def _integers() -> list[Elements]:
    found = []
    for size in (1, 2, 4, 8):
        for letter in "iu":
            bits = 8 * size
            low, high = (
                (0, 2**bits - 1) if letter == "u" else (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)
            )
            values = ("0", "1", "2", "7", "100", "3", str(high), str(low), "42", "5", str(high - 1))
            for order in ("<",) if size == 1 else ("<", ">"):
                code = repr(f"{order if size > 1 else ''}{letter}{size}")
                found.append(Elements(code, "integer", code, values))
    return found


def _floats() -> list[Elements]:
    values = (
        "0.0",
        "1.5",
        "np.nan",
        "-0.0",
        "np.inf",
        "-2.25",
        "0.1",
        "-np.inf",
        "1000.0",
        "3.5",
        "7.0",
    )
    return [
        Elements(repr(order + code), "float", repr(order + code), values)
        for code in ("f8", "f4", "f2")
        for order in "<>"
    ]


def _complex() -> list[Elements]:
    values = ("0j", "1+2j", "complex(np.nan, 1)", "-1.5j", "complex(np.inf, -0.0)", "3.25+0j")
    return [Elements(repr(code), "complex", repr(code), values) for code in ("<c16", "<c8", ">c8")]


def _times() -> list[Elements]:
    numbers = ("'NaT'", "0", "1", "-5", "100", "12345", "365")
    codes = ("<M8[s]", "<m8[ns]", "<M8[ns]", ">M8[D]", "<M8[10us]", "<m8[h]", ">m8[25ms]", "<M8")
    return [
        Elements(
            repr(code),
            "time",
            repr(code),
            tuple(
                f"np.{'datetime' if 'M' in code else 'timedelta'}64({n}{unit(code)})"
                for n in numbers
            ),
        )
        for code in codes
    ]


def unit(code: str) -> str:
    """Return a comma and the quoted unit of a time type, as in ``, 's'``; else an empty string."""
    return f", {code[code.index('[') + 1 : -1]!r}" if "[" in code else ""


def _fixed() -> list[Elements]:
    text = ("''", "'a'", "'bc'", "'é'", "'xyz'", "'日本'")
    octets = ("b''", "b'a'", "b'bc'", "b'\\xff'", "b'xyz'", "b'\\x00q'")
    raw = ("b'\\x00\\x00\\x00'", "b'abc'", "b'\\xff\\x00\\x01'", "b'a\\x00\\x00'")
    return [
        Elements("'S3'", "fixed", "'S3'", octets),
        Elements("'<U3'", "fixed", "'<U3'", text),
        Elements("'>U3'", "fixed", "'>U3'", text),
        Elements("'V3'", "fixed", "'V3'", raw),
    ]


_TEXT = ("''", "'a'", "'hello'", "'é'", "'日本語'", "'a longer piece of text'", "'\\x00'")
_BYTES = ("b''", "b'a'", "b'\\x00\\xff'", "b'hello'", "b'a longer piece of data'")
_PAIR = "[('a', '<i4'), ('b', '<f8')]"
_TRIPLE = "[('n', '>i2'), ('s', 'S2'), ('t', '<f4')]"
_NESTED = "[('x', 'u1'), ('in', [('y', '<i2'), ('z', '<c8')])]"
_MIXED = "[('w', '<U2'), ('k', '?'), ('d', '<M8[s]')]"

PLAIN = (
    *_integers(),
    *_floats(),
    *_complex(),
    Elements("'bool'", "bool", "'bool'", ("False", "True", "True")),
)
OTHER = (
    *_times(),
    *_fixed(),
    Elements("str", "text", "object", _TEXT),
    Elements("'string'", "text", "np.dtypes.StringDType()", _TEXT),
    Elements("np.dtypes.StringDType()", "text", "'<U24'", _TEXT),
    Elements("zarr.dtype.VariableLengthUTF8()", "text", "object", _TEXT),
    Elements("zarr.dtype.VariableLengthBytes()", "bytes", "object", _BYTES),
    Elements("'variable_length_bytes'", "bytes", "object", _BYTES),
    Elements(
        _PAIR, "struct", _PAIR, ("(0, 0.0)", "(1, 2.5)", "(-3, np.nan)", "(7, 1.0)"), ("a", "b")
    ),
    Elements(
        _TRIPLE,
        "struct",
        _TRIPLE,
        ("(0, b'', 0.0)", "(5, b'x', 1.5)", "(-300, b'yz', np.inf)"),
        ("n", "s", "t"),
    ),
    Elements(
        _NESTED,
        "struct",
        _NESTED,
        ("(0, (0, 0j))", "(9, (-2, 1j))", "(255, (300, 2+1j))"),
        ("x", "in"),
    ),
    Elements(
        _MIXED,
        "struct",
        _MIXED,
        ("('', False, 'NaT')", "('é', True, '2020-01-02')", "('ab', False, '1970-01-01')"),
        ("w", "k", "d"),
    ),
)
# Other spellings of data types, and invalid ones.
SPELLINGS = (
    Elements("int", "integer", "'<i8'", ("0", "1", "-4", "9")),
    Elements("float", "float", "'<f8'", ("0.0", "1.5", "np.nan")),
    Elements("'float32'", "float", "'<f4'", ("0.0", "1.5", "np.nan")),
    Elements("np.uint16", "integer", "'<u2'", ("0", "1", "65535", "9")),
    Elements("np.dtype('>f4')", "float", "'>f4'", ("0.0", "1.5", "-9.0")),
    Elements("zarr.dtype.Int32(endianness='big')", "integer", "'>i4'", ("0", "1", "-9")),
    Elements("zarr.dtype.RawBytes(length=2)", "fixed", "'V2'", ("b'\\x00\\x00'", "b'ab'")),
    Elements("'numpy.datetime64[s]'", "time", "'<M8[s]'", ("np.datetime64('NaT', 's')",)),
    Elements("complex", "complex", "'<c16'", ("0j", "1j")),
    Elements("bool", "bool", "'bool'", ("False", "True")),
    Elements("object", "text", "object", _TEXT),
    Elements("bytes", "fixed", "'S3'", ("b''", "b'ab'")),
    Elements("'i3'", "integer", "'<i4'", ("0", "1")),
    Elements("'f16'", "float", "'<f8'", ("0.0", "1.0")),
    Elements("[('a', '<i4', (2,))]", "struct", _PAIR, ("(0, 0.0)",)),
    Elements("None", "float", "'<f8'", ("0.0", "1.5")),
)


def draw_elements(choices: Choices) -> Elements:
    """Draw a data type."""
    return choices.pick(choices.weighted(((60, PLAIN), (36, OTHER), (4, SPELLINGS))))


def draw_value(choices: Choices, elements: Elements) -> str:
    """Draw one element."""
    return choices.pick(elements.values)


def draw_array(choices: Choices, elements: Elements, shape: Shape) -> str:
    """Draw an array: a short row of elements, repeated to fill the shape.

    In many of these arrays, almost all elements equal the default fill value. Some of their chunks
    are therefore not stored.
    """
    values = elements.values
    kind = choices.weighted(((60, "mixed"), (15, "default"), (25, "sparse")))
    if kind == "mixed":
        length = choices.pick((7, 5, 3, 11, 1))
        start, step = choices.below(len(values)), choices.pick((1, 2, 3))
        row = [values[(start + step * number) % len(values)] for number in range(length)]
    elif kind == "default":
        row = [values[0]]
    else:
        row = [values[0]] * choices.pick((12, 5, 30)) + [choices.pick(values)]
    return f"np.resize(np.array([{', '.join(row)}], dtype={elements.numpy}), {shape!r})"


def draw_fill_value(choices: Choices, elements: Elements) -> str | None:
    """Draw a fill value; None to omit the parameter."""
    kind = choices.weighted(((45, "omit"), (40, "value"), (8, "none"), (4, "scalar")))
    if kind == "omit":
        return None
    if kind == "none":
        return "None"
    value = draw_value(choices, elements)
    if elements.kind == "struct":
        return f"np.array({value}, dtype={elements.numpy})[()]"
    if kind == "scalar" and elements.kind not in ("text", "bytes"):
        return f"np.array([{value}], dtype={elements.numpy})[0]"
    return value


def draw_bad_fill_value(choices: Choices) -> str:
    """Draw a fill value that is invalid for many data types."""
    return choices.pick(
        (
            "0",
            "'NaN'",
            "1.5",
            "-1",
            "''",
            "b''",
            "'abc'",
            "[1, 2]",
            "True",
            "300",
            "1j",
            "2**70",
            "{}",
        )
    )

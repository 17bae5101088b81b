"""User attributes, as Python expressions."""

from __future__ import annotations

from differential.choices import Choices

_VALUES = (
    "1",
    "'text'",
    "[1, 2.5, None]",
    "{'nested': {'list': [True, 'é']}}",
    "None",
    "1.5",
    "True",
    "''",
    "float('nan')",
    "float('inf')",
    "2**70",
    "(1, 2)",
    "{}",
)
# Values that have no JSON form.
_ODD_VALUES = ("{1, 2}", "b'bytes'", "1j", "object", "np.float32(1.5)", "np.arange(2)")
_NAMES = ("a", "b", "long name", "ü", "_ARRAY_DIMENSIONS")


def draw_attributes(choices: Choices) -> str:
    """Draw a dictionary of attributes."""
    count = choices.below(4)
    items = [f"{choices.pick(_NAMES)!r}: {choices.pick(_VALUES)}" for _ in range(count)]
    return f"{{{', '.join(items)}}}"


def draw_attribute_step(choices: Choices, node: str) -> dict[str, object]:
    """Draw a step that writes or reads the attributes of an array or a group.

    Parameters
    ----------
    choices : Choices
        Source of the random choices.
    node : str
        Expression for the node.
    """
    name = repr(choices.pick(_NAMES))
    kind = choices.weighted(
        (
            (30, "set"),
            (10, "update"),
            (10, "put"),
            (10, "update_attributes"),
            (10, "delete"),
            (20, "read"),
            (5, "clear"),
        )
    )
    code = {
        "set": f"{node}.attrs[{name}] = {choices.pick(_VALUES)}",
        "update": f"{node}.attrs.update({draw_attributes(choices)})",
        "put": f"{node}.attrs.put({draw_attributes(choices)})",
        "update_attributes": f"{node} = {node}.update_attributes({draw_attributes(choices)})",
        "delete": f"del {node}.attrs[{name}]",
        "read": choices.pick(
            (
                f"{node}.attrs.asdict()",
                f"{node}.attrs[{name}]",
                f"{node}.attrs.get({name}, 5)",
                f"[len({node}.attrs), sorted({node}.attrs), {name} in {node}.attrs]",
                f"dict({node}.attrs)",
            )
        ),
        "clear": choices.pick(
            (
                f"{node}.attrs.clear()",
                f"{node}.attrs.setdefault({name}, 3)",
                f"{node}.attrs.pop({name})",
                f"{node}.attrs.refresh()",
            )
        ),
    }[kind]
    return {"op": "attributes", "code": code}


def draw_failing_step(choices: Choices, node: str) -> dict[str, object]:
    """Draw a step that sets an attribute to a value that has no JSON form.

    Parameters
    ----------
    choices : Choices
        Source of the random choices.
    node : str
        Expression for the node.
    """
    code = f"{node}.attrs[{choices.pick(_NAMES)!r}] = {choices.pick(_ODD_VALUES)}"
    return {"op": "attributes", "code": code, "odd": True}

"""Proofs: additional checks that a difference must pass to count as deliberate.

If the two sides store different data, or if one side fails, later steps of the case cannot be
compared. A proof runs the case again with changes, and checks one statement about the array:

- `reads_alike`: each side reads its own store and the store of the other side, and all four reads
  are equal.
- `as_numpy`: a step of this package has the same result as the same step in NumPy.
- `same_as`: for the case and for a changed case, this package gives the same elements or the same
  error. For the changed case, the peer must give the same elements or the same error. If this
  package gives elements, the peer may fail instead.
- `lost`: the released package cannot read the data that it stored.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from itertools import pairwise
from typing import Any, Protocol

from differential.compare import Answer, Difference, contents, same, same_outcome


class Run(Protocol):
    """Runs a case on a side, ``ours`` or ``peer``; returns None if the process failed."""

    def __call__(
        self, side: str, case: dict[str, Any], store: Mapping[str, str] | None = None
    ) -> list[Answer] | None: ...


Proof = Callable[[Difference, Run], bool]
MISSING = "array.read_missing_chunks"
# Lines that return the elements, independent of byte order and memory layout.
_ELEMENTS = (
    "x = np.asarray({a}[...])",
    "x if x.dtype.kind in 'OT' else np.ascontiguousarray(x).astype(x.dtype.newbyteorder('='))",
)


def _with(difference: Difference, lines: list[str], last: int) -> dict[str, Any]:
    """Return the case with only the steps before index `last`, followed by `lines`.

    The case ends if one of `lines` fails.
    """
    steps = [*difference.case["steps"][:last]]
    steps += [{"op": "proof", "code": line, "needed": True} for line in lines]
    config = difference.case["config"]
    if "raises" not in difference.ours:
        # A proof reads the whole array, including absent chunks.
        config = {name: value for name, value in config.items() if name != MISSING}
    return difference.case | {"steps": steps, "config": config}


def _last(case: Mapping[str, Any], answers: list[Answer] | None) -> Answer | None:
    """Return the answer to the last step; None if a step of the proof failed."""
    if answers is None or len(answers) != len(case["steps"]) or "result" not in answers[-1]:
        return None
    return answers[-1]


def reads_alike(difference: Difference, run: Run) -> bool:
    """Return whether all four reads are equal: each of the two sides reads both stores."""
    final = next(step for step in difference.case["steps"] if step.get("final"))
    if path := difference.step.get("path"):
        final = final | {"code": f"zarr.open_array(store, path={path!r}, mode='r')[...]"}
    case = difference.case | {"steps": [*difference.case["steps"][: difference.number + 1], final]}
    read = []
    for side, other in (("ours", "peer"), ("peer", "ours")):
        answers = run(side, case)
        if answers is None:
            return False
        read += [answers[-1], *(run(other, case, contents(answers)) or [])]
    return len(read) == 4 and "result" in read[0] and all(same_outcome(read[0], r) for r in read)


def as_numpy(difference: Difference, run: Run) -> bool:
    """Return whether a step has the same result in this package and in NumPy.

    A read or a write may raise an error in this package. The proof then succeeds if NumPy also
    raises an error, or if reading the whole array before the step raises the same error.

    To find the positions of the selected elements, the selection is read from an array that
    contains the numbers 0, 1, 2 and so on. For a write or an append, the elements that NumPy
    computes are written to a new array and read again. The elements on both sides of the comparison
    are then encoded and decoded.
    """
    case, step = difference.case, difference.step
    if step["op"] == "create" and "assigned" in step:
        both = ("a[...]", step["assigned"])
        pair = [f"np.asarray({each}).astype(a.dtype, order='C')" for each in both]
        lines = [f"[{', '.join(pair)}]"]
        return _equals(difference, lines, difference.number + 1, run)
    if step["op"] == "copy" and "write_data=False" not in step["code"]:
        # Convert to C order, because memory layouts are compared elsewhere.
        both = ("copy[...]", "a[...]")
        pair = [f"np.array({each}, order='C')" for each in both]
        return _equals(difference, [f"[{', '.join(pair)}]"], difference.number + 1, run)
    # If `before` is a single text, NumPy would choose a data type that truncates longer texts.
    lines = [
        "before = a[...]",
        "kept = a.dtype if a.dtype.kind in 'OT' else None",
        "expected = np.array(before, dtype=kept, order='C')",
    ]
    if step["op"] == "append":
        added = f"np.asarray({step['assigned']}).astype(a.dtype)"
        lines.append(f"expected = np.concatenate([before, {added}], axis={step['axis']})")
    elif "place" not in step:
        return False
    else:
        lines += [
            "positions = zarr.create_array({}, data=np.arange(a.size).reshape(a.shape)"
            f"{_chunks(difference)}){step['place']}",
            "flat = expected.reshape(-1)",
        ]
        fields = f"[{step['fields']}]" if "fields" in step else ""
        place = f"flat{fields}[positions, ...]"
        does = place if step["op"] == "read" else f"{place} = {step['assigned']}"
        if "raises" in difference.ours:
            tried = _with(difference, [*lines, does], difference.number)
            answers = run("ours", tried) or []
            # If the whole array cannot be read, the selection cannot be read either.
            unreadable = len(answers) == difference.number + 1
            refused = len(answers) == len(tried["steps"]) and "raises" in answers[-1]
            return refused or (unreadable and same_outcome(difference.ours, answers[-1]))
        if step["op"] == "read":
            lines += [
                f"result = np.asarray({step['code']}).copy()",
                # Convert to C order, because memory layouts are compared elsewhere.
                f"[result, np.asarray({place}).astype(result.dtype, order='C')]",
            ]
            return _equals(difference, lines, difference.number, run)
        lines.append(does)
    lines += [
        step["code"],
        "after = np.asarray(a[...])",
        "store = {}",
        case["steps"][0]["code"],
        "a.resize(expected.shape)",
        "a[...] = expected",
        # An array that was opened again has the byte order of the machine.
        "[after, np.asarray(a[...]).astype(after.dtype)]",
    ]
    return _equals(difference, lines, difference.number, run)


def _chunks(difference: Difference) -> str:
    """Return the ``chunks`` argument of the array; empty if the selection does not need it."""
    if difference.step["via"] != "blocks":
        return ""
    if "array.rectilinear_chunks" in difference.case["config"]:
        return ", chunks=[list(sizes) for sizes in a.write_chunk_sizes]"
    return ", chunks=a.shards or a.chunks"


def _equals(difference: Difference, lines: list[str], last: int, run: Run) -> bool:
    """Return whether the last of `lines` returns a list of two equal items.

    This package first runs the first `last` steps of the case. Then it runs `lines`.
    """
    tried = _with(difference, lines, last)
    answer = _last(tried, run("ours", tried))
    return answer is not None and same(*answer["result"])


def where_ours_returns(proof: Proof) -> Proof:
    """Return a proof that runs `proof` only for array cases whose step succeeds in this package.

    For all other cases, the returned proof succeeds.
    """

    def asked(difference: Difference, run: Run) -> bool:
        is_array = difference.case["kind"].startswith("array")
        return not is_array or "raises" in difference.ours or proof(difference, run)

    return asked


def in_form(change: Callable[[str], str], proof: Proof) -> Proof:
    """Return a proof that applies `proof` to a changed case.

    Parameters
    ----------
    change : callable
        Takes a line of the case, and returns the changed line.
    proof : callable
        Proof to apply to the changed case.
    """

    def proved(difference: Difference, run: Run) -> bool:
        return proof(replace(difference, case=_changed(difference.case, change, {})), run)

    return proved


def lost(difference: Difference, run: Run) -> bool:
    """Return whether the released package cannot read the data that it stored."""
    tried = _with(difference, ["a[...]"], difference.number + 1)
    answers = run("peer", tried) or []
    return len(answers) == len(tried["steps"]) and "raises" in answers[-1]


def same_as(change: Callable[[str], str], **config: object) -> Proof:
    """Return a proof that a case and a changed case give the same elements or the same error.

    Parameters
    ----------
    change : callable
        Takes a line of the case, and returns the changed line. The peer should support this line.
    **config : object
        Settings to change; ``__`` in a name stands for a dot.
    """
    settings = {name.replace("__", "."): value for name, value in config.items()}

    def proof(difference: Difference, run: Run) -> bool:
        number = difference.number
        if "raises" in difference.ours:
            here = _with(difference, [], number + 1)
            there = _changed(here, change, settings)
            both = [run(side, there) or [] for side in ("ours", "peer")]
            if any(len(answers) != number + 1 for answers in both):
                return False
            refused = [difference.ours, *(answers[-1] for answers in both)]
            return all(same_outcome(one, other) for one, other in pairwise(refused))
        array = "copy" if difference.step["op"] == "copy" else "a"
        lines = [line.format(a=array) for line in _ELEMENTS]
        here = _with(difference, lines, number + 1)
        there = _changed(here, change, settings)
        ours, plain = _last(here, run("ours", here)), _last(there, run("ours", there))
        peer = _last(there, run("peer", there))
        if ours is None or plain is None or not same(ours["result"], plain["result"]):
            return False
        return peer is None or same(ours["result"], peer["result"])

    return proof


def _changed(
    case: dict[str, Any], change: Callable[[str], str], settings: dict[str, object]
) -> dict[str, Any]:
    """Return a case with changed lines of code and changed settings."""
    steps = [step | {"code": change(step["code"])} for step in case["steps"]]
    return case | {"config": case["config"] | settings, "steps": steps}

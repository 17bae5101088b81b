"""Comparing the answers of the two sides."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

Answer = dict[str, Any]
METADATA = ("zarr.json", ".zarray", ".zattrs", ".zgroup", ".zmetadata")


@dataclass(frozen=True)
class Difference:
    """A difference in one step of a case.

    Parameters
    ----------
    case : dict
        The case.
    number : int
        Number of the step.
    what : str
        What differs: ``outcome`` (the result or the exception), ``stored`` (the values that the
        step wrote), ``other's store`` (the outcome of reading the store that the other side wrote)
        or ``process`` (a worker hung or died).
    ours, peer : dict
        Answers of the two sides to the step.
    keys : tuple of str
        Keys whose stored values differ; empty unless `what` is ``stored``.
    values : dict
        Stored values of these keys, as pairs: first the value that our side stored, then the value
        that the peer stored. A value is JSON or base64, or None if the key is absent.
    refuted : bool
        Whether the difference has an explanation whose proof failed.
    """

    case: dict[str, Any]
    number: int
    what: str
    ours: Answer
    peer: Answer
    keys: tuple[str, ...] = ()
    values: dict[str, tuple[Any, Any]] = field(default_factory=dict)
    refuted: bool = False

    @property
    def step(self) -> dict[str, Any]:
        """The step that differs."""
        step: dict[str, Any] = self.case["steps"][self.number]
        return step

    @property
    def kind(self) -> str:
        """Text by which the summary groups similar differences."""
        place = "/".join(str(self.step[name]) for name in ("op", "via") if name in self.step)
        told = f"ours {outcome(self.ours)}, released {outcome(self.peer)}"
        where = "not proved, " * self.refuted + self.case["kind"].split("-")[0]
        if self.what == "stored":
            documents = {"metadata" if is_metadata(key) else "chunks" for key in self.keys}
            return f"{where} {place}: stored {' and '.join(sorted(documents))} differ ({told})"
        return f"{where} {place}: {self.what}: {told}"


def outcome(answer: Answer) -> str:
    """Return the outcome of a step in one or two words."""
    if "fault" in answer:
        return str(answer["fault"])
    if "raises" in answer:
        return f"raises {answer['raises']}"
    return "returns"


def is_metadata(key: str) -> bool:
    """Return whether a key is that of a metadata document."""
    return key.rsplit("/", 1)[-1] in METADATA


def same(ours: Any, peer: Any) -> bool:
    """Return whether two encoded results are equal; any NaN equals any other NaN."""
    if ours == peer:
        return True
    if isinstance(ours, list) and isinstance(peer, list):
        return len(ours) == len(peer) and all(map(same, ours, peer))
    if isinstance(ours, dict) and isinstance(peer, dict) and ours.keys() == peer.keys():
        if "data" in ours:
            return _same_elements(ours, peer)
        return all(same(ours[key], peer[key]) for key in ours)
    return False


def _same_elements(ours: Answer, peer: Answer) -> bool:
    """Return whether two encoded arrays of fixed-size elements are equal."""
    if any(ours[key] != peer[key] for key in ours if key != "data"):
        return False
    return _equal(_decode(ours), _decode(peer))


def _decode(encoded: Answer) -> Any:
    descr = encoded["descr"]
    dtype = np.lib.format.descr_to_dtype(_tuples(descr) if isinstance(descr, list) else descr)
    return np.frombuffer(base64.b64decode(encoded["data"]), dtype=dtype)


def _tuples(descr: list[Any]) -> list[Any]:
    """Restore the tuples of a structured data type, which are lists in JSON."""
    return [
        tuple(
            _tuples(part) if place == 1 and isinstance(part, list) else part
            for place, part in enumerate(entry)
        )
        for entry in descr
    ]


def _equal(ours: Any, peer: Any) -> bool:
    if ours.dtype.names:
        return all(_equal(ours[name], peer[name]) for name in ours.dtype.names)
    if ours.dtype.kind not in "fc":
        return bool(ours.tobytes() == peer.tobytes())
    alike = np.ones(ours.shape, dtype=bool)
    for part in ("real", "imag") if ours.dtype.kind == "c" else ("real",):
        a, b = getattr(ours, part), getattr(peer, part)
        # The sign of a stored zero must be equal too.
        alike &= np.isnan(a) & np.isnan(b) | (a == b) & (np.signbit(a) == np.signbit(b))
    return bool(alike.all())


def same_outcome(ours: Answer, peer: Answer) -> bool:
    """Return whether two outcomes agree: equal results, or exceptions of matching classes.

    Two exceptions match if our exception is an instance of the peer's exception class. Classes are
    compared by name.
    """
    if "raises" in peer or "raises" in ours:
        return peer.get("raises") in ours.get("mro", ())
    return same(ours["result"], peer["result"])


def document(key: str, value: str | None) -> Any:
    """Return a stored value in the form for comparison: JSON for metadata, else base64."""
    if value is None or not is_metadata(key):
        return value
    return json.loads(base64.b64decode(value))


def _same_document(ours: Any, peer: Any) -> bool:
    # Compare JSON text: then NaN equals NaN, and 1 differs from 1.0 and from true.
    return json.dumps(ours, sort_keys=True) == json.dumps(peer, sort_keys=True)


@dataclass
class Comparison:
    """Counts, differences and final stores of one case."""

    comparisons: int = 0
    differences: list[Difference] = field(default_factory=list)
    ours: dict[str, str] = field(default_factory=dict)
    peer: dict[str, str] = field(default_factory=dict)
    ended_early: bool = False

    @property
    def must_swap(self) -> bool:
        """Whether each side has to read the store that the other side wrote.

        This is not necessary if both stores contain the same bytes, because each side has already
        read its own store. The result is also False if the comparison has ended early.
        """
        return not self.ended_early and self.ours != self.peer


def compare(
    case: dict[str, Any],
    ours: list[Answer],
    peer: list[Answer],
    is_explained: Callable[[Difference], bool],
) -> Comparison:
    """Compare the answers to a case, step by step.

    The comparison ends at the first unexplained difference. It also ends at the first step that
    stores different values, because these values can cause further differences in later steps.
    """
    found = Comparison()
    for number, (our, their) in enumerate(zip(ours, peer)):
        _apply(found.ours, our["stored"])
        _apply(found.peer, their["stored"])
        differences = []
        found.comparisons += 1
        if not same_outcome(our, their):
            differences.append(Difference(case, number, "outcome", our, their))
        values = {}
        for key in sorted({*our["stored"], *their["stored"]}):
            found.comparisons += 1
            a, b = (document(key, store.get(key)) for store in (found.ours, found.peer))
            if not _same_document(a, b):
                values[key] = (a, b)
        if values and not differences:
            differences.append(
                Difference(case, number, "stored", our, their, tuple(values), values)
            )
        found.differences += differences
        if values or not all(map(is_explained, differences)):
            found.ended_early = True
            break
    if len(ours) != len(peer):
        found.ended_early = True
    return found


def compare_swapped(
    case: dict[str, Any], own: list[Answer], swapped: list[Answer], side: str
) -> list[Difference]:
    """Compare the results of the two sides when both read a store that one side wrote.

    Parameters
    ----------
    case : dict
        The case.
    own, swapped : list of dict
        Answers to the final steps of the case. `own` contains the answers of the side that wrote
        the store, and `swapped` contains the answers of `side`.
    side : {"ours", "peer"}
        Side that read the store. The opposite side wrote it.
    """
    numbers = [number for number, step in enumerate(case["steps"]) if step.get("final")]
    differences = []
    for number, (a, b) in zip(numbers, zip(own, swapped)):
        ours, peer = (b, a) if side == "ours" else (a, b)
        if not same_outcome(ours, peer):
            differences.append(Difference(case, number, "other's store", ours, peer))
    return differences


def contents(answers: list[Answer]) -> dict[str, str]:
    """Return the final store of a side: a mapping from each key to its value in base64."""
    store: dict[str, str] = {}
    for answer in answers:
        _apply(store, answer["stored"])
    return store


def _apply(store: dict[str, str], written: Mapping[str, str | None]) -> None:
    for key, value in written.items():
        if value is None:
            store.pop(key, None)
        else:
            store[key] = value

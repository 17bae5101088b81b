"""Running cases on both sides, and collecting the differences."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import Any

from differential.cases import Case, draw_case, simplify, snippet
from differential.compare import Answer, Comparison, Difference, compare, compare_swapped
from differential.explained import explain
from differential.sides import Answers, Side, WorkerFault

BATCH = 50


@dataclass
class Report:
    """Number of cases, number of comparisons, and differences of a run so far."""

    cases: int = 0
    comparisons: int = 0
    explained: Counter[str] = field(default_factory=Counter)
    examples: dict[str, Difference] = field(default_factory=dict)
    unexplained: dict[str, list[Difference]] = field(default_factory=dict)

    def add(self, comparison: Comparison) -> None:
        """Add the comparison of a case."""
        self.cases += 1
        self.comparisons += comparison.comparisons
        for difference in comparison.differences:
            explanation = explain(difference)
            if explanation is None:
                self.unexplained.setdefault(difference.kind, []).append(difference)
            else:
                self.explained[explanation.name] += 1
                self.examples.setdefault(explanation.name, difference)


def attempt(side: Side, case: Case, store: Mapping[str, str] | None = None) -> Answers | str:
    """Run a case on one side; return its answers, or a message if the worker failed."""
    try:
        return side.run(case, store)
    except WorkerFault as fault:
        return str(fault)


def _told(answers: Answers | str) -> Answer:
    """Convert the outcome of a side to an answer; used if at least one worker failed."""
    return {"fault": answers} if isinstance(answers, str) else {"result": None}


class Pair:
    """Both sides, which run cases at the same time.

    Parameters
    ----------
    ours, peer : Side
        Sides to compare.
    """

    def __init__(self, ours: Side, peer: Side) -> None:
        self._ours, self._peer = ours, peer
        self._threads = ThreadPoolExecutor(2)

    def check(self, case: Case) -> Comparison:
        """Run and compare one case."""
        return next(self.check_all([case]))

    def check_all(self, cases: list[Case]) -> Iterator[Comparison]:
        """Run and compare cases."""
        yield from self.finish(cases, self.begin(cases))

    def begin(self, cases: list[Case]) -> list[Future[list[Answers | str]]]:
        """Start running cases on both sides."""

        def attempt_all(side: Side) -> list[Answers | str]:
            return [attempt(side, case) for case in cases]

        return [self._threads.submit(attempt_all, side) for side in (self._ours, self._peer)]

    def finish(
        self, cases: list[Case], begun: list[Future[list[Answers | str]]]
    ) -> Iterator[Comparison]:
        """Wait for the answers of both sides, and compare them."""
        ours, peer = (future.result() for future in begun)
        for case, our, their in zip(cases, ours, peer, strict=True):
            yield self._compare(case, our, their)

    def _compare(self, case: Case, ours: Answers | str, peer: Answers | str) -> Comparison:
        if isinstance(ours, str) or isinstance(peer, str):
            return Comparison(1, [Difference(case, 0, "process", _told(ours), _told(peer))])
        comparison = compare(case, ours, peer, lambda difference: explain(difference) is not None)
        comparison.differences = [self._prove(difference) for difference in comparison.differences]
        if comparison.must_swap:
            self._swap(case, ours, peer, comparison)
        return comparison

    def _prove(self, difference: Difference) -> Difference:
        """Mark a difference as refuted if the proof of its explanation fails."""
        explanation = explain(difference)
        if explanation is None or explanation.proof is None:
            return difference
        return replace(difference, refuted=not explanation.proof(difference, self._run))

    def _run(
        self, side: str, case: dict[str, Any], store: Mapping[str, str] | None = None
    ) -> Answers | None:
        answers = attempt(self._ours if side == "ours" else self._peer, case, store)
        return None if isinstance(answers, str) else answers

    def _swap(self, case: Case, ours: Answers, peer: Answers, comparison: Comparison) -> None:
        """Let each side read the store of the other side."""
        final = [number for number, step in enumerate(case["steps"]) if step.get("final")]
        for name, side, store, owner in (
            ("ours", self._ours, comparison.peer, peer),
            ("peer", self._peer, comparison.ours, ours),
        ):
            own = [owner[number] for number in final if number < len(owner)]
            swapped = attempt(side, case, store)
            if isinstance(swapped, str):
                told = (_told(swapped), _told([]))
                our, their = told if name == "ours" else told[::-1]
                comparison.differences.append(Difference(case, 0, "process", our, their))
                continue
            comparison.comparisons += len(own)
            comparison.differences += compare_swapped(case, own, swapped, name)

    def close(self) -> None:
        """End both processes."""
        self._threads.shutdown()
        self._ours.close()
        self._peer.close()


def run(
    pair: Pair,
    seed: int,
    count: int,
    first: int = 0,
    visit: Callable[[Report], None] = lambda _: None,
) -> Report:
    """Run cases `first` to `first + count - 1` of a seed; call `visit` after each batch."""
    report = Report()
    begun: list[Future[list[Answers | str]]] | None = None
    cases: list[Case] = []
    for start in range(first, first + count + BATCH, BATCH):
        # The next cases are drawn while the sides run the current ones.
        drawn = [draw_case(seed, n) for n in range(start, min(start + BATCH, first + count))]
        if begun is not None:
            for comparison in pair.finish(cases, begun):
                report.add(comparison)
            visit(report)
        cases, begun = drawn, pair.begin(drawn) if drawn else None
    return report


def shrink(pair: Pair, difference: Difference, seconds: float) -> Difference:
    """Simplify the case of a difference for at most about `seconds` seconds.

    Return a difference of the same kind, in the simplest case that was found.
    """
    best = difference
    deadline = time.monotonic() + seconds

    def shows(case: Case) -> bool:
        nonlocal best
        if time.monotonic() > deadline:
            raise _Enough
        for found in pair.check(case).differences:
            if found.kind == difference.kind and explain(found) is None:
                if len(snippet(case)) <= len(snippet(best.case)):
                    best = found
                return True
        return False

    try:
        simplify(difference.case, shows)
    except _Enough:
        pass
    return best


class _Enough(BaseException):
    """The time for shrinking is over; hypothesis does not catch this exception."""

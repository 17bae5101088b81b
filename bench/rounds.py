"""Running cases: each peer runs a case once per round, in an order that rotates."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from bench import datasets, formats, machine, scratch
from bench.cases import Case
from bench.servers import Counts, Servers
from bench.task import Task
from bench.workers import Worker, WorkerFault

PREPARE_SECONDS = 180.0
FEWEST_ROUNDS = 3
ROUNDS_IN_HASTE = 2
# Limit for cases with very many chunks. A case that would take longer is skipped; the estimate
# comes from the same case with fewer chunks.
LONGEST_SECONDS = 20.0
TOO_LONG = "would take about"


@dataclass
class Outcome:
    """Result of a case for one peer.

    Parameters
    ----------
    figures : list of float
        One figure for each round, in the unit of the case.
    counts : Counts or None
        Requests that the server answered for one run; None for a case without a server.
    missing : str or None
        Reason why the peer has no valid figures; None if the figures are valid.
    """

    figures: list[float] = field(default_factory=list)
    counts: Counts | None = None
    missing: str | None = None


Outcomes = dict[str, Outcome]


@dataclass
class Limits:
    """Limits on the time for measurements.

    Parameters
    ----------
    rounds : int
        Maximum number of rounds of a case.
    seconds : float
        Time limit of a case in seconds. After this time, a new round begins only if the case has
        had fewer than `FEWEST_ROUNDS` rounds. If the rounds of one peer have together taken this
        time, this peer takes no part in further rounds.
    fill : float
        Minimum seconds of a run; shorter operations are repeated.
    minutes : float
        Minutes planned for all cases. While the measurement is behind this plan, a case has at most
        `ROUNDS_IN_HASTE` rounds.
    """

    rounds: int = 7
    seconds: float = 8.0
    fill: float = 0.05
    minutes: float = 16.0


class Peers:
    """The workers of the peers; a worker that hung or died is restarted for the next case.

    Parameters
    ----------
    starters : mapping
        For the name of each peer, the function that starts the worker of this peer.
    """

    def __init__(self, starters: Mapping[str, Callable[[], Worker]]) -> None:
        self._starters = starters
        self._workers: dict[str, Worker] = {}
        self.versions: dict[str, dict[str, str]] = {}

    @property
    def names(self) -> tuple[str, ...]:
        """Names of all peers."""
        return tuple(self._starters)

    def worker(self, name: str) -> Worker:
        """Return the worker of a peer; start it if it is not running."""
        if name not in self._workers:
            self._workers[name] = self._starters[name]()
            self.versions[name] = self._workers[name].versions
        return self._workers[name]

    def lost(self, name: str) -> None:
        """Forget a worker that has ended."""
        worker = self._workers.pop(name, None)  # None if the worker failed to start
        if worker is not None:
            worker.close()

    def close(self) -> None:
        """End all workers."""
        while self._workers:
            self._workers.popitem()[1].close()


class Runner:
    """Runs cases.

    Parameters
    ----------
    peers : Peers
        Peers that run the cases.
    servers : Servers
        Servers that the cases read from.
    folder : Path
        Directory of the datasets and of the data that the cases write.
    limits : Limits
        Limits on the time for measurements.
    loops : list of float
        Before each round, the duration of the calibration loop in seconds is added to this list.
    """

    def __init__(
        self, peers: Peers, servers: Servers, folder: Path, limits: Limits, loops: list[float]
    ) -> None:
        self._peers = peers
        self._servers = servers
        self._folder = folder
        self._limits = limits
        self._slowest: dict[tuple[str, str], tuple[int, float]] = {}
        self._loops = loops

    def run(self, case: Case, *, in_haste: bool = False) -> Outcomes:
        """Run a case with every peer; check the results of each peer before the first round.

        With `in_haste` there are at most two rounds.
        """
        try:
            task = self._task(case)
        except ImportError as error:
            return {name: Outcome(missing=f"no server: {error}") for name in self._peers.names}
        outcomes: Outcomes = {}
        for name in self._peers.names:
            if case.peers is not None and name not in case.peers:
                continue
            outcomes[name] = Outcome(missing=self._prepare(case, task, name))
        ready = [name for name, outcome in outcomes.items() if outcome.missing is None]
        most = self._limits.rounds if case.rounds is None else min(case.rounds, self._limits.rounds)
        if in_haste:
            most = min(most, ROUNDS_IN_HASTE)
        spent = dict.fromkeys(ready, 0.0)
        until = time.monotonic() + self._limits.seconds
        for number in range(most):
            if not ready or (number >= FEWEST_ROUNDS and time.monotonic() > until):
                break
            self._loops.append(machine.calibrate())
            first = number % len(ready)
            for name in ready[first:] + ready[:first]:
                began = time.monotonic()
                self._round(case, name, outcomes[name])
                spent[name] += time.monotonic() - began
            ready = [
                name
                for name in ready
                if outcomes[name].missing is None and spent[name] < self._limits.seconds
            ]
        return outcomes

    def _task(self, case: Case) -> Task:
        options = dict(case.options)
        if formats.DOES in options:
            dataset = replace(case.dataset, zarr_format=2)
            twin = self._placed(replace(case, operation=options[formats.DOES], dataset=dataset))
            options[formats.TWIN] = twin.to_json()
        return self._placed(replace(case, options=options))

    def _placed(self, case: Case) -> Task:
        """Return the task of a case; write its dataset if needed, and fill in the locations."""
        folder = Path()
        does = case.options.get(formats.DOES, case.operation)
        is_stored = does not in ("import", "scale", "write") and case.transport != "memory"
        if is_stored:
            folder = datasets.make(case.dataset, self._folder / "data")
        url, options = self._servers.place(case, folder)
        return Task(
            case.operation,
            case.transport,
            case.dataset,
            folder=str(folder.resolve()) if is_stored else "",
            url=url,
            scratch=str((self._folder / scratch.NAME).resolve()),
            selection=case.selection,
            options={**case.options, **options},
        )

    def _prepare(self, case: Case, task: Task, name: str) -> str | None:
        """Let a peer prepare a case; return None, or the reason why the peer cannot run it."""
        expected = self._expected_seconds(case, name)
        if expected > LONGEST_SECONDS:
            return f"{TOO_LONG} {expected:.0f} s"
        try:
            answer = self._peers.worker(name).prepare(
                task, fill=self._limits.fill, timeout=PREPARE_SECONDS
            )
        except WorkerFault as fault:
            self._peers.lost(name)
            return str(fault)
        self._remember(case, name, answer)
        return told(answer)

    def _round(self, case: Case, name: str, outcome: Outcome) -> None:
        before = self._servers.counts(case)
        try:
            answer = self._peers.worker(name).run(PREPARE_SECONDS)
        except WorkerFault as fault:
            self._peers.lost(name)
            outcome.missing = str(fault)
            return
        outcome.missing = told(answer)
        if outcome.missing is None:
            outcome.figures.append(answer["figure"])
            after = self._servers.counts(case)
            if before is not None and after is not None:
                made, number = after - before, answer["number"]
                outcome.counts = Counts(made.requests // number, made.nbytes // number, made.peak)

    def _remember(self, case: Case, name: str, answer: Mapping[str, Any]) -> None:
        if "nchunks" in case.options and "seconds" in answer:
            known = case.options["kind"], name
            self._slowest[known] = case.options["nchunks"], answer["seconds"]

    def _expected_seconds(self, case: Case, name: str) -> float:
        if "nchunks" not in case.options:
            return 0.0
        nchunks, seconds = self._slowest.get((case.options["kind"], name), (1, 0.0))
        return float(seconds * case.options["nchunks"] / nchunks)


def told(answer: Mapping[str, Any]) -> str | None:
    """Return the reason why an answer has no figure; None if the answer contains no reason."""
    reason = answer.get("unsupported", answer.get("error"))
    return None if reason is None else str(reason)

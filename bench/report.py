"""The report of a comparison, and its stored form."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from bench import summary
from bench.cases import V2, Case
from bench.rounds import Outcome, Outcomes
from bench.servers import Counts

REFERENCE = "ours"


@dataclass(frozen=True)
class Result:
    """A case and its outcomes.

    Parameters
    ----------
    name, title, group, unit, nbytes, options
        See `bench.cases.Case`.
    outcomes : mapping
        Outcome of each peer, by name.
    """

    name: str
    title: str
    group: str
    unit: str
    nbytes: int
    options: Mapping[str, Any]
    outcomes: Outcomes

    @classmethod
    def of(cls, case: Case, outcomes: Outcomes) -> Result:
        """Return the result of a case."""
        return cls(
            case.name, case.title, case.group, case.unit, case.nbytes, case.options, outcomes
        )

    def figures(self, peer: str) -> list[float]:
        """Return the figures of a peer; an empty list if it has none."""
        outcome = self.outcomes.get(peer, Outcome())
        return outcome.figures if outcome.missing is None else []

    def ratio(self, peer: str, to: str = REFERENCE) -> float:
        """Return the median ratio of a peer's figures to those of the peer `to`; NaN if unknown."""
        return summary.ratio(self.figures(peer), self.figures(to))


@dataclass
class Report:
    """Results of all cases, with the machine and the peers.

    Parameters
    ----------
    machine : mapping
        See `bench.machine.describe`.
    noise : mapping
        ``iqr`` and ``range`` of the durations of the calibration loop, divided by their median;
        ``rounds``, the number of these durations; ``load``, the load of the machine before and
        after the run.
    sizes : str
        Which sizes the cases have: ``quick`` or ``full``.
    titles : mapping
        Description of each peer, by name, including the peers in `absent`.
    versions : mapping
        Versions of packages, by the name of the peer.
    absent : mapping
        Reasons why peers were not available, by name.
    results : list of Result
        Results of the cases.
    """

    machine: Mapping[str, Any]
    sizes: str
    titles: Mapping[str, str]
    noise: Mapping[str, Any] = field(default_factory=dict)
    versions: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    absent: Mapping[str, str] = field(default_factory=dict)
    results: list[Result] = field(default_factory=list)

    @property
    def peers(self) -> tuple[str, ...]:
        """Names of the peers that were available."""
        return tuple(name for name in self.titles if name not in self.absent)

    def group(self, *names: str) -> list[Result]:
        """Return the results of the cases of some groups."""
        return [result for result in self.results if result.group in names]

    def twins(self) -> list[tuple[Result, Result]]:
        """Return pairs of results for the same case, first in format 3 and then in format 2."""
        by_name = {result.name: result for result in self.results}
        return [
            (by_name[name.removesuffix(V2)], result)
            for name, result in by_name.items()
            if name.endswith(V2) and name.removesuffix(V2) in by_name
        ]

    def save(self, path: Path) -> None:
        """Write the report as JSON."""
        path.write_text(json.dumps(asdict(self), indent=1, allow_nan=False) + "\n")

    @classmethod
    def load(cls, path: Path) -> Report:
        """Read a report that `save` wrote."""
        data = json.loads(path.read_text())
        results = [
            Result(**{**stored, "outcomes": outcomes_of(stored["outcomes"])})
            for stored in data["results"]
        ]
        return cls(**{**data, "results": results})


def outcomes_of(stored: Mapping[str, Any]) -> Outcomes:
    """Return outcomes from their JSON form."""
    return {
        name: Outcome(
            outcome["figures"],
            None if outcome["counts"] is None else Counts(**outcome["counts"]),
            outcome["missing"],
        )
        for name, outcome in stored.items()
    }

"""Reading the outcome of each test from the JUnit XML reports of pytest."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from dataclasses import dataclass
from pathlib import Path

# From best to worst. A test that fails, and whose teardown fails too, is reported twice.
OUTCOMES = ("passed", "xfailed", "skipped", "failed", "error")


@dataclass(frozen=True)
class Outcome:
    """The outcome of a test.

    Parameters
    ----------
    what : str
        One of `OUTCOMES`.
    message : str
        First line of pytest's message; for a collection error, the last line of the error. Empty
        if the test passed.
    """

    what: str
    message: str = ""


PASSED = Outcome("passed")


def _outcome(case: ET.Element) -> Outcome:
    for kind, what in (("error", "error"), ("failure", "failed"), ("skipped", "skipped")):
        found = case.find(kind)
        if found is not None:
            message, text = found.get("message") or "", found.text or ""
            if message == "collection failure":  # this message gives no reason
                raised = re.findall(r"^E +(\S.*)", text, re.MULTILINE)
                message = raised[-1] if raised else message
            first = (message or text).strip().partition("\n")[0].strip()
            if what == "skipped" and found.get("type") == "pytest.xfail":
                what = "xfailed"
            return Outcome(what, first[:300])
    return PASSED


def _name(case: ET.Element) -> str:
    for told in case.iterfind("properties/property"):
        if told.get("name") == "nodeid":
            return told.get("value") or ""
    return "::".join(part for part in (case.get("classname"), case.get("name")) if part)


def parse(text: str) -> dict[str, Outcome]:
    """Return the outcomes of a report by node id.

    Memory addresses in node ids differ between runs and are removed; tests whose names become equal
    are numbered. If a test has several entries, the worst outcome counts.

    Raises
    ------
    xml.etree.ElementTree.ParseError
        If the report is incomplete.
    """
    found: dict[str, Outcome] = {}
    for case in ET.fromstring(text).iter("testcase"):
        name, outcome = _name(case), _outcome(case)
        worst = max(found.get(name, PASSED), outcome, key=lambda it: OUTCOMES.index(it.what))
        found[name] = worst
    told: dict[str, Outcome] = {}
    for name, outcome in found.items():
        plain = re.sub(r"\b0x[0-9a-fA-F]{6,}\b", "0x", name)
        number, unique = 1, plain
        while unique in told:
            number += 1
            unique = f"{plain} #{number}"
        told[unique] = outcome
    return told


def read(path: Path) -> dict[str, Outcome] | None:
    """Return the outcomes of a report; None if it is missing or incomplete."""
    try:
        return parse(path.read_text(encoding="utf-8"))
    except (OSError, ET.ParseError):
        return None

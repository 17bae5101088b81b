"""Reading the reports of pytest: JUnit XML to what became of each test."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from dataclasses import dataclass
from pathlib import Path

# From best to worst; a test that fails and then cannot be torn down is reported twice.
OUTCOMES = ("passed", "xfailed", "skipped", "failed", "error")


@dataclass(frozen=True)
class Outcome:
    """What became of a test.

    Parameters
    ----------
    what : str
        One of `OUTCOMES`.
    message : str
        The first line of what pytest says about it, or the last one of an error while it was
        collected; empty if it passed.
    """

    what: str
    message: str = ""


PASSED = Outcome("passed")


def _outcome(case: ET.Element) -> Outcome:
    for kind, what in (("error", "error"), ("failure", "failed"), ("skipped", "skipped")):
        found = case.find(kind)
        if found is not None:
            message, text = found.get("message") or "", found.text or ""
            if message == "collection failure":  # which tells nothing
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

    Addresses in node ids, which differ from run to run, are taken out; what is then of the same
    name is numbered. Of several entries of a test the worst one counts.

    Raises
    ------
    xml.etree.ElementTree.ParseError
        If the report is not whole.
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
    """Return the outcomes of a report, None if there is no whole one."""
    try:
        return parse(path.read_text(encoding="utf-8"))
    except (OSError, ET.ParseError):
        return None

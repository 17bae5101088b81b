"""The harness that compares with the released package; here ours is on both sides."""

from __future__ import annotations

import ast
import base64
import copy
import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from differential.__main__ import SOURCE, find_peer, parse
from differential.cases import PREAMBLE, draw_case, simplify, snippet
from differential.compare import Difference, compare, contents, same
from differential.explained import EXPLANATIONS, explain
from differential.proofs import as_numpy, lost, reads_alike, same_as
from differential.run import Pair, run
from differential.sides import Side, WorkerFault
from differential.worker import encode_array

SEED = 11
CREATED = "a = zarr.create_array(store, shape=(6,), chunks=(2,), dtype='<i4')"
FINAL = {"op": "read", "code": "zarr.open_array(store, mode='r')[...]", "final": True}


def start(timeout: float = 300.0) -> Side:
    return Side(sys.executable, str(SOURCE), timeout)


@pytest.fixture(scope="module")
def pair() -> Iterator[Pair]:
    both = Pair(start(), start())
    yield both
    both.close()


@pytest.fixture(scope="module")
def ours() -> Iterator[Side]:
    side = start()
    yield side
    side.close()


def make_case(*steps: dict[str, Any], **more: Any) -> dict[str, Any]:
    first = {"op": "create", "code": CREATED, "needed": True}
    case = {"seed": 0, "number": 0, "kind": "array-v3", "config": {}, "elements": "integer"}
    return case | {"steps": [first, *steps, FINAL]} | more


def make_difference(case: dict[str, Any], number: int, **more: Any) -> Difference:
    answers: dict[str, Any] = {"ours": {"result": None, "stored": {}}, "peer": {"result": None}}
    return Difference(case, number, **({"what": "stored"} | answers | more))


class TestCases:
    def test_a_seed_and_a_number_give_one_case(self) -> None:
        drawn = [draw_case(SEED, number) for number in range(15)]
        assert drawn == [draw_case(SEED, number) for number in range(15)]
        assert len({snippet(case) for case in drawn}) == 15
        assert drawn != [draw_case(SEED + 1, number) | {"seed": SEED} for number in range(15)]

    def test_every_case_is_a_program_of_one_statement_a_step(self) -> None:
        for number in range(100):
            case = draw_case(SEED, number)
            for step in case["steps"]:
                assert ast.parse(step["code"]).body
            ast.parse(snippet(case))
            assert any(step.get("final") for step in case["steps"])

    def test_a_snippet_ends_with_the_step_that_is_asked_for(self) -> None:
        case = draw_case(SEED, 0)
        lines = snippet(case, 0).splitlines()
        assert lines[-1] == case["steps"][0]["code"]
        assert set(PREAMBLE) <= set(lines)

    def test_a_case_is_made_simpler_as_long_as_it_shows_what_it_did(self) -> None:
        case = next(
            drawn
            for number in range(100)
            if (drawn := draw_case(SEED, number))["kind"] == "array-v3" and len(drawn["steps"]) > 8
        )
        shown: list[dict[str, Any]] = []

        def shows(tried: dict[str, Any]) -> bool:
            found = any(step["op"] == "write" for step in tried["steps"])
            if found:
                shown.append(tried)
            return found and len(shown) < 60

        simplify(case, shows)
        assert min(len(snippet(tried)) for tried in shown) < len(snippet(case)) / 2


class TestSides:
    def test_ours_does_not_differ_from_ours(self, pair: Pair) -> None:
        report = run(pair, SEED, 25)
        assert report.cases == 25
        assert report.comparisons > 150
        assert not report.unexplained
        assert not report.explained

    def test_results_exceptions_and_stored_bytes_are_answered(self, ours: Side) -> None:
        create, write, fail, read = ours.run(
            make_case({"op": "write", "code": "a[1:3] = 7"}, {"op": "read", "code": "a[9]"})
        )
        assert set(create["stored"]) == {"zarr.json"}
        assert set(write["stored"]) == {"c/0", "c/1"}
        assert fail["raises"] == "BoundsCheckError"
        assert "IndexError" in fail["mro"]
        assert not fail["stored"]
        values = base64.b64decode(read["result"]["array"]["data"])
        assert np.frombuffer(values, "<i4").tolist() == [0, 7, 7, 0, 0, 0]

    def test_a_case_ends_where_a_step_that_is_needed_fails(self, ours: Side) -> None:
        case = make_case()
        case["steps"][0] = case["steps"][0] | {"code": "a = zarr.open_array(store, mode='r')"}
        (answer,) = ours.run(case)
        assert answer["raises"] == "ArrayNotFoundError"

    @pytest.mark.parametrize(
        ("code", "told"), [("import os; os._exit(3)", "status 3"), ("while True: pass", "hung")]
    )
    def test_a_worker_that_dies_or_hangs_is_a_difference_and_started_anew(
        self, code: str, told: str
    ) -> None:
        side = start()
        try:
            side._timeout = 1.0 if told == "hung" else 300.0
            with pytest.raises(WorkerFault, match=told):
                side.run(make_case({"op": "read", "code": code}))
            side._timeout = 300.0
            assert len(side.run(make_case())) == 2
        finally:
            side.close()


class TestCompare:
    """A difference that is planted into the answers of one side is found, where it is."""

    @pytest.fixture
    def case(self) -> dict[str, Any]:
        return make_case({"op": "write", "code": "a[:] = 7"}, {"op": "read", "code": "a[9]"})

    @pytest.fixture
    def answers(self, ours: Side, case: dict[str, Any]) -> list[dict[str, Any]]:
        return ours.run(case)

    def differences(self, case: dict[str, Any], ours: Any, peer: Any) -> list[Difference]:
        return compare(case, ours, peer, lambda difference: False).differences

    def test_nothing_was_planted(self, case: dict[str, Any], answers: list[dict[str, Any]]) -> None:
        assert not self.differences(case, answers, copy.deepcopy(answers))

    def test_bytes_of_a_chunk(self, case: dict[str, Any], answers: list[dict[str, Any]]) -> None:
        other = copy.deepcopy(answers)
        other[1]["stored"]["c/1"] = base64.b64encode(b"other").decode()
        (found,) = self.differences(case, answers, other)
        assert (found.number, found.what, found.keys) == (1, "stored", ("c/1",))
        assert "stored chunks differ" in found.kind
        assert explain(found) is None

    def test_a_chunk_that_is_missing(
        self, case: dict[str, Any], answers: list[dict[str, Any]]
    ) -> None:
        other = copy.deepcopy(answers)
        del other[1]["stored"]["c/2"]
        (found,) = self.differences(case, answers, other)
        assert found.values["c/2"][1] is None

    def test_a_number_in_the_metadata_that_is_written_otherwise(
        self, case: dict[str, Any], answers: list[dict[str, Any]]
    ) -> None:
        other = copy.deepcopy(answers)
        document = base64.b64decode(other[0]["stored"]["zarr.json"])
        changed = document.replace(b'"fill_value": 0', b'"fill_value": 0.0')
        assert changed != document
        other[0]["stored"]["zarr.json"] = base64.b64encode(changed).decode()
        (found,) = self.differences(case, answers, other)
        assert found.keys == ("zarr.json",)

    def test_the_class_of_an_exception(
        self, case: dict[str, Any], answers: list[dict[str, Any]]
    ) -> None:
        other = copy.deepcopy(answers)
        other[2] |= {"raises": "ValueError", "mro": ["ValueError", "Exception"]}
        (found,) = self.differences(case, answers, other)
        assert (found.number, found.what) == (2, "outcome")
        more_special = copy.deepcopy(answers)
        more_special[2]["raises"] = "IndexError"
        assert not self.differences(case, answers, more_special)

    @pytest.mark.parametrize(
        ("a", "b", "equal"),
        [
            ([np.nan, 1.0], [-np.nan, 1.0], True),  # whatever its bits
            ([0.0], [-0.0], False),
            ([complex(np.nan, 1)], [complex(np.nan, 2)], False),
            ([1], [1.0], False),
            (["a", ""], ["a", "\x00"], False),
            ([[1, 2]], [[1], [2]], False),
        ],
    )
    def test_elements(self, a: list[Any], b: list[Any], equal: bool) -> None:
        one, other = (
            encode_array(np.array(value, dtype=object if "a" in value else None))
            for value in (a, b)
        )
        assert same(one, one)
        assert same(one, other) is equal


class TestExplanations:
    def test_each_has_a_name_of_its_own_and_a_reason(self) -> None:
        names = [explanation.name for explanation in EXPLANATIONS]
        assert len(set(names)) == len(names)
        for explanation in EXPLANATIONS:
            assert explanation.name
            assert len(explanation.reason.split()) >= 6

    def test_elements_that_are_stored_otherwise_need_a_proof(self) -> None:
        without = {item.name for item in EXPLANATIONS if item.stored and item.proof is None}
        # Which of the chunks are there after a failure; the documents and members of groups.
        assert without == {
            "nothing stored on failure",
            "write broken off",
            "deleted members",
            "saving into a group",
            "member of stale consolidated metadata",
        }

    def test_what_the_proof_refutes_is_not_explained(self) -> None:
        step = {
            "op": "write",
            "via": "vindex",
            "code": "a.vindex[[0, 0]] = [1, 2]",
            "repeats": True,
        }
        difference = make_difference(make_case(step), 1, keys=("c/0",), values={"c/0": ("x", "y")})
        explanation = explain(difference)
        assert explanation is not None
        assert explanation.name == "repeated positions"
        refuted = make_difference(difference.case, 1, refuted=True)
        assert explain(refuted) is None
        assert refuted.kind.startswith("not proved")


class TestProofs:
    @pytest.fixture
    def answer(self, ours: Side) -> Any:
        """Run a case, on whichever side, by ours."""

        def run_it(
            side: str, case: dict[str, Any], store: Mapping[str, str] | None = None
        ) -> list[dict[str, Any]]:
            return ours.run(case, store)

        return run_it

    @pytest.mark.parametrize(
        ("place", "assigned"),
        [
            ("[1:5:2]", "[5, 6]"),
            (".vindex[[3, 3]]", "[5, 6]"),
            (".oindex[[5, 0]]", "[5, 6]"),
            (".blocks[1]", "[5, 6]"),
            ("[...]", "4"),
        ],
    )
    def test_a_write_is_what_numpy_does(self, answer: Any, place: str, assigned: str) -> None:
        via = place[1:7] if place.startswith(".blocks") else "basic"
        step = {"op": "write", "via": via, "place": place, "assigned": assigned}
        right = make_case(step | {"code": f"a{place} = {assigned}"})
        assert as_numpy(make_difference(right, 1), answer)
        wrong = make_case(step | {"code": f"a{place} = 9"})
        assert not as_numpy(make_difference(wrong, 1), answer)

    def test_a_read_is_what_numpy_does(self, answer: Any) -> None:
        write = {"op": "write", "code": "a[:] = np.arange(6)"}
        read = {"op": "read", "via": "oindex", "place": ".oindex[[4, 1]]"}
        right = make_case(write, read | {"code": "a.oindex[[4, 1]]"})
        assert as_numpy(make_difference(right, 2), answer)
        wrong = make_case(write, read | {"code": "a.oindex[[1, 4]]"})
        assert not as_numpy(make_difference(wrong, 2), answer)

    def test_an_array_holds_what_it_was_made_of_and_what_was_appended(self, answer: Any) -> None:
        created = "a = zarr.array(np.arange(6), store=store, chunks=2)"
        for data in ("np.arange(6)", "np.arange(1, 7)"):
            case = make_case({"op": "append", "code": f"a.append({data})", "axis": 0})
            case["steps"][0] = {"op": "create", "code": created, "assigned": data}
            case["steps"][1]["assigned"] = "np.arange(6)"
            right = data == "np.arange(6)"
            assert as_numpy(make_difference(case, 0), answer) is right
            assert as_numpy(make_difference(case, 1), answer) is right

    def test_both_read_the_same_from_either_store(self, answer: Any) -> None:
        case = make_case({"op": "write", "code": "a[:] = 3"}, {"op": "write", "code": "a[:] = 4"})
        assert reads_alike(make_difference(case, 1), answer)

        def answer_otherwise(side: str, case: dict[str, Any], store: Any = None) -> Any:
            if side == "peer" and store is None:
                steps = [step | {"code": step["code"].replace("3", "5")} for step in case["steps"]]
                case = case | {"steps": steps}
            return answer(side, case, store)

        assert not reads_alike(make_difference(case, 1), answer_otherwise)

        def misread(side: str, case: dict[str, Any], store: Any = None) -> Any:
            if side == "peer" and store is not None:
                steps = [step | {"code": f"{step['code']} + 1"} for step in case["steps"]]
                case = case | {"steps": steps}
            return answer(side, case, store)

        assert not reads_alike(make_difference(case, 1), misread)

    def test_another_form_of_a_case_ends_with_the_same_elements(self, answer: Any) -> None:
        case = make_case({"op": "write", "code": "a[:] = np.arange(6)"})
        case["steps"][0]["code"] = CREATED.replace("<i4", ">i4")
        in_little_endian = same_as(lambda line: line.replace("'>", "'<"))
        assert in_little_endian(make_difference(case, 1), answer)
        with_others = same_as(lambda line: line.replace("np.arange(6)", "1"))
        assert not with_others(make_difference(case, 1), answer)

        def answer_ours_alone(side: str, case: dict[str, Any], store: Any = None) -> Any:
            return answer(side, case, store) if side == "ours" else None

        assert in_little_endian(make_difference(case, 1), answer_ours_alone)
        assert not with_others(make_difference(case, 1), answer_ours_alone)

    def test_what_cannot_be_read_back_is_lost(self, answer: Any) -> None:
        for code, is_lost in (
            ("store.pop('c/0')", False),
            ("store['c/0'] = store['zarr.json']", True),
        ):
            case = make_case({"op": "write", "code": "a[:] = 3"}, {"op": "write", "code": code})
            assert lost(make_difference(case, 2), answer) is is_lost

    def test_contents_are_what_is_left_at_the_end(self, ours: Side) -> None:
        case = make_case({"op": "write", "code": "a[:] = 3"}, {"op": "write", "code": "a[2:] = 0"})
        assert set(contents(ours.run(case))) == {"zarr.json", "c/0"}


class TestCommand:
    def test_without_hatch_the_peer_has_to_be_named(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("PATH", "")
        with pytest.raises(SystemExit, match="--peer"):
            find_peer()

    def test_the_peer_is_optional(self) -> None:
        assert parse([]).peer is None
        assert parse(["--peer", "python", "--seed", "3", "--case", "7"]).case == 7


def test_the_documentation_lists_every_explanation() -> None:
    page = (Path(__file__).parents[1] / "docs" / "differential.md").read_text(encoding="utf-8")
    listed = dict(re.findall(r"^\| ([^|]+?) \| (.+?) \| \d+ \|$", page, re.MULTILINE))
    reasons = {one.name: one.reason for one in EXPLANATIONS}
    assert {name: reason.replace("`", "") for name, reason in listed.items()} == reasons

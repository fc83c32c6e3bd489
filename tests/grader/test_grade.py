"""A grade that can be trusted."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path

import pytest

import grader
import labs
from grader.checks import JUDGES
from grader.evidence import quoted
from grader.grade import judge
from grader.prove import prove
from grader.report import as_json, as_junit, as_text
from grader.verdict import Grade, Outcome, Result, Verdict
from labs.engines.base import BeyondEngine, Output
from labs.journal import Header, Journal, _link
from labs.messages import message
from labs.scenario.library import scenario_files
from labs.scenario.scenario import Check
from labs.scenario.variant import draw
from labs.shell.bash import logical_lines
from tests.small import small


def verdicts(grade: Grade) -> dict[str, str]:
    return {result.id: str(result.verdict) for result in grade.results}


def solved() -> labs.Lab:
    lab = labs.open(small(), seed=3)
    for place, text in lab.variant.steps(lab.scenario.solution):
        for line in logical_lines(text):
            assert lab.run(place, line).status == 0
    return lab


def test_broken_site_fails_what_the_faults_break() -> None:
    assert verdicts(grader.check(labs.open(small(), seed=3))) == {
        "online": "fail",
        "tv-quiet": "pass",
        "as-agreed": "blocked",
    }


def test_repaired_site_earns_full_marks_and_passes() -> None:
    grade = grader.check(solved())
    assert verdicts(grade) == {"online": "pass", "tv-quiet": "pass", "as-agreed": "pass"}
    assert (grade.points, grade.max_points, grade.outcome, grade.exit_code) == (4, 4, Outcome.PASSED, 0)


def test_repair_that_is_lost_at_a_power_cut_is_not_a_repair() -> None:
    lab = labs.open(small(), seed=3)
    lab.run("pc", f"ip route replace default via {lab.variant.placeholders.lookup('gw.lan.address')}")
    result = grader.check(lab).results[0]
    assert result.verdict is Verdict.FAIL
    assert "not after a power cut" in str(result.rationale)


def test_check_leaves_the_lab_alone() -> None:
    lab = labs.open(small(), seed=3)
    lab.run("pc", "echo one > /tmp/x")
    before = (lab.now_ns, lab.observe(), lab.journal.dumps())
    grader.check(lab)
    assert (lab.now_ns, lab.observe(), lab.journal.dumps()) == before


def test_rule_that_allows_too_much_is_shown_by_a_packet() -> None:
    lab = labs.open(small(), seed=3)
    lab.run("pc", f"ip route replace default via {lab.variant.placeholders.lookup('gw.lan.address')}")
    lab.run(
        "pc",
        "sed -i 's#gateway .*#gateway "
        + str(lab.variant.placeholders.lookup("gw.lan.address"))
        + "#' /etc/network/interfaces",
    )
    result = grader.check(lab).results[2]
    assert result.verdict is Verdict.FAIL
    assert "pc (work) gets through to isp (outside) with tcp" in str(result.rationale)
    assert any("gw: is forwarded from" in str(line) for line in result.evidence)
    assert "/etc/nftables.conf:" in str(result.rationale)


def test_submission_is_graded_as_the_lab_was_and_twice_the_same(tmp_path: Path) -> None:
    lab = solved()
    path = lab.save(tmp_path / "my.netwerf")
    texts = {as_json([("my.netwerf", grader.grade(path, scenario=small()))]) for _ in range(2)}
    assert len(texts) == 1
    assert json.loads(texts.pop())["points"] == grader.check(lab).points


def tampered(journal: Journal, n: int, *, forge: bool = False, **changes: object) -> str:
    """The journal with line `n` of its file changed; `forge` also mends the chain, as who read the source could."""
    lines = [json.loads(line) for line in journal.dumps().splitlines()]
    lines[n].update(changes)
    if not forge:
        return "".join(json.dumps(line) + "\n" for line in lines)
    forged = Journal(Header(**lines[0]))
    for line in lines[1:]:
        entry = forged.append(line["at_ns"], line["place"], line["line"], Output("", line["status"]))
        forged._entries[-1] = replace(entry, answer_digest=line["answer_digest"])
        forged._entries[-1] = replace(forged._entries[-1], chain=_link(_before(forged), asdict(forged._entries[-1])))
    return forged.dumps()


def _before(journal: Journal) -> str:
    return journal[len(journal) - 2].chain if len(journal) > 1 else _link("", asdict(journal.header))


@pytest.mark.parametrize(
    ("n", "changes"),
    [
        (1, {"line": "ip route"}),
        (1, {"answer_digest": "0" * 12}),
        (1, {"place": "tv"}),
        (2, {"at_ns": 5}),
        (0, {"seed": "4"}),
        (0, {"trainee": "somebody else"}),
    ],
)
def test_submission_that_was_edited_is_ungradable(tmp_path: Path, n: int, changes: dict[str, object]) -> None:
    path = tmp_path / "my.netwerf"
    path.write_text(tampered(solved().journal, n, **changes), encoding="utf-8")
    grade = grader.grade(path, scenario=small())
    assert "was changed after it was written" in str(grade.ungradable)
    assert (grade.outcome, grade.exit_code, grade.points) == (Outcome.UNGRADABLE, 4, 0)


@pytest.mark.parametrize(
    ("n", "changes", "said"),
    [
        (1, {"line": "ip route"}, "diverged at entry 1"),
        (1, {"answer_digest": "0" * 12}, "diverged at entry 1"),
        (1, {"place": "moon"}, 'no place "moon"'),
        (0, {"scenario": "other-one"}, "other-one"),
        (0, {"scenario_digest": "0" * 64}, "another edition"),
        (0, {"engine": "magic"}, "magic"),
    ],
)
def test_forged_submission_is_still_replayed_and_ungradable(
    tmp_path: Path, n: int, changes: dict[str, object], said: str
) -> None:
    """Whoever mends the chain too still has to get past the replay, which computes every answer again."""
    path = tmp_path / "my.netwerf"
    path.write_text(tampered(solved().journal, n, forge=True, **changes), encoding="utf-8")
    grade = grader.grade(path, scenario=small())
    assert grade.outcome is Outcome.UNGRADABLE
    assert said in str(grade.ungradable)


def test_submission_of_another_engine_the_first_line_that_ends_otherwise_is_told() -> None:
    lab = solved()
    journal = Journal(replace(lab.journal.header, engine="kernel"))
    for entry in lab.journal:
        journal.append(entry.at_ns, entry.place, entry.line, Output("on another machine", entry.status))
    told = judge(lab.variant, journal.header, journal.entries, engine="sim")
    assert (told.ungradable, told.notices) == (None, ())
    journal.append(lab.now_ns, "pc", "python3 mend.py", Output("", 0))
    told = judge(lab.variant, journal.header, journal.entries, engine="sim")
    n = len(journal)
    said = f"entry {n} (pc: python3 mend.py) ended with status 127 in the replay, and with 0 when it was typed"
    assert [str(notice).partition(";")[0] for notice in told.notices] == [said]
    assert told.outcome is Outcome.PASSED


def naming(folder: Path, scenario: str) -> Path:
    """A submission without lines that names a scenario of its writer's choice."""
    path = folder / "mine.netwerf"
    path.write_text(
        json.dumps({**asdict(solved().journal.header), "format": "netwerf-journal/1", "scenario": scenario}) + "\n",
        encoding="utf-8",
    )
    return path


def test_submission_that_names_a_file_learns_nothing_of_it(tmp_path: Path) -> None:
    """Its first 60 characters stood in the report, be it a password of the machine that grades."""
    (tmp_path / "token").write_text("opensesame", encoding="utf-8")
    for name in (str(tmp_path / "token"), "token", "/etc/passwd", "token.yaml"):
        graded = grader.grade(naming(tmp_path, name))
        assert graded.ungradable is not None
        assert str(graded.ungradable) == (
            f"the scenario {name} is not one of those that are shipped; give its file: --scenario FILE"
        )


def test_file_beside_a_submission_takes_the_place_of_no_shipped_scenario(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever hands in both would choose what is asked."""
    name = "bakery-address-clash"
    shipped = next(path for path in scenario_files() if path.stem == name)
    easy = tmp_path / f"{name}.yaml"
    easy.write_text(shipped.read_text(encoding="utf-8").replace("pass: 0.75", "pass: 0"), encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    labs.open(str(easy), seed=7).save(tmp_path / "easy.netwerf")
    told = str(grader.grade(tmp_path / "easy.netwerf").ungradable)
    assert told == f"the submission was made with another edition of {name}"


def test_noise_is_ungradable(tmp_path: Path) -> None:
    path = tmp_path / "noise.netwerf"
    with path.open("wb") as file:
        file.truncate(100 << 20)
    assert "bytes" in str(grader.grade(path).ungradable)


# Verdicts and points


def result(verdict: Verdict, points: int = 1, *, gate: bool = False) -> Result:
    earned = points if verdict is Verdict.PASS else 0
    return Result(str(verdict), "reach", message("x"), verdict, earned, points, message("why"), gate=gate)


def grade_of(*results: Result, threshold: float = 0.75) -> Grade:
    return Grade("s", "", "0", "sim", "", threshold, results)


@pytest.mark.parametrize(
    ("grade", "outcome"),
    [
        (grade_of(result(Verdict.PASS, 3), result(Verdict.FAIL, 1)), Outcome.PASSED),
        (grade_of(result(Verdict.PASS, 2), result(Verdict.FAIL, 1)), Outcome.BELOW),
        (grade_of(result(Verdict.PASS, 7), result(Verdict.FAIL, 3), threshold=0.7), Outcome.PASSED),
        (grade_of(result(Verdict.PASS, 99), result(Verdict.FAIL, 0, gate=True)), Outcome.BELOW),
        (grade_of(result(Verdict.PASS, 99), result(Verdict.BLOCKED, 0, gate=True)), Outcome.BELOW),
        (grade_of(result(Verdict.PASS, 99), result(Verdict.ERROR, 0)), Outcome.UNGRADABLE),
        (grade_of(), Outcome.UNGRADABLE),
        (grade_of(result(Verdict.BLOCKED)), Outcome.BELOW),
    ],
)
def test_outcome_follows_points_gates_and_errors(grade: Grade, outcome: Outcome) -> None:
    assert grade.outcome is outcome


def test_check_that_the_grader_does_not_know_is_an_error_and_never_a_pass() -> None:
    scenario = small()
    odd = replace(scenario, checks=(*scenario.checks, Check("odd", "levitate", None, 1)))
    grade = judge(draw(odd, "3"), Header(odd.id, odd.digest, "3"), site=draw(odd, "3").healthy)
    assert verdicts(grade)["odd"] == "error"
    assert grade.outcome is Outcome.UNGRADABLE


def test_judge_that_fails_is_an_error_and_never_a_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    from grader.checks import JUDGES

    def broken(context: object, body: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setitem(JUDGES, "refuse", broken)
    grade = grader.check(solved())
    assert verdicts(grade)["tv-quiet"] == "error"
    assert grade.outcome is Outcome.UNGRADABLE


# Reports


def test_junit_repeats_the_message_and_has_no_illegal_characters(tmp_path: Path) -> None:
    from xml.etree.ElementTree import fromstring

    bad = replace(result(Verdict.FAIL), rationale=message("a\x00b\x1b[1m<&>"), evidence=quoted(["e\x07"]))
    root = fromstring(as_junit([("a.netwerf", grade_of(bad, result(Verdict.BLOCKED)))]))
    failure = root.find("./testsuite/testcase/failure")
    assert failure is not None
    assert failure.text is not None
    assert failure.text.startswith(failure.get("message") or "?")
    assert root.get("failures") == "1"
    assert root.get("skipped") == "1"


def test_text_report_says_what_failed_in_both_languages() -> None:
    grade = grader.check(labs.open(small(), seed=3))
    english, dutch = (as_text([("my.netwerf", grade)], language) for language in ("en", "nl"))
    assert "the TV is quiet" in english
    assert "de tv is stil" in dutch
    assert "1 of 4 points" in english


def test_hidden_check_keeps_its_explanation_to_itself() -> None:
    scenario = small(**{"{id: online, reach": "{id: online, hidden: true, reach"})
    shown = grader.check(labs.open(scenario, seed=3)).results[0]
    assert str(shown.rationale) == "does not hold"
    assert shown.evidence == ()
    assert shown.help is None


def test_engine_that_cannot_judge_the_grade_names_checks_and_reason_in_one_line(monkeypatch):
    def beyond(*_):
        raise BeyondEngine("pc: its lease would be renewed meanwhile")

    scenario = small()
    kind = scenario.checks[0].kind
    monkeypatch.setitem(JUDGES, kind, beyond)
    variant = draw(scenario, "3")
    judged = judge(variant, Header(scenario.id, scenario.digest, "3", "sim", "0"), site=variant.healthy)
    names = [check.id for check in scenario.checks if check.kind == kind]
    titles = ", ".join(f'"{result.title}"' for result in judged.results if result.id in names)
    line = f"the engine sim cannot judge {titles} (pc: its lease would be renewed meanwhile)"
    assert str(judged.beyond) == line
    assert line in json.loads(as_json([("a", judged)]))["notices"]
    assert {verdicts(judged)[name] for name in names} == {"error"}
    assert line in as_text([("a", judged)])
    assert [str(told.said) for told in prove(scenario, ("3",)).lines if told.what == "what cannot be judged here"] == [
        line
    ]

"""A lab is the replay of its journal."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

import labs
from labs.engines.base import Output
from labs.journal import Header, Journal
from labs.lab import replay
from labs.model.world import ARRIVAL_NS
from tests.small import small


def test_line_is_run_recorded_and_answered() -> None:
    lab = labs.open(small(), seed=3)
    output = lab.run("pc", "hostname")
    assert output == ("pc\n", 0)
    assert [(e.place, e.line, e.status) for e in lab.journal] == [("pc", "hostname", 0)]


def test_unknown_place_is_refused_and_not_recorded() -> None:
    lab = labs.open(small())
    with pytest.raises(labs.CommandRejected, match='no place "attic"; places are: isp, gw, pc, tv, hands'):
        lab.run("attic", "ls")
    assert len(lab.journal) == 0


def test_same_lines_give_the_same_journal() -> None:
    journals = []
    for _ in range(2):
        lab = labs.open(small(), seed=3)
        lab.run("pc", "ping -c 2 203.0.113.1")
        lab.run("tv", "ping -c 2 203.0.113.1; ip neigh")
        lab.wait("1 min")
        journals.append(lab.journal.dumps())
    assert journals[0] == journals[1]


def test_undo_is_a_replay_of_the_rest() -> None:
    lab = labs.open(small(), seed=3)
    lab.run("pc", "echo one > /tmp/x")
    lab.run("pc", "echo two > /tmp/x")
    gone = lab.undo()
    assert [entry.line for entry in gone] == ["echo two > /tmp/x"]
    assert lab.run("pc", "cat /tmp/x").text == "one\n"
    assert lab.undo(99)
    assert lab.run("pc", "cat /tmp/x").status == 1


def test_waiting_moves_the_clock_and_nothing_else() -> None:
    lab = labs.open(small())
    before = lab.now_ns
    lab.wait("1 h 30 min")
    assert lab.now_ns - before == 5400 * 10**9


def test_resumed_lab_is_where_the_journal_stopped(tmp_path: Path) -> None:
    path = tmp_path / "x.netwerf"
    lab = labs.open(small(), seed=3, autosave=path)
    lab.run("pc", "echo one > /tmp/x")
    lab.run("hands", "power off tv")
    del lab  # no goodbye: what was answered is on disk
    again = labs.resume(path, scenario=small())
    assert again.divergence is None
    assert again.run("pc", "cat /tmp/x").text == "one\n"
    assert "no power" in again.run("tv", "ls").text
    assert len(Journal.load(path)) == 4


def test_journal_of_another_edition_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.netwerf"
    labs.open(small(), autosave=path).run("pc", "ls")
    with pytest.raises(labs.JournalError, match="has changed"):
        labs.resume(path, scenario=small(**{"points: 2": "points: 3"}))


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("dance", '"dance" is not something hands can do'),
        ("patch pc:eth0", "usage: patch"),
        ("patch pc:eth9 gw:eth1", 'pc has no port "eth9"; it has: eth0'),
        ("unplug moon:eth0", 'there is no device "moon"'),
        ("power up pc", "usage: power"),
        ("wait soon", '"soon" is not a duration'),
        ("wait 9000 days", "at most 7 days"),
        ("look 'attic", "No closing quotation"),
    ],
)
def test_hands_refuse_in_one_line_and_change_nothing(line: str, said: str) -> None:
    lab = labs.open(small())
    before = lab.observe()
    output = lab.run("hands", line)
    assert said in output.text
    assert output.text.count("\n") == 1
    assert output.status == 2
    assert lab.observe() == before


def test_lead_that_is_moved_takes_the_link_with_it() -> None:
    lab = labs.open(small())
    assert "lamp on" in lab.run("hands", "look pc").text
    assert lab.run("hands", "unplug pc").text.startswith("The lead")
    assert "NO-CARRIER" in lab.run("pc", "ip link show eth0").text
    lab.run("hands", "patch pc gw:eth1")
    assert "LOWER_UP" in lab.run("pc", "ip link show eth0").text


class Clockwork:
    """An engine on which a line takes a second and answers with its status."""

    repeats = False

    def __init__(self) -> None:
        self.now = ARRIVAL_NS
        self.waited: list[float] = []

    def run(self, place: str, line: str) -> Output:
        del place
        self.now += 10**9
        return Output(f"at {self.now}", int(line))

    def wait(self, duration_ns: int) -> None:
        self.now += duration_ns
        self.waited.append(duration_ns / 10**9)


def typed_at(*seconds_and_status: tuple[int, int]) -> Journal:
    journal = Journal(Header("x", "", "0", "kernel"))
    for second, status in seconds_and_status:
        journal.append(second * 10**9, "pc", str(status), Output("then", status))
    return journal


def test_paced_replay_leaves_the_pauses_of_the_trainee_a_minute_each_at_most() -> None:
    engine = Clockwork()
    entries = typed_at((0, 0), (21, 0), (400, 0), (411, 0)).effective()
    assert replay(engine, entries, answers=False, paced=True) is None  # type: ignore[arg-type]
    assert engine.waited == [0, 20, 60, 10]


def test_paced_replay_of_a_long_evening_pauses_for_five_minutes_altogether() -> None:
    engine = Clockwork()
    assert replay(engine, typed_at(*((n * 1000, 0) for n in range(9))).effective(), answers=False, paced=True) is None  # type: ignore[arg-type]
    assert engine.waited == [0, 60, 60, 60, 60, 60, 0, 0, 0]


def test_replay_by_status_other_words_are_no_divergence_another_status_is() -> None:
    entries = typed_at((0, 0), (1, 1)).effective()
    assert replay(Clockwork(), entries, answers=False) is None  # type: ignore[arg-type]
    assert replay(Clockwork(), entries) is not None  # type: ignore[arg-type]
    worse = typed_at((0, 0), (1, 1), (2, 2)).effective()
    worse[1] = replace(worse[1], status=0)
    found = replay(Clockwork(), worse, strict=False, answers=False)  # type: ignore[arg-type]
    assert found is not None
    assert found.entry.n == 2

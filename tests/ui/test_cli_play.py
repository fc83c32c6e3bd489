"""`netwerf play`: lines in, answers out, and nothing of it is ever lost."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import Result

import labs
from labs.engines.base import Output
from labs.journal import Journal
from labs.shell.bash import is_complete
from labs.ui.words import here_document

ROOT = Path(__file__).parents[2]
LAB = "bakery-address-clash"
Run = Callable[..., Result]


@pytest.fixture
def play(run: Run) -> Callable[[str], str]:
    """Type lines in the lab; what was answered, without the first screen."""

    def go(lines: str, *more: str) -> str:
        result = run("play", LAB, "--seed", "7", *more, lines=lines)
        assert result.exit_code == 0, result.output
        return str(result.output.partition("any command of the device\n\n")[2])

    return go


def journal(tmp_path: Path) -> list[dict[str, object]]:
    path = tmp_path / "home" / f"{LAB}-7.netwerf"
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()[1:]]


# The first screen


def test_first_screen_says_who_waits_for_what(run: Run) -> None:
    shown = run("play", LAB, "--seed", "7").stdout
    assert "Work order 2026-0417" in shown
    assert "level 1 · about 60 min" in shown
    assert "label printer" in shown
    assert "gw ─── sw" in shown
    assert "check · hint · undo · submit" in shown
    assert "\x1b" not in shown
    assert "Nothing was typed" in shown


def test_first_screen_in_dutch(run: Run) -> None:
    shown = run("play", LAB, "--lang", "nl").stdout
    assert "Werkbon 2026-0417" in shown
    assert "Bakkerij De Zon · niveau 1" in shown


# Lines


def test_plain_lines_are_answered_with_nothing_extra(play: Callable[..., str]) -> None:
    assert play("hostname\necho a; echo b\n").splitlines()[:3] == ["laptop", "a", "b"]


def test_on_changes_the_place_and_place_colon_does_not(play: Callable[..., str]) -> None:
    assert play("on till\nhostname\nprinter: hostname\nhostname\n").splitlines()[:3] == ["till", "printer", "till"]


def test_name_of_a_place_alone_goes_there(play: Callable[..., str]) -> None:
    """`hands` is what people type; a device called like a command would stay a command."""
    told = play("till\nhostname\nhands\nlook office\n")
    assert "till\n" in told
    assert "office:" in told
    assert "not found" not in told


def test_help_of_the_hands_stands_in_two_columns() -> None:
    told = labs.open(LAB, seed="7").run("hands", "help").text
    starts = {len(line) - len(line.split("  ", 2)[2].lstrip()) for line in told.splitlines()}
    assert len(starts) == 1


def test_on_an_unknown_place_names_the_near_one(play: Callable[..., str]) -> None:
    assert 'there is no place "prnter"; places: ' in (shown := play("on prnter\n"))
    assert 'did you mean "printer"?' in shown


def test_line_that_goes_on_is_one_entry(play: Callable[..., str], tmp_path: Path) -> None:
    shown = play(
        "cat > /tmp/x <<EOF\none\ntwo\nEOF\ncat /tmp/x\nfor i in 1 2\ndo echo $i\ndone\necho 'a\nb'\necho c \\\nd\n"
    )
    assert shown.splitlines()[:7] == ["one", "two", "1", "2", "a", "b", "c d"]
    assert journal(tmp_path)[0]["line"] == "cat > /tmp/x <<EOF\none\ntwo\nEOF"
    assert len(journal(tmp_path)) == 5


def test_windows_line_ends_are_no_part_of_the_line(play: Callable[..., str]) -> None:
    assert play("hostname\r\n").splitlines()[0] == "laptop"


def test_hands_work_from_anywhere(play: Callable[..., str], tmp_path: Path) -> None:
    assert "lead to sw" in play("look till\nwait 2 min\n")
    assert [(e["place"], e["line"]) for e in journal(tmp_path)] == [("hands", "look till"), ("hands", "wait 2 min")]


def test_wait_without_a_duration_is_the_shells_own(play: Callable[..., str], tmp_path: Path) -> None:
    play("wait\n")
    assert journal(tmp_path)[0]["place"] == "laptop"


def test_unknown_command_is_answered_by_the_shell(play: Callable[..., str]) -> None:
    assert "-bash: checkk: command not found" in play("checkk\n")


def test_over_long_line_is_refused_and_the_lab_goes_on(play: Callable[..., str], tmp_path: Path) -> None:
    shown = play(f"echo {'a' * 20_000}\nhostname\n")
    assert "at most 16384 are allowed" in shown
    assert "laptop" in shown
    assert len(journal(tmp_path)) == 1


# Words


def test_undo_says_what_is_taken_back(play: Callable[..., str]) -> None:
    shown = play("echo hello > /tmp/x\nhostname\nundo 2\ncat /tmp/x\nundo 99\nundo\n")
    assert "taken back: laptop: echo hello > /tmp/x" in shown
    assert "No such file or directory" in shown
    assert "There is nothing to take back." in shown


def test_undo_of_a_word_is_refused(play: Callable[..., str]) -> None:
    assert "undo takes a number of lines" in play("undo everything\n")


def test_hints_are_counted_in_the_journal_and_come_in_order(play: Callable[..., str], tmp_path: Path) -> None:
    shown = play("hint till-gets-out\nhint till-gets-out\nhostname\nundo\nhint till-gets-out\nhint till-gets-out\n")
    assert [shown.count(f"({n} of 3, costs nothing)") for n in (1, 2, 3)] == [1, 1, 1]
    assert shown.count("you know it already") == 3
    notes = [entry["line"] for entry in journal(tmp_path) if entry["place"] == "desk"]
    assert notes == ["hint till-gets-out 1", "hint till-gets-out 2", "undo 1", "hint till-gets-out 3"]


def test_hint_for_an_unknown_check_names_the_checks(play: Callable[..., str]) -> None:
    assert 'there is no check "till-gets-ot"' in (shown := play("hint till-gets-ot\n"))
    assert 'did you mean "till-gets-out"?' in shown


def test_hint_alone_is_for_the_first_check_that_fails(play: Callable[..., str]) -> None:
    assert "the terminal pays: (1 of 3, costs nothing)" in " ".join(play("hint\n").split())


def test_check_judges_the_site_and_changes_nothing(play: Callable[..., str], tmp_path: Path) -> None:
    shown = play("hostname\ncheck\ncheck\n")
    assert shown.count("of 11 points") == 2
    assert len(journal(tmp_path)) == 1


def test_journal_shows_what_was_typed(play: Callable[..., str]) -> None:
    assert "laptop:  hostname" in play("hostname\njournal\n")


def test_help_lists_the_words_and_help_of_a_word_shows_one(play: Callable[..., str]) -> None:
    assert "take back the last line" in play("help\n")
    assert "take a lead out" not in play("help undo\n")


def test_goodbye_names_the_language_that_was_chosen(run: Run) -> None:
    shown = run("--lang", "nl", "play", LAB, "--seed", "7", lines="true\n").output.splitlines()
    assert shown[-1] == f"Ga verder met: netwerf play {LAB} --seed 7 --lang nl"


@pytest.mark.parametrize("line", ["nano", "vi", "sudo nano", "edit"])
def test_editor_without_a_file_says_how_a_file_is_edited(play: Callable[..., str], line: str) -> None:
    """`nano FILE` works here, so `nano` alone is no command that is missing."""
    assert (
        play(f"{line}\n").splitlines()[0] == "  edit takes the name of one file, such as: edit /etc/network/interfaces"
    )


def test_edit_without_a_terminal_says_what_to_do_instead(play: Callable[..., str]) -> None:
    assert "cat > /etc/hosts <<'EOF'" in play("edit /etc/hosts\n")


def test_submit_writes_a_file_that_grades_the_same(run: Run, play: Callable[..., str], tmp_path: Path) -> None:
    shown = play("hostname\nsubmit\n", "--trainee", "c-12")
    path = tmp_path / f"{LAB}-7.netwerf"
    graded = run("grade", path.name)
    assert graded.stdout.splitlines()[1:] == [
        line for line in shown.splitlines() if line in graded.stdout.splitlines()[1:]
    ]
    assert json.loads(path.read_text(encoding="utf-8").splitlines()[0])["trainee"] == "c-12"


def test_submit_keeps_another_file_of_that_name(play: Callable[..., str], tmp_path: Path) -> None:
    (tmp_path / f"{LAB}-7.netwerf").write_text("somebody else's\n", encoding="utf-8")
    shown = play("hostname\nsubmit\n")
    assert ".bak-1" in shown
    assert (tmp_path / f"{LAB}-7.netwerf.bak-1").read_text(encoding="utf-8") == "somebody else's\n"


def test_submit_where_nothing_can_be_written_says_so_and_goes_on(play: Callable[..., str]) -> None:
    shown = play("submit nowhere/x.netwerf\nhostname\n")
    assert "cannot be written" in shown
    assert "laptop" in shown


def test_exit_says_how_to_go_on(play: Callable[..., str]) -> None:
    shown = play("hostname\nquit\necho never\n")
    assert f"Go on with: netwerf play {LAB} --seed 7" in shown
    assert "never" not in shown


# Keeping


def test_playing_again_goes_on(play: Callable[..., str], run: Run) -> None:
    play("echo kept > /tmp/x\n")
    shown = run("play", LAB, "--seed", "7", lines="cat /tmp/x\n").stdout
    assert "1 lines replayed" in shown
    assert "\nkept\n" in shown


def test_new_begins_again_and_deletes_nothing(play: Callable[..., str], run: Run, tmp_path: Path) -> None:
    play("echo kept > /tmp/x\n")
    for number in (1, 2):
        shown = run("play", LAB, "--seed", "7", "--new", lines="cat /tmp/x\n").stdout
        assert "No such file" in shown
        assert (tmp_path / "home" / f"{LAB}-7.netwerf.bak-{number}").is_file()


def test_torn_line_is_told_and_dropped(play: Callable[..., str], run: Run, tmp_path: Path) -> None:
    play("hostname\nhostname\n")
    path = tmp_path / "home" / f"{LAB}-7.netwerf"
    path.write_bytes(path.read_bytes()[:-20])
    shown = run("play", LAB, "--seed", "7", lines="hostname\n").stdout
    assert "the last line was torn and has been dropped" in shown
    assert [entry["n"] for entry in journal(tmp_path)] == [1, 2]


def test_journal_that_diverges_is_told(play: Callable[..., str], run: Run, tmp_path: Path) -> None:
    """As after an update of Netwerf that answers otherwise."""
    play("hostname\n")
    path = tmp_path / "home" / f"{LAB}-7.netwerf"
    other = Journal(Journal.load(path).header)
    other.append(0, "laptop", "hostname", Output("another answer\n", 0))
    other.save(path)
    assert "diverged at entry 1" in run("play", LAB, "--seed", "7").stdout


def test_journal_of_another_edition_is_refused_and_kept(play: Callable[..., str], run: Run, tmp_path: Path) -> None:
    play("hostname\n")
    path = tmp_path / "home" / f"{LAB}-7.netwerf"
    Journal(replace(Journal.load(path).header, scenario_digest="0" * 64)).save(path)
    result = run("play", LAB, "--seed", "7")
    assert result.exit_code == 2
    assert "--new" in result.stderr
    assert result.stderr.count("\n") == 1
    assert path.is_file()


def test_home_that_cannot_be_written_keeps_the_lab_here(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    monkeypatch.setenv("NETWERF_HOME", str(tmp_path / "file" / "home"))
    result = run("play", LAB, lines="hostname\nsubmit\n")
    assert result.exit_code == 0, result.output
    assert "the lab is kept in" in result.stderr
    assert (tmp_path / f"{LAB}-0.netwerf").is_file()


def test_bug_in_a_command_costs_one_line_and_not_the_lab(
    run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from labs.engines.sim.engine import SimEngine

    real = SimEngine.run

    def faulty(self: SimEngine, place: str, line: str) -> Output:
        if line == "boom":
            raise KeyError("oops")
        return real(self, place, line)

    monkeypatch.setattr(SimEngine, "run", faulty)
    result = run("play", LAB, "--seed", "7", lines="echo kept > /tmp/x\nboom\ncat /tmp/x\n")
    assert result.exit_code == 0
    assert "this is our fault: KeyError: 'oops'" in result.stderr
    assert "\nkept\n" in result.stdout
    assert len(journal(tmp_path)) == 2


# Other processes


@contextmanager
def playing(folder: Path) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [sys.executable, "-m", "labs.ui", "play", LAB, "--seed", "7"],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(ROOT), "NETWERF_HOME": str(folder / "home"), "NETWERF_LANG": "en"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        encoding="utf-8",
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def ask(process: subprocess.Popen[str], line: str, answer: str) -> None:
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(line + "\n")
    process.stdin.flush()
    for shown in process.stdout:
        if shown.rstrip("\n") == answer:
            return
    pytest.fail(f"no answer {answer!r} to {line!r}")


def test_killed_in_the_middle_loses_nothing_that_was_answered(tmp_path: Path, run: Run) -> None:
    with playing(tmp_path) as process:
        for number in range(5):
            ask(process, f"echo {number} >> /tmp/x; echo done {number}", f"done {number}")
        process.kill()
        process.wait(30)
    shown = run("play", LAB, "--seed", "7", lines="wc -l < /tmp/x\ntail -n 1 /tmp/x\n").stdout
    assert "5 lines replayed" in shown
    assert shown.partition("simulated time")[2].split()[1:3] == ["5", "4"]


def test_second_window_on_the_same_lab_is_refused_and_spoils_nothing(tmp_path: Path, run: Run) -> None:
    with playing(tmp_path) as process:
        ask(process, "echo one", "one")
        second = run("play", LAB, "--seed", "7", lines="echo two\n")
        assert second.exit_code == 2
        assert "open in another window" in second.stderr
        third = run("play", LAB, "--seed", "7", "--new", lines="echo three\n")
        assert third.exit_code == 2, "--new does not take the file away from a running lab"
        ask(process, "echo four", "four")
    assert [entry["line"] for entry in journal(tmp_path)] == ["echo one", "echo four"]
    assert run("play", LAB, "--seed", "7").exit_code == 0, "the lock of a dead process holds nobody up"


@pytest.mark.skipif(os.name == "nt", reason="Windows sends Ctrl-C to a whole console, not to one process")
def test_ctrl_c_stops_the_line_and_not_the_lab(tmp_path: Path) -> None:
    with playing(tmp_path) as process:
        ask(process, "echo one", "one")
        assert process.stdin is not None
        process.stdin.write("wait 7 days\n")
        process.stdin.flush()
        time.sleep(0.7)  # the wait takes far longer than this on any machine
        process.send_signal(signal.SIGINT)
        ask(process, "echo two", "two")
    lines = [entry["line"] for entry in journal(tmp_path)]
    assert lines in (["echo one", "echo two"], ["echo one", "wait 7 days", "echo two"])


@pytest.mark.skipif(os.name == "nt", reason="no pseudo-terminals there")
def test_person_at_a_terminal_gets_prompt_completion_and_editor(tmp_path: Path) -> None:
    """The prompt says where you are; Tab knows words and places; `edit` types one here-document."""
    import pty

    editor = tmp_path / "editor"
    editor.write_text('#!/bin/sh\necho "# edited" >> "$1"\n', encoding="utf-8")
    editor.chmod(0o755)
    environment = os.environ | {
        "PYTHONPATH": str(ROOT), "NETWERF_HOME": str(tmp_path / "home"), "NETWERF_LANG": "en",
        "TERM": "xterm", "EDITOR": str(editor), "PROMPT_TOOLKIT_NO_CPR": "1",
    }  # fmt: skip
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "labs.ui", "play", LAB, "--seed", "7"],
        cwd=tmp_path, env=environment, stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True,
    )  # fmt: skip
    os.close(theirs)
    seen = bytearray()

    def until(text: str) -> None:
        deadline = time.monotonic() + 30
        while text.encode() not in seen:
            assert time.monotonic() < deadline, bytes(seen).decode("utf-8", "replace")
            seen.extend(os.read(ours, 65536))
        del seen[: seen.index(text.encode()) + len(text.encode())]

    try:
        until("laptop")
        os.write(ours, b"on pri\t\r")
        until("printer\x1b")
        os.write(ours, b"edit /etc/hosts\r")
        os.write(ours, b"tail -n 1 /etc/hosts\r")
        until("# edited")
        os.write(ours, b"exit\r")
        until("Everything is kept in")
        assert process.wait(30) == 0
    finally:
        process.kill()
        process.wait(30)
        os.close(ours)
    assert str(journal(tmp_path)[0]["line"]).endswith("# edited\nEOF")


# What goes on


@pytest.mark.parametrize(
    ("text", "more"),
    [
        ("echo hello", False),
        ("", False),
        ("echo 'a", True),
        ('echo "a', True),
        ("echo a \\", True),
        ("echo a \\\\", False),
        ("cat <<EOF", True),
        ("cat <<EOF\na\nEOF", False),
        ("for i in 1 2; do", True),
        ("if true; then echo a; fi", False),
        ("echo a |", True),
        ("echo a &&", True),
        ("echo $(hostname", True),
        ("# it's a comment", False),
        ("echo )", False),
        ("fi", False),
    ],
)
def test_line_goes_on_where_a_shell_would_ask_for_more(text: str, more: bool) -> None:
    assert is_complete(text) is not more


def test_here_document_writes_the_text_whatever_is_in_it() -> None:
    assert here_document("/etc/x", "EOF\n$HOME\n") == "cat > /etc/x <<'EOF_'\nEOF\n$HOME\nEOF_"
    assert here_document("/a b", "") == "cat > '/a b' <<'EOF'\nEOF"

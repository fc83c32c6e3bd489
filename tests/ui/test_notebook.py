"""The magics: what they show, what they write down, and how they refuse."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("IPython", reason="the extra `notebook` is not installed")

from IPython.core.error import UsageError
from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.capture import capture_output
from traitlets.config import Config

from labs.journal import Journal
from labs.lab import Lab
from labs.ui.notebook import LabMagics, load_ipython_extension, unload_ipython_extension
from labs.ui.storage import FileLock, autosave_path

NAME = "bakery-address-clash"


class Notebook:
    """A shell whose cells answer with what they showed."""

    def __init__(self) -> None:
        InteractiveShell.clear_instance()
        quiet = {"HistoryManager": {"enabled": False}, "InteractiveShell": {"warn_venv": False}}
        self.shell = InteractiveShell.instance(config=Config(quiet))
        load_ipython_extension(self.shell)

    def run(self, cell: str) -> tuple[str, str]:
        """The plain text and the HTML of a cell that works."""
        with capture_output() as captured:
            result = self.shell.run_cell(cell)
        result.raise_error()
        plain = [output.data.get("text/plain", "") for output in captured.outputs]
        rich = [output.data.get("text/html", "") for output in captured.outputs]
        return "\n".join(plain), "\n".join(rich)

    def refuse(self, cell: str) -> str:
        """The message of a cell that is refused."""
        with capture_output() as captured:
            result = self.shell.run_cell(cell)
        assert isinstance(result.error_in_exec, UsageError)
        assert "Traceback" not in captured.stdout + captured.stderr
        return str(result.error_in_exec)

    @property
    def lab(self) -> Lab:
        magics = self.shell.magics_manager.registry["LabMagics"]
        assert isinstance(magics, LabMagics)
        assert magics.opened is not None
        return magics.opened.lab

    def close(self) -> None:
        unload_ipython_extension(self.shell)
        InteractiveShell.clear_instance()


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("NETWERF_HOME", str(tmp_path / "labs"))
    monkeypatch.setenv("NETWERF_LANG", "en")
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    monkeypatch.chdir(tmp_path)
    return tmp_path / "labs"


@pytest.fixture
def notebook(home: Path) -> Iterator[Notebook]:
    made = Notebook()
    yield made
    made.close()


@pytest.fixture
def bakery(notebook: Notebook) -> Notebook:
    notebook.run(f"lab = %lab {NAME} --seed 7")
    return notebook


def test_lab_shows_order_and_map_and_gives_the_lab(notebook: Notebook) -> None:
    plain, rich = notebook.run(f"lab = %lab {NAME} --seed 7")
    assert "Work order 2026-0417" in plain
    assert "internet ─── gw ─── sw ─┬─ till" in plain
    assert rich.count("<svg") == 1
    assert isinstance(notebook.shell.user_ns["lab"], Lab)


def test_opening_map_does_not_tell_addresses(notebook: Notebook) -> None:
    """Two devices have one address; finding that is the trainee's work."""
    plain, rich = notebook.run(f"%lab {NAME} --seed 7")
    address = str(notebook.lab.variant.placeholders.lookup("terminal.address"))
    assert address not in plain + rich
    assert address in notebook.run("%map --addresses")[1]


def test_lab_alone_in_a_cell_is_shown_once(notebook: Notebook) -> None:
    plain, _ = notebook.run(f"%lab {NAME} --seed 7")
    assert plain.count("Work order") == 1
    assert "Lab object" not in plain
    notebook.shell.user_ns["mine"] = notebook.lab
    assert "seed 7: 0 lines typed" in notebook.run("mine")[0]


def test_lab_speaks_dutch_when_asked(notebook: Notebook) -> None:
    assert "Twee toestellen, één adres" in notebook.run(f"%lab {NAME} --seed 7 --lang nl")[0]


@pytest.mark.parametrize(
    ("cell", "said"),
    [
        ("%check", "no lab is open; open one: %lab NAME"),
        ("%lab no-such-lab", 'there is no scenario "no-such-lab"'),
        (f"%lab {NAME} --sed 7", 'there is no option "--sed"; did you mean "--seed"?'),
        (f"%lab {NAME} --seed", "--seed needs a value"),
        (f"%lab {NAME} --seed ../x", '"../x" is not a seed'),
        (f"%lab {NAME} --lang fr", '"fr" is not a language; allowed: en, nl'),
        (f"%lab {NAME} other", "usage: %lab NAME"),
    ],
)
def test_lab_used_wrongly_says_so_in_one_line(notebook: Notebook, cell: str, said: str) -> None:
    message = notebook.refuse(cell)
    assert said in message
    assert "\n" not in message


def test_cell_on_a_device_reads_like_a_terminal(bakery: Notebook) -> None:
    plain, rich = bakery.run("%%on till\nhostname\necho $HOME {x} '<b>'")
    assert plain == "till:~$ hostname\ntill\ntill:~$ echo $HOME {x} '<b>'\n/root {x} <b>\n"
    assert "<pre" in rich
    assert "&lt;b&gt;" in rich


def test_here_document_and_loop_stay_one_entry_each(bakery: Notebook) -> None:
    bakery.run("%%on till\ncat > /tmp/x <<EOF\none\n\n# two\nEOF\n# a comment\nfor i in 1 2\ndo echo $i\ndone\n")
    lines = [entry.line for entry in bakery.lab.journal]
    assert lines == ["cat > /tmp/x <<EOF\none\n\n# two\nEOF", "for i in 1 2\ndo echo $i\ndone"]


def test_directory_stays_from_line_to_line_and_cell_to_cell(bakery: Notebook) -> None:
    bakery.run("%on till cd /etc")
    assert bakery.run("%on till pwd")[0] == "till:/etc$ pwd\n/etc\n"


def test_unknown_place_types_nothing(bakery: Notebook) -> None:
    assert 'there is no place "til"' in bakery.refuse("%%on til\nhostname")
    assert 'did you mean "till"?' in bakery.refuse("%on til hostname")
    assert "say where" in bakery.refuse("%%on\nhostname")
    assert "stands in the cell" in bakery.refuse("%%on till hostname\nhostname")
    assert len(bakery.lab.journal) == 0


def test_cell_with_comments_alone_types_nothing_and_is_no_mistake(bakery: Notebook) -> None:
    assert "nothing was typed at till" in bakery.run("%%on till\n# here")[0]
    assert len(bakery.lab.journal) == 0


def test_cell_run_twice_says_so_and_types_again(bakery: Notebook) -> None:
    cell = "%%on till\nhostname\nid -u"
    assert "ran before" not in bakery.run(cell)[0]
    plain, rich = bakery.run(cell)
    assert "this cell ran before (entries 1 to 2); its lines were typed again" in plain
    assert 'role="note"' in rich
    assert len(bakery.lab.journal) == 4


def test_cell_that_was_undone_may_run_without_a_notice(bakery: Notebook) -> None:
    bakery.run("%%on till\nhostname")
    bakery.run("%undo")
    assert "ran before" not in bakery.run("%%on till\nhostname")[0]


def test_lab_opened_again_goes_on_and_recognises_its_cells(home: Path) -> None:
    first = Notebook()
    first.run(f"%lab {NAME} --seed 7")
    first.run("%%on till\ntouch /tmp/mark\nhostname")
    first.close()
    second = Notebook()
    plain, _ = second.run(f"%lab {NAME} --seed 7")
    assert "you go on where you stopped: 2 lines were typed again for you" in plain
    plain, _ = second.run("%%on till\ntouch /tmp/mark\nhostname")
    assert "typed in an earlier sitting (entries 1 to 2)" in plain
    assert second.run("%on till ls /tmp")[0].endswith("mark\n")
    second.close()


def test_new_lab_keeps_the_old_file(bakery: Notebook, home: Path) -> None:
    bakery.run("%on till hostname")
    plain, _ = bakery.run(f"%lab {NAME} --seed 7 --new")
    assert "begun again; what you did before is in" in plain
    assert len(bakery.lab.journal) == 0
    kept = [path for path in home.iterdir() if ".bak-" in path.name and not path.name.startswith(".")]
    assert [entry.line for entry in Journal.load(kept[0])] == ["hostname"]


def test_lab_that_another_window_holds_is_refused(notebook: Notebook, home: Path) -> None:
    held = FileLock(autosave_path(NAME, "7"))
    try:
        assert "open in another window" in notebook.refuse(f"%lab {NAME} --seed 7")
    finally:
        held.release()
    notebook.run(f"%lab {NAME} --seed 7")


def test_hands_wait_undo_and_journal(bakery: Notebook) -> None:
    assert "till (host" in bakery.run("%hands look shop")[0]
    assert bakery.run("%%hands\npower off printer\npower on printer")[0].count("printer is") == 2
    assert bakery.run("%wait 10 min")[0] == "hands: wait 10 min\n10 min pass.\n"
    assert "is not a duration" in bakery.refuse("%wait soon")
    assert "wait 10 min" in bakery.run("%undo")[0]
    assert "usage: %undo [N]" in bakery.refuse("%undo all")
    plain, rich = bakery.run("%journal")
    assert "wait 10 min  (undone)" in plain
    assert "<del>wait 10 min</del>" in rich


def test_lead_taken_out_is_seen_by_looking_and_not_on_the_drawing(bakery: Notebook) -> None:
    """The map is the drawing of the plan: what somebody plugged or pulled is for the trainee to find."""
    before, _ = bakery.run("%map")
    bakery.run("%hands unplug till:eth0")
    after, _ = bakery.run("%map")
    assert after == before
    seen, _ = bakery.run("%hands look till")
    assert "empty" in seen


@pytest.mark.slow
def test_why_answers_and_draws_the_way(bakery: Notebook) -> None:
    told, rich = bakery.run("%why laptop 203.0.113.1 tcp 443")
    assert "= delivered: the connection opens" in told
    assert "the way of the packet:" in told
    assert "the way of the packet" in rich
    assert bakery.lab.journal.entries[-1].place == "laptop"
    assert "usage: %why FROM TO" in bakery.refuse("%why")
    assert "devices: internet" in bakery.refuse("%why nobody laptop")


def test_check_shows_table_and_map_and_hint_is_noted(bakery: Notebook) -> None:
    plain, rich = bakery.run("%check")
    assert "the terminal pays" in plain
    assert "not yet: 9 points are needed" in plain
    assert "<table" in rich
    assert "<details" in rich
    assert ">fails<" in rich
    assert len(bakery.lab.journal) == 0
    assert "(1 of 3, costs nothing)" in bakery.run("%hint till-gets-out")[0]
    assert [entry.line for entry in bakery.lab.journal] == ["hint till-gets-out 1"]
    assert 'there is no check "x"' in bakery.refuse("%hint x")


@pytest.mark.slow
def test_submission_is_written_and_judged(bakery: Notebook, tmp_path: Path) -> None:
    bakery.run("%on till hostname")
    plain, _ = bakery.run("%submit mine.netwerf")
    assert "mine.netwerf is written" in plain
    assert "of 11 points" in plain
    assert [entry.line for entry in Journal.load(tmp_path / "mine.netwerf")] == ["hostname"]

"""`netwerf tour`: one lab, played from work order to grade; every line is really typed and every answer is real."""

from __future__ import annotations

import sys
import time
from contextlib import closing
from pathlib import Path

from grader import check, grade
from grader.report.as_text import grade_lines
from labs.lab import HANDS, Lab, open_lab
from labs.shell.bash import logical_lines
from labs.ui.desk import debrief, next_hint, work_order
from labs.ui.map import text_map
from labs.ui.storage import home, is_writable, write_whole
from labs.ui.style import Refusal, Screen, marked

__all__ = ["tour"]

SCENARIO = "bakery-address-clash"
SEED = 7
PAUSE_S = 0.25  # between lines, where a person watches

SEARCH = (
    ("laptop", marked("Does the terminal answer?"), ("ping -c 2 ${terminal.address}",)),
    (
        "laptop",
        marked("Who says that this address is his? One owner, one hardware address."),
        ("arping -c 3 -I eth0 ${terminal.address}",),
    ),
    (
        "printer",
        marked("The second one is the printer. Where does it get that address from?"),
        ("cat /etc/network/interfaces",),
    ),
    (
        "till",
        marked("And the till: where does it send what is not in its own network?"),
        ("ip route", "ping -c 1 ${gw.office.address}"),
    ),
)


def tour(screen: Screen) -> int:
    """Play the lab. 0 where the repair passes, which the proof of the scenario promises. Raises Refusal."""
    folder = home() / "tour"
    if not is_writable(folder):
        raise Refusal("{folder} cannot be written; set NETWERF_HOME to a folder of yours", folder=folder)
    with closing(open_lab(SCENARIO, seed=SEED)) as lab:
        return _Walk(screen, lab, folder).walk()


class _Walk:
    def __init__(self, screen: Screen, lab: Lab, folder: Path) -> None:
        self._screen = screen
        self._lab = lab
        self._folder = folder
        self._pause = PAUSE_S if sys.stdout.isatty() else 0.0

    def walk(self) -> int:
        """The whole of it."""
        show, lab, screen = self._screen.show, self._lab, self._screen
        for line in ["", *work_order(lab, screen), ""]:
            show(line)
        show(text_map(lab.drawing(), addresses=False, language=screen.language, width=screen.width).rstrip("\n"))
        self._tell(marked("First look, then touch. Commands are those of any Linux machine."))
        for place, why, lines in SEARCH:
            self._tell(why)
            for line in lines:
                self._type(place, lab.variant.placeholders.fill(line))
        self._tell(marked("What does the site say of itself? `check` judges what people need, and gives nothing away."))
        self._check()
        self._tell(marked("A hint costs nothing."))
        for hint in next_hint(lab, check(lab)):
            screen.paragraph(hint.render(screen))
        self._tell(marked("The repair: one of those that the author wrote down; any other that works earns the same."))
        for place, text in lab.variant.steps(lab.scenario.solution):
            for line in logical_lines(text):
                self._type(place, line)
        self._check()
        return self._submit()

    def _submit(self) -> int:
        screen, lab = self._screen, self._lab
        path = self._folder / f"{lab.scenario.id}-{lab.seed}.netwerf"
        write_whole(path, lab.journal.dumps())
        self._tell(marked("The submission is the list of typed lines. Anyone can replay it and gets the same grade:"))
        screen.show(f"$ netwerf grade {path}")
        graded = grade(path)
        for line in grade_lines(graded, screen.language, screen.room):
            screen.verdict(line)
        if debrief(lab, screen):
            screen.show()
            screen.paragraph(debrief(lab, screen))
        self._tell(marked("Now you:"))
        rows = (
            (f"netwerf play {SCENARIO} --seed 8", marked("the same trouble with other addresses")),
            ("netwerf list", marked("the other labs")),
            ("netwerf notebook", marked("the labs in JupyterLab")),
            ("netwerf new my-first-lab", marked("a lab of your own that proves itself")),
        )
        for command, why in rows:
            screen.show(f"  {command:<46}{screen.phrase(why)}")
        return graded.exit_code

    def _tell(self, template: str) -> None:
        self._screen.show()
        self._screen.paragraph(f"# {self._screen.phrase(template)}", indent="")
        time.sleep(self._pause)

    def _type(self, place: str, line: str) -> None:
        prompt = f"{place}> " if place == HANDS else f"{place}:~$ "
        self._screen.show(prompt, newline=False, fg="green")
        self._screen.show(line.replace("\n", "\n> "))
        time.sleep(self._pause)
        output = self._lab.run(place, line)
        text = output.in_language(self._screen.language)
        if text:
            self._screen.show(text, newline=not text.endswith("\n"))
        time.sleep(self._pause)

    def _check(self) -> None:
        self._screen.show("check", bold=True)
        for line in grade_lines(check(self._lab), self._screen.language, self._screen.room):
            self._screen.verdict(line)
        time.sleep(self._pause)

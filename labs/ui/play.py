"""`netwerf play`: a lab in the terminal. Opens it or goes on with it, and types lines until somebody leaves."""

from __future__ import annotations

import contextlib
import os
import re
from pathlib import Path
from typing import Any

from labs.engines.base import CommandRejected
from labs.journal import DESK, JournalError
from labs.lab import HANDS, Lab
from labs.messages import language
from labs.shell.bash import is_complete
from labs.ui.catalogue import scenario_named
from labs.ui.command import fault_line
from labs.ui.desk import first_place, work_order
from labs.ui.opening import Opened, open_or_resume
from labs.ui.reading import Completion, Reader, interruptible, read_whole, reader_for
from labs.ui.storage import home, is_writable
from labs.ui.style import Refusal, Screen, marked
from labs.ui.words import WORDS, Desk, clock, is_place, is_word

__all__ = ["Terminal", "play"]

ADDRESSED = re.compile(r"([a-z][a-z0-9-]*):(?:[ \t]+(.*))?", re.DOTALL)
MAX_TRAINEE = 60
FIRST_WORDS = ("help", "map", "on", "look", "check", "hint", "undo", "submit")


def play(screen: Screen, *, scenario: str, seed: str, new: bool, trainee: str, engine: str) -> int:
    """Work in a lab until the end of the lines. Raises Refusal, ScenarioError, LabInUse."""
    if len(trainee) > MAX_TRAINEE:
        raise Refusal("the name of a trainee has at most {most} characters", most=MAX_TRAINEE)
    named, folder = scenario_named(scenario), _folder(screen)
    opened = open_or_resume(named, seed, new=new, trainee=trainee, folder=folder, engine=engine)
    with contextlib.closing(opened):
        terminal = Terminal(opened.lab, screen, called=scenario)
        terminal.banner()
        _tell(screen, opened, trainee)
        terminal.work()
    return 0


def _folder(screen: Screen) -> Path:
    """HOME, or this folder where nothing can be written there. Raises Refusal."""
    wanted = home()
    if is_writable(wanted):
        return wanted
    here = Path.cwd()
    if not is_writable(here):
        raise Refusal(
            "neither {wanted} nor {here} can be written; set NETWERF_HOME to a folder of yours",
            wanted=wanted,
            here=here,
        )
    screen.warn("{wanted} cannot be written; the lab is kept in {here}", wanted=wanted, here=here)
    return here


def _tell(screen: Screen, opened: Opened, trainee: str) -> None:
    """Where the lab stands, and what there is to notice."""
    lab = opened.lab
    if lab.journal.entries:
        screen.say(
            "  You go on where you stopped: {lines} lines replayed, {time} of simulated time ({file}).",
            lines=opened.replayed,
            time=clock(lab.now_ns),
            file=lab.journal.path,
        )
    for notice in opened.notices:
        screen.say("  Notice: {notice}", notice=notice)
    if trainee and trainee != lab.journal.header.trainee:
        screen.say("  Notice: this lab was begun as {name}; that stays.", name=lab.journal.header.trainee or "-")
    if lab.journal.entries or opened.notices:
        screen.show()


class Terminal:
    """A person, or a file of lines, in a lab."""

    def __init__(self, lab: Lab, screen: Screen, *, called: str) -> None:
        self.lab = lab
        self.screen = screen
        self.desk = Desk(lab, screen, self.type_line)
        self.desk.place = first_place(lab)
        self._called = called

    def banner(self) -> None:
        """Who waits for what, the map, and the words."""
        show = self.screen.show
        show()
        for line in work_order(self.lab, self.screen):
            show(line)
        show()
        self.desk.map_([])
        show()
        words = self.screen.phrase("  type  {words}  or any command of the device", words=" · ".join(FIRST_WORDS))
        if len(words) <= self.screen.width + 2:
            show(words)
        else:
            self.screen.paragraph(words)
        show()

    def work(self) -> None:
        """Read lines and answer them until the end."""
        typed = [entry.line for entry in self.lab.journal.effective() if entry.place != DESK]
        colour = not os.environ.get("NO_COLOR")
        reader = reader_for(typed, self.complete, colour=colour)
        while not self.desk.leaving:
            try:
                line = read_whole(reader, self.prompt(), self._open_ended)
            except KeyboardInterrupt:
                self.screen.show("^C")
                continue
            if line is None:
                if reader.person:
                    self.screen.show()
                break
            try:
                self.answer(line, reader)
            except KeyboardInterrupt:
                self._as_before("^C")
        self._goodbye()

    def prompt(self) -> str:
        """`laptop:~$ `."""
        place = self.desk.place
        session = getattr(self.lab.engine, "session", None)
        if place == HANDS or session is None:
            return f"{place}> " if place == HANDS else f"{place}:~$ "
        directory: str = session(place).directory
        if directory == "/root" or directory.startswith("/root/"):
            directory = "~" + directory[len("/root") :]
        return f"{place}:{directory}$ "

    def _open_ended(self, text: str) -> bool:
        place, line = self._addressed(text)
        return place != HANDS and is_word(self.lab, place, line) is None and not is_complete(line)

    def _addressed(self, text: str) -> tuple[str, str]:
        """`PLACE: line` is typed there; anything else here."""
        match = ADDRESSED.fullmatch(text)
        if match is not None and match[1] in self.lab.places:
            return match[1], match[2] or ""
        return self.desk.place, text

    def answer(self, text: str, reader: Reader) -> None:
        """Do what one line asks, whatever becomes of it."""
        text = text.encode("utf-8", "replace").decode()  # lone surrogates of a paste
        place, line = self._addressed(text)
        if not line.strip():
            return
        if place == self.desk.place and is_place(self.lab, place, line.strip()):
            line = f"on {line.strip()}"
        word = is_word(self.lab, place, line)
        here, self.desk.place = self.desk.place, place
        try:
            if word is None:
                self.type_line(place, line)
            else:
                self._at_desk(word, line, reader)
        finally:
            if word != "on":
                self.desk.place = here

    def _at_desk(self, word: str, line: str, reader: Reader) -> None:
        try:
            with interruptible():
                self.desk.answer(word, line, person=reader.person)
        except Refusal as refusal:
            for row in self.screen.folded(f"  {refusal.message.in_language(self.screen.language)}"):
                self.screen.show(row)
        except (JournalError, CommandRejected) as error:
            self.screen.show(f"  {error}")
        except KeyboardInterrupt:
            self._as_before(marked("^C stopped."))
        except Exception as error:  # noqa: BLE001 - a bug of ours must not take the lab with it
            self.screen.show(fault_line(self.screen, error), err=True)
            self._as_before("")

    def type_line(self, place: str, line: str) -> None:
        """Type a line of a device or of the hands and show the answer. What could not be finished never happened."""
        try:
            with interruptible():
                output = self.lab.run(place, line)
        except KeyboardInterrupt:
            self._as_before(marked("^C stopped; that line does not count and has changed nothing."))
        except (CommandRejected, JournalError) as error:
            self.screen.show(f"  {error}")
            self._as_before("")
        except OSError as error:
            self._as_before(
                marked("{file} cannot be written ({error}); that line does not count."),
                file=self.lab.journal.path,
                error=error,
            )
        except Exception as error:  # noqa: BLE001 - a bug of ours must not take the lab with it
            self.screen.show(fault_line(self.screen, error), err=True)
            self._as_before(marked("That line does not count; the site is as it was before."))
        else:
            text = output.in_language(self.screen.language)
            if text:
                self.screen.show(text, newline=not text.endswith("\n"))

    def _as_before(self, template: str, **values: object) -> None:
        with interruptible(at_all=False):
            self.lab.restore()
        if template:
            self.screen.say(template, **values)

    def complete(self, line: str, cursor: int) -> list[Completion]:
        """What Tab offers: words and places first, then what the device knows."""
        before = line[:cursor]
        words = before.split()
        last = "" if not before or before[-1].isspace() else words[-1]
        offers: list[Completion] = []
        if len(words) - bool(last) == 0:
            offers = [(word + " ", len(last)) for word in WORDS if word.startswith(last)] if last else []
        elif words[0] in ("on", "power", "look", "patch", "unplug", "hint"):
            return [(name, len(last)) for name in self._names(words[0]) if name.startswith(last)]
        place, rest = self._addressed(before)
        node = getattr(self.lab.engine, "node", None)
        if place == HANDS or node is None:
            return offers
        return offers + _of_device(self.lab, place, rest)

    def _names(self, word: str) -> list[str]:
        devices = self.lab.variant.healthy.devices
        if word == "on":
            return self.lab.places
        if word == "hint":
            return list(self.lab.scenario.hints)
        if word == "power":
            return ["on", "off", "cycle", *devices]
        if word == "look":
            return [*devices, *dict.fromkeys(device.room for device in devices.values() if device.room)]
        return [f"{device.name}:{port.name}" for device in devices.values() for port in device.ports]

    def _goodbye(self) -> None:
        path = self.lab.journal.path
        if not len(self.lab.journal):
            self.screen.say("Nothing was typed, so there is nothing to keep.")
            return
        again = f"netwerf play {self._called} --seed {self.lab.seed}"
        again += f" --engine {self.lab.engine.name}" if self.lab.engine.name != "sim" else ""
        again += f" --lang {self.screen.language}" if self.screen.language != language() else ""
        self.screen.say("Everything is kept in {file}.", file=path)
        self.screen.say("Go on with: {again}", again=again)


def _of_device(lab: Lab, place: str, line: str) -> list[Completion]:
    """What the shell of a device offers."""
    from labs.shell.completion import complete

    engine: Any = lab.engine
    if not hasattr(engine, "session"):
        return []
    typed = "" if not line or line[-1].isspace() else line.rsplit(maxsplit=1)[-1]
    offers = complete(engine.node(place), line, len(line), engine.session(place).directory)
    return [(offer, len(typed)) for offer in offers]

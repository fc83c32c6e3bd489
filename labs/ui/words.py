"""The words of the terminal: what can be typed in `netwerf play` besides the commands of a device."""

from __future__ import annotations

import posixpath
import shlex
from collections.abc import Callable
from typing import Any

from labs.journal import DESK
from labs.lab import HANDS, Lab
from labs.model.durations import format_duration, parse_duration
from labs.model.services import SERVICES
from labs.model.site import Kind
from labs.shell.bash.programs import where
from labs.ui.desk import debrief, hand_in, next_hint, submission_path, work_order
from labs.ui.passing import passing_line
from labs.ui.style import Refusal, Screen, columns, marked, near

__all__ = ["BY_HAND", "WORDS", "Desk", "asked_at", "clock", "is_place", "is_word"]

WORDS: dict[str, tuple[str, str]] = {
    "help": ("help", marked("this list")),
    "story": ("story", marked("the work order again")),
    "map": ("map", marked("the drawing of the site; look tells what is really plugged")),
    "places": ("places", marked("where you can go")),
    "on": (marked("on PLACE"), marked("go to a device, or to `hands`; `PLACE: line` types one line there")),
    "look": (marked("look [ROOM|DEVICE]"), marked("what stands where, which lamps burn, where leads go")),
    "patch": (marked("patch DEVICE:PORT DEVICE:PORT"), marked("put a lead between two ports")),
    "unplug": (marked("unplug DEVICE:PORT"), marked("take a lead out")),
    "power": (marked("power on|off|cycle DEVICE"), marked("switch a device")),
    "open": (marked("open window ROOM [50%]"), marked("open a window; close window ROOM shuts it")),
    "close": (marked("close window ROOM"), marked("close a window")),
    "heat": (marked("heat DEVICE CELSIUS|off"), marked("hair dryer or ice water on the probe of a device")),
    "move": (marked("move DEVICE shade|sun|…"), marked("hang a probe elsewhere in its room")),
    "rewire": (marked("rewire LINE swap|mend|…"), marked("put an analogue line right")),
    "replace": (marked("replace battery DEVICE"), marked("a new battery")),
    "terminate": (
        marked("terminate BUS start|end [off]"),
        marked("put the resistor at an end of a bus, or take it out"),
    ),
    "bias": (marked("bias BUS start|end [off]"), marked("switch the bias of a bus on or off")),
    "swap": (marked("swap DEVICE a b"), marked("exchange the two wires of a bus at a device")),
    "dip": (marked("dip DEVICE address 5"), marked("set the switches on the front of a device on a bus")),
    "meter": (marked("meter DEVICE ohm|volt"), marked("measure between the two wires of a bus")),
    "wait": ("wait 10 min", marked("let simulated time pass")),
    "why": (
        marked("why [FROM] TO [SERVICE|tcp PORT|udp PORT]"),
        marked("what would become of a packet, and its way on the map; nothing is sent"),
    ),
    "truth": (marked("truth DEVICE[:PART] [2 h]"), marked("what a room was like, and what a thing makes of it")),
    "edit": (marked("edit FILE"), marked("change a file of the device; nano FILE and vi FILE do the same")),
    "check": ("check", marked("have the site judged as it is now; costs nothing")),
    "hint": ("hint [CHECK]", marked("the next hint; costs nothing")),
    "undo": ("undo [N]", marked("take back the last line, or the last N")),
    "journal": ("journal", marked("what you typed so far")),
    "submit": (marked("submit [FILE]"), marked("write the submission and have it judged")),
    "exit": ("exit", marked("stop; everything is kept (also: quit, Ctrl-D)")),
}
ALIASES = {"quit": "exit"}
EDITORS = ("nano", "vi", "vim")
ON_BUSES = ("terminate", "bias", "swap", "dip", "meter")
ON_THINGS = ("open", "close", "heat", "move", "replace", "truth")
BY_HAND = ("look", "patch", "unplug", "power", "open", "close", "heat", "move", "rewire", "replace", *ON_BUSES, "wait")


def is_word(lab: Lab, place: str, line: str) -> str | None:
    """The word that a line begins with, or None where the line belongs to the device (or to the hands)."""
    first, *rest = line.split() or [""]
    word = ALIASES.get(first, first)
    if place == HANDS:
        return word if word in WORDS and word not in BY_HAND else None
    editor = rest[0] if first == "sudo" and rest else first
    if editor in EDITORS and not _exists(lab, place, editor):
        return "edit"
    if word == "wait":  # `wait`, `wait %1` and `wait 1234` are the shell's
        return word if rest and _is_duration(" ".join(rest)) else None
    if word == "help" and rest and rest[0] not in WORDS:
        return None
    if word in BY_HAND and _exists(lab, place, word):
        return None
    if word == "why" and set(line) & set("|<>;&$`"):  # more than the one question: the shell's
        return None
    return word if word in WORDS else None


def is_place(lab: Lab, place: str, line: str) -> bool:
    """Whether a line is nothing but the name of a place, so that whoever typed it wants to go there."""
    return line in lab.places and line not in WORDS and (place == HANDS or not _exists(lab, place, line))


def _is_duration(text: str) -> bool:
    try:
        return parse_duration(text) > 0
    except ValueError:
        return False


def _exists(lab: Lab, place: str, name: str) -> bool:
    node = getattr(lab.engine, "node", None)
    return node is not None and where(node(place), name) is not None


def asked_at(lab: Lab, place: str, words: list[str]) -> tuple[str, str]:
    """Where a `why` is typed, and the line: at the device that it names first, else here. Raises Refusal."""
    devices = lab.variant.healthy.devices
    version, words = (words[:1], words[1:]) if words[:1] in (["-4"], ["-6"]) else ([], words)
    if len(words) > 1 and words[0] in devices and not _is_service(words[1]):
        place, words = words[0], words[1:]
    if place not in devices:
        raise Refusal(
            "say which device would send: why FROM TO; devices: {devices}{near}",
            devices=", ".join(devices),
            near=near(words[0], list(devices)) if words else "",
        )
    return place, shlex.join(["why", *version, *words])


def _is_service(word: str) -> bool:
    return word in ("icmp", "tcp", "udp", *SERVICES) or word.startswith(("tcp/", "udp/"))


class Desk:
    """Answers the words. `type_line` types a line at a place and shows the answer; `go` changes the place."""

    def __init__(self, lab: Lab, screen: Screen, type_line: Callable[[str, str], None]) -> None:
        self.lab = lab
        self.screen = screen
        self.place = HANDS
        self.leaving = False
        self.called = lab.scenario.id
        self._type = type_line

    def answer(self, word: str, line: str, *, person: bool) -> None:
        """Do what a word asks. Raises Refusal."""
        try:
            rest = shlex.split(line)[1:]
        except ValueError:
            rest = line.split()[1:]
        if word in BY_HAND:
            self._type(HANDS, line.strip())
        elif word == "edit":
            self.edit(rest[1:] if line.split(maxsplit=1)[0] == "sudo" else rest, person=person)
        else:
            getattr(self, word if word not in ("exit", "map") else f"{word}_")(rest)

    # Where things are

    def help(self, rest: list[str]) -> None:
        """The words."""
        phrase = self.screen.phrase
        chosen = [word for word in rest if word in WORDS] or [w for w in WORDS if self._has_use(w)]
        for line in columns([(f"  {phrase(WORDS[word][0])}", phrase(WORDS[word][1])) for word in chosen]):
            self.screen.show(line)
        if not rest:
            self.screen.say("  Everything else is typed at {place}, as on a real device.", place=self.place)

    def _has_use(self, word: str) -> bool:
        """Whether there is anything on this site that the word is for."""
        site = self.lab.variant.healthy
        if word in ON_BUSES:
            return bool(site.buses)
        if word == "rewire":
            return bool(site.loops)
        return word not in ON_THINGS or any(d.kind in (Kind.SENSOR, Kind.ACTUATOR) for d in site.devices.values())

    def story(self, rest: list[str]) -> None:
        """The work order."""
        del rest
        for line in work_order(self.lab, self.screen):
            self.screen.show(line)

    def map_(self, rest: list[str]) -> None:
        """Devices and leads as they are; addresses are for `ip` to tell."""
        from labs.ui.map import text_map

        del rest
        drawing = text_map(self.lab.drawing(), addresses=False, language=self.screen.language, width=self.screen.width)
        self.screen.show(drawing.rstrip("\n"))

    def why(self, rest: list[str]) -> None:
        """Ask at the sender, then draw. Raises Refusal."""
        from labs.ui.map import text_map, way_of

        place, line = asked_at(self.lab, self.place, rest)
        engine: Any = self.lab.engine
        engine.foreseen = None
        self._type(place, line)
        if engine.foreseen is not None:
            site, language = self.lab.drawing(), self.screen.language
            way = way_of(site, engine.foreseen)
            drawing = text_map(site, addresses=False, language=language, width=self.screen.width, way=way)
            self.screen.show()
            self.screen.show(drawing.rstrip("\n"))

    def truth(self, rest: list[str]) -> None:
        """Truth against reading, in numbers."""
        from labs.ui.truth import compare, plot_text, span_of

        if not rest:
            raise Refusal("usage: truth DEVICE[:PART] [2 h]")
        self.screen.show(plot_text(compare(self.lab, rest[0], span_of(rest[1:])), self.screen.language))

    def places(self, rest: list[str]) -> None:
        """Every place with its kind, room and purpose."""
        del rest
        devices = self.lab.variant.healthy.devices.values()
        rows = [
            (
                "* " if device.name == self.place else "  ",
                device.name,
                self.screen.phrase(str(device.kind)),
                device.room,
                device.purpose.in_language(self.screen.language),
            )
            for device in devices
        ]
        mark = "* " if self.place == HANDS else "  "
        rows.append((mark, HANDS, "", "", self.screen.phrase("your own: look, patch, unplug, power, wait")))
        for line in columns(rows):
            self.screen.show(line)

    def on(self, rest: list[str]) -> None:
        """Go somewhere. Raises Refusal."""
        if len(rest) != 1:
            raise Refusal("on PLACE goes somewhere; places: {places}", places=", ".join(self.lab.places))
        if rest[0] not in self.lab.places:
            raise Refusal(
                'there is no place "{place}"; places: {places}{near}',
                place=rest[0],
                places=", ".join(self.lab.places),
                near=near(rest[0], self.lab.places),
            )
        self.place = rest[0]

    # What was done

    def journal(self, rest: list[str]) -> None:
        """The lines that count, with the simulated time of each."""
        del rest
        typed = [entry for entry in self.lab.journal.effective() if entry.place != DESK]
        if not typed:
            self.screen.say("  Nothing was typed yet.")
        rows = [(f"{entry.n:>5}", clock(entry.at_ns), f"{entry.place}:", _first_line(entry.line)) for entry in typed]
        for line in columns(rows):
            self.screen.show(line)

    def undo(self, rest: list[str]) -> None:
        """Take lines back. Raises Refusal."""
        if len(rest) > 1 or (rest and not (rest[0].isdecimal() and 0 < int(rest[0]) < 10_000)):
            raise Refusal("undo takes a number of lines, such as: undo 2")
        gone = self.lab.undo(int(rest[0]) if rest else 1)
        if not gone:
            self.screen.say("There is nothing to take back.")
        for entry in gone:
            self.screen.say("taken back: {place}: {line}", place=entry.place, line=_first_line(entry.line))

    # What it is worth

    def check(self, rest: list[str]) -> None:
        """The verdicts on the site as it is now."""
        from grader import check
        from grader.report.as_text import grade_lines

        del rest
        with passing_line(self.screen) as line:
            judged = check(self.lab, watch=line.judging)
        for row in grade_lines(judged, self.screen.language, self.screen.room):
            self.screen.verdict(row)

    def hint(self, rest: list[str]) -> None:
        """The next hint. Raises Refusal."""
        from grader import check

        if len(rest) > 1:
            raise Refusal(
                "hint takes the name of one check, such as: hint {check}", check=self.lab.scenario.checks[0].id
            )
        chosen = rest[0] if rest else None
        titles = {each.id: each.title for each in self.lab.scenario.checks}
        with passing_line(self.screen) as line:
            judged = check(self.lab, watch=line.judging)
        for hint in next_hint(self.lab, judged, chosen):
            title = titles[hint.check]
            name = title.in_language(self.screen.language) if title is not None else hint.check.replace("-", " ")
            self.screen.paragraph(f"{name}: {hint.render(self.screen)}")

    def submit(self, rest: list[str]) -> None:
        """Write the submission, judge it from the file, and say what comes next. Raises Refusal."""
        from grader import grade
        from grader.report.as_text import grade_lines
        from grader.verdict import Outcome

        target = submission_path(self.lab, " ".join(rest))
        aside = hand_in(self.lab, target)
        if aside is not None:
            self.screen.say("Another file of that name is now {file}.", file=aside)
        with passing_line(self.screen) as line:
            graded = grade(target, scenario=self.lab.scenario, watch=line.judging)
        for row in grade_lines(graded, self.screen.language, self.screen.room):
            self.screen.verdict(row)
        self.screen.say("  The submission is {file}.", file=target)
        if graded.outcome is Outcome.PASSED:
            self.screen.show()
            self.screen.paragraph(debrief(self.lab, self.screen) or self.screen.phrase("Well done."))
            self.screen.say(
                "  Hand in that file. Another lab: netwerf list. The same with other faults: --seed {seed}",
                seed=_next_seed(self.lab),
            )
        elif graded.outcome is Outcome.BELOW:
            self.screen.say("  You can go on and submit again; `hint` helps.")

    def exit_(self, rest: list[str]) -> None:
        """Stop."""
        del rest
        self.leaving = True

    # Files

    def edit(self, rest: list[str], *, person: bool) -> None:
        """Change a file in an editor; the change is typed as one here-document. Raises Refusal."""
        from labs.ui.editor import edited

        if self.place == HANDS:
            raise Refusal("hands have no files; go to a device first: on {place}", place=self.lab.places[0])
        names = [word for word in rest if word[:1] not in ("-", "+")]  # options and line numbers of nano and vi
        if len(names) != 1:
            raise Refusal("edit takes the name of one file, such as: edit /etc/network/interfaces")
        if not person:
            raise Refusal("edit needs a terminal; without one: cat > {file} <<'EOF', the new text, EOF", file=names[0])
        path, old = self._file(names[0])
        new = edited(path, old, self.screen)
        if new is None or new == old:
            self.screen.say("{file} stays as it is.", file=path)
            return
        self._type(self.place, here_document(path, new))

    def _file(self, name: str) -> tuple[str, str]:
        """Its full path and its text; a file that does not exist is empty."""
        engine = self.lab.engine
        node, session = getattr(engine, "node", None), getattr(engine, "session", None)
        if node is None or session is None:
            raise Refusal("edit works on the engine sim alone")
        if not node(self.place).powered:
            raise Refusal("{place} has no power", place=self.place)
        home = "/root" + name[1:] if name == "~" or name.startswith("~/") else name
        path = posixpath.normpath(posixpath.join(session(self.place).directory, home))
        files = node(self.place).files
        if files.is_directory(path):
            raise Refusal("{file} is a folder", file=path)
        return path, files.get(path) or ""


def here_document(path: str, text: str) -> str:
    r"""One line of the journal that writes a file.

    >>> here_document("/etc/motd", "hello")
    "cat > /etc/motd <<'EOF'\nhello\nEOF"
    """
    lines = text.replace("\r\n", "\n").removesuffix("\n").split("\n")
    delimiter = "EOF"
    while delimiter in lines:
        delimiter += "_"
    body = [] if lines == [""] else lines
    return "\n".join([f"cat > {shlex.quote(path)} <<'{delimiter}'", *body, delimiter])


def clock(at_ns: int) -> str:
    """Simulated time down to whole seconds."""
    return format_duration(at_ns // 1_000_000_000 * 1_000_000_000) if at_ns >= 1_000_000_000 else "0 s"


def _first_line(line: str) -> str:
    first, newline, _ = line.partition("\n")
    return f"{first} …" if newline else first


def _next_seed(lab: Lab) -> str:
    return str(int(lab.seed) + 1) if lab.seed.isdecimal() else "1"

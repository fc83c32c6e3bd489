"""The magics of the notebook: `%load_ext labs`, then `%lab`, `%%on`, `%hands`, `%check` and the rest.

A magic types lines into the lab that is open, or shows something of it. The journal is the same file as the terminal's.
"""

from __future__ import annotations

import functools
import re
import shlex
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from IPython.core.error import UsageError
from IPython.core.interactiveshell import InteractiveShell
from IPython.core.magic import Magics, line_cell_magic, line_magic, magics_class, no_var_expand
from IPython.display import display

from labs.engines.base import CommandRejected
from labs.journal import DESK, JournalError
from labs.lab import HANDS, Lab
from labs.messages import Message
from labs.model.durations import parse_duration
from labs.model.text import LANGUAGES
from labs.scenario.library import scenario_files
from labs.scenario.scenario import ScenarioError
from labs.scenario.schema import suggest
from labs.ui import html
from labs.ui.command import SEED
from labs.ui.html import Shown, Typed
from labs.ui.opening import Opened, open_or_resume
from labs.ui.storage import LabInUse
from labs.ui.style import Refusal, Screen, marked

__all__ = ["LabMagics", "load_ipython_extension", "unload_ipython_extension"]

USAGE = "usage: %lab NAME [--seed N] [--new] [--lang en|nl] [--trainee NAME]"
MAGICS = "LabMagics"
MAGIC_WORDS = (
    "%%on PLACE, %hands, %check, %hint, %map, %why, %dashboard, %truth, %undo, %wait 10 min, %journal, %story, %submit"
)


def load_ipython_extension(ipython: InteractiveShell) -> None:
    """`%load_ext labs`."""
    magics = LabMagics(ipython)
    ipython.register_magics(magics)
    # A lab that a cell ends with introduces itself; `%lab` alone has shown it already.
    formatter = ipython.display_formatter.ipython_display_formatter  # type: ignore[union-attr]
    formatter.for_type(Lab, magics.show_lab)


def unload_ipython_extension(ipython: InteractiveShell) -> None:
    """`%unload_ext labs`: the lab that is open is given back; its file stays."""
    magics = ipython.magics_manager.registry.get(MAGICS)
    if isinstance(magics, LabMagics):
        magics.close()


@contextmanager
def _in_one_line(screen: Screen) -> Iterator[None]:
    """Mistakes of the person at the keyboard become one line, and the cell fails; the rest is ours and says so."""
    try:
        yield
    except Refusal as refusal:
        raise UsageError(refusal.message.in_language(screen.language)) from None
    except ScenarioError as error:
        told = [
            problem.render(error.file, screen.language) if problem.line else problem.said(screen.language)
            for problem in error.problems
        ]
        raise UsageError("\n".join(told)) from None
    except (CommandRejected, JournalError, LabInUse) as error:
        raise UsageError(str(error)) from None


def _careful(magic: Callable[..., Any]) -> Callable[..., Any]:
    """A magic whose mistakes are told in one line."""

    @functools.wraps(magic)
    def run(self: LabMagics, *arguments: Any) -> Any:
        with _in_one_line(self.screen):
            return magic(self, *arguments)

    return run


@magics_class
class LabMagics(Magics):
    """One lab at a time, as one trainee has one pair of hands."""

    def __init__(self, shell: InteractiveShell) -> None:
        super().__init__(shell)
        self.screen = Screen()
        self.opened: Opened | None = None
        self._shown: Lab | None = None
        self._cells: dict[str, list[int]] = {}  # cell -> numbers of the entries it typed when it ran last
        self._sitting = 0  # entries that were there when the lab was opened

    def close(self) -> None:
        """Give the lab back."""
        if self.opened is not None:
            self.opened.close()
            self.opened = None

    def show_lab(self, lab: Lab) -> None:
        """What stands below a cell that ends with a lab."""
        if lab is self._shown:
            self._shown = None
            return
        typed = sum(entry.place != DESK for entry in lab.journal.effective())
        about = self.screen.phrase(
            "lab {name}, seed {seed}: {count} lines typed", name=lab.scenario.id, seed=lab.seed, count=typed
        )
        display(html.words(about))

    @property
    def _lab(self) -> Lab:
        if self.opened is None:
            known = ", ".join(path.stem for path in scenario_files())
            raise Refusal("no lab is open; open one: %lab NAME   (there are: {labs})", labs=known)
        return self.opened.lab

    # The lab

    @line_magic
    @_careful
    def lab(self, line: str) -> Lab | None:
        """Open a lab, or go on with it: `%lab bakery-address-clash --seed 7`. `--new` begins again."""
        words = _words(line)
        if not words:
            self._show_order(self._lab, [])
            return None
        name, seed, new, trainee = self._options(words)
        notices: list[Message | str] = []
        if self._is_open(name, seed) and not new:
            notices.append(self.screen.phrase("this lab was open already; it is as you left it"))
        else:
            self.close()
            self.opened = open_or_resume(name, seed, new=new, trainee=trainee)
            self._cells.clear()
            self._sitting = len(self.opened.lab.journal)
            notices += self.opened.notices
            if self.opened.replayed:
                notices.append(
                    self.screen.phrase(
                        "you go on where you stopped: {count} lines were typed again for you; "
                        "%lab {name} --seed {seed} --new begins anew",
                        count=self.opened.replayed,
                        name=name,
                        seed=seed,
                    )
                )
        lab = self._lab
        self._show_order(lab, notices)
        self._shown = lab  # the cell may end with it
        return lab

    def _is_open(self, name: str, seed: str) -> bool:
        return self.opened is not None and (self.opened.lab.scenario.id, self.opened.lab.seed) == (name, seed)

    def _show_order(self, lab: Lab, notices: Sequence[Message | str]) -> None:
        language = self.screen.language
        told = [notice.in_language(language) if isinstance(notice, Message) else notice for notice in notices]
        parts = [html.story(lab, self.screen), *(html.words(text, loud=True) for text in told)]
        # As a visitor sees it: boxes and leads. Addresses are what the trainee has to ask for.
        parts.append(html.site_map(lab.drawing(), self.screen, addresses=False))
        rows = [(self.screen.phrase("places"), ", ".join(lab.places)), (self.screen.phrase("magics"), MAGIC_WORDS)]
        display(html.together([*parts, html.pairs(rows)]))

    def _options(self, words: list[str]) -> tuple[str, str, bool, str]:
        values = {"--seed": "0", "--lang": self.screen.language, "--trainee": ""}
        names, new, rest = [], False, list(words)
        while rest:
            word, equals, value = rest.pop(0).partition("=")
            if word == "--new" and not equals:
                new = True
            elif word in values:
                if not equals and not rest:
                    raise Refusal("{option} needs a value; {usage}", option=word, usage=USAGE)
                values[word] = value if equals else rest.pop(0)
            elif word.startswith("-"):
                near = suggest(word, [*values, "--new"])
                raise Refusal('there is no option "{option}"{near}; {usage}', option=word, near=near, usage=USAGE)
            else:
                names.append(word)
        if len(names) != 1:
            raise Refusal("{usage}", usage=USAGE)
        if values["--lang"] not in LANGUAGES:
            raise Refusal(
                '"{value}" is not a language; allowed: {words}', value=values["--lang"], words=", ".join(LANGUAGES)
            )
        if not SEED.fullmatch(values["--seed"]):
            raise Refusal(
                '"{value}" is not a seed; allowed: a number or a word of small letters, digits, - and _ (at most 40)',
                value=values["--seed"],
            )
        self.screen = Screen(values["--lang"])
        return names[0], values["--seed"], new, values["--trainee"]

    # Typing

    @no_var_expand
    @line_cell_magic
    @_careful
    def on(self, line: str, cell: str | None = None) -> None:
        """`%%on till` types each line of the cell at the till; `%on till ip route` types one line."""
        place, _, rest = line.strip().partition(" ")
        known = self._lab.places
        if place not in known:
            what = marked('there is no place "{place}"; places are: {places}{near}')
            if not place:
                what = marked("say where: %%on PLACE; places are: {places}")
            raise Refusal(what, place=place, places=", ".join(known), near=suggest(place, known))
        if cell is not None and rest.strip():
            raise Refusal('what is typed stands in the cell, one line each, not behind "{place}"', place=place)
        self._type(place, rest if cell is None else cell)

    @no_var_expand
    @line_cell_magic
    @_careful
    def hands(self, line: str, cell: str | None = None) -> None:
        """`%hands look shop`, `%hands unplug till:eth0`; `%%hands` for several lines."""
        self._type(HANDS, "\n".join(filter(None, (line.strip(), cell))) or "help")

    @line_magic
    @_careful
    def wait(self, line: str) -> None:
        """Let simulated time pass: `%wait 10 min`."""
        try:
            parse_duration(line)
        except ValueError as error:
            raise UsageError(str(error)) from None
        self._type(HANDS, f"wait {line.strip()}")

    def _type(self, place: str, text: str) -> None:
        from labs.shell.bash import logical_lines

        lab = self._lab
        lines = logical_lines(text)
        if not lines:
            display(html.words(self.screen.phrase("nothing was typed at {place}: there is no line yet", place=place)))
            return
        before = self._ran_before(place, lines)
        typed: list[Typed] = []
        numbers: list[int] = []
        try:
            for line in lines:
                prompt = _prompt(lab, place)
                output = lab.run(place, line)
                numbers.append(len(lab.journal))
                typed.append(Typed(prompt, line, output.in_language(self.screen.language)))
        finally:
            if typed:
                self._cells[self._cell(place, lines)] = numbers
                display(html.together([*before, html.terminal(typed)]))

    def _cell(self, place: str, lines: list[str]) -> str:
        """What tells one cell from another: the id that the front end gave it, else its text."""
        ask: Callable[[], dict[str, Any]] = getattr(self.shell, "get_parent", dict)  # only a kernel has a front end
        name = ask().get("metadata", {}).get("cellId", "")
        return "\n".join([str(name), place, *lines])

    def _ran_before(self, place: str, lines: list[str]) -> list[Shown]:
        """A notice where these lines stand in the journal already because this cell ran."""
        entries = list(self._lab.journal)
        effective = {entry.n for entry in self._lab.journal.effective()}
        known = self._cells.get(self._cell(place, lines))
        if known is not None and effective.issuperset(known):
            template = marked("this cell ran before ({entries}); its lines were typed again")
            return [html.words(self.screen.phrase(template, entries=self._span(known)), loud=True)]
        earlier = [entry for entry in entries[: self._sitting] if entry.n in effective]
        wanted = [(place, line) for line in lines]
        for start in range(len(earlier) - len(wanted) + 1):
            found = earlier[start : start + len(wanted)]
            if [(entry.place, entry.line) for entry in found] == wanted:
                template = marked("these lines were typed in an earlier sitting ({entries}); they were typed again")
                return [html.words(self.screen.phrase(template, entries=self._span([e.n for e in found])), loud=True)]
        return []

    def _span(self, numbers: list[int]) -> str:
        if len(numbers) == 1:
            return self.screen.phrase("entry {number}", number=numbers[0])
        return self.screen.phrase("entries {first} to {last}", first=numbers[0], last=numbers[-1])

    # Looking

    @line_magic
    @_careful
    def map(self, line: str) -> None:
        """The drawing of the site; `--addresses` adds what the devices would answer. What is plugged: `%hands look`."""
        words = _words(line)
        if words not in ([], ["--addresses"]):
            raise Refusal("usage: %map [--addresses]")
        display(html.site_map(self._lab.drawing(), self.screen, addresses=bool(words)))

    @line_magic
    @_careful
    def why(self, line: str) -> None:
        """What would become of a packet, and its way on the map: `%why till internet tcp 443`. Nothing is sent."""
        from labs.ui.map import way_of
        from labs.ui.words import asked_at

        words = _words(line)
        if not words:
            raise Refusal("usage: %why FROM TO [tcp PORT|udp PORT]")
        lab = self._lab
        engine: Any = lab.engine
        place, typed = asked_at(lab, HANDS, words)
        engine.foreseen = None
        self._type(place, typed)
        if engine.foreseen is not None:
            site = lab.drawing()
            display(html.site_map(site, self.screen, addresses=False, way=way_of(site, engine.foreseen)))

    @line_magic
    @_careful
    def dashboard(self, line: str) -> None:
        """`%dashboard server --truth hall=hall:temperature`: tiles and plots; beside a tile what was true in a room."""
        from labs.ui.dashboard import Truth, dashboard_of

        words = _words(line)
        device = words.pop(0) if words and not words[0].startswith("-") else ""
        truths = []
        for option, value in zip(words[::2], words[1::2], strict=False):
            found = re.fullmatch(r"([^=]+)=([^:]+):(.+)", value)
            if option == "--truth" and found is not None:
                truths.append(Truth(*found.groups()))
        if len(truths) * 2 != len(words):
            raise Refusal("usage: %dashboard [DEVICE] [--truth TILE=ROOM:QUANTITY]")
        display(dashboard_of(self._lab, device, truths, self.screen))

    @line_magic
    @_careful
    def truth(self, line: str) -> None:
        """What a room was like, and what a thing as it is set up now makes of it: `%truth module:1 2 h`."""
        from labs.ui.truth import compare, plot_svg, plot_text, span_of

        words = _words(line)
        if not words:
            raise Refusal("usage: %truth DEVICE[:PART] [2 h]")
        found = compare(self._lab, words[0], span_of(words[1:]))
        language = self.screen.language
        display(Shown(plot_svg(found, language), plot_text(found, language)))

    @line_magic
    @_careful
    def story(self, line: str) -> None:
        """The work order again."""
        _nothing_behind("story", line)
        display(html.story(self._lab, self.screen))

    @line_magic
    @_careful
    def journal(self, line: str) -> None:
        """Every line that was typed."""
        _nothing_behind("journal", line)
        display(html.journal(self._lab.journal, self.screen))

    # Judging

    @line_magic
    @_careful
    def check(self, line: str) -> None:
        """Have the site judged as it now is; costs nothing."""
        import grader
        from labs.ui.concerns import verdicts_of

        _nothing_behind("check", line)
        lab = self._lab
        judged = grader.check(lab)
        site = lab.drawing()
        verdicts = verdicts_of(lab.scenario, judged, site)
        display(
            html.together(
                [html.grade(judged, self.screen), html.site_map(site, self.screen, verdicts=verdicts, addresses=False)]
            )
        )

    @line_magic
    @_careful
    def hint(self, line: str) -> None:
        """The next hint of a check, or of the first that does not hold; costs nothing."""
        import grader
        from labs.ui.desk import next_hint

        words = _words(line)
        if len(words) > 1:
            raise Refusal("usage: %hint [CHECK]")
        try:
            hints = next_hint(self._lab, grader.check(self._lab), words[0] if words else None)
        except Refusal as refusal:
            if refusal.status:
                raise
            display(html.words(refusal.message.in_language(self.screen.language)))
            return
        display(html.together([html.words(f"{hint.check}: {hint.render(self.screen)}") for hint in hints]))

    @line_magic
    @_careful
    def undo(self, line: str) -> None:
        """Take back the last line, or the last N: `%undo 3`."""
        text = line.strip() or "1"
        if not text.isdecimal() or not int(text):
            raise Refusal("usage: %undo [N]   (a number of lines)")
        gone = self._lab.undo(int(text))
        if not gone:
            display(html.words(self.screen.phrase("there is nothing to undo")))
            return
        lines = [Typed(f"{entry.n} {entry.place}:", entry.line, "") for entry in gone]
        display(html.together([html.words(self.screen.phrase("taken back:")), html.terminal(lines)]))

    @line_magic
    @_careful
    def submit(self, line: str) -> None:
        """Write the submission, and have it judged: `%submit`, `%submit FILE`."""
        import grader
        from grader.verdict import Outcome
        from labs.ui.desk import debrief, hand_in, submission_path

        words = _words(line)
        if len(words) > 1:
            raise Refusal("usage: %submit [FILE]")
        lab = self._lab
        target = submission_path(lab, words[0] if words else None)
        aside = hand_in(lab, target)
        judged = grader.check(lab)
        parts = [html.words(self.screen.phrase("{file} is written; hand it in.", file=target))]
        if aside is not None:
            parts.append(
                html.words(self.screen.phrase("another file of that name is now {file}", file=aside), loud=True)
            )
        parts.append(html.grade(judged, self.screen))
        if judged.outcome is Outcome.PASSED and lab.scenario.debrief.in_language(self.screen.language):
            parts.append(html.words(debrief(lab, self.screen)))
        display(html.together(parts))


def _words(line: str) -> list[str]:
    try:
        return shlex.split(line, comments=True)
    except ValueError as error:
        raise UsageError(str(error)) from None


def _nothing_behind(name: str, line: str) -> None:
    if _words(line):
        raise Refusal("%{name} stands alone; it takes nothing behind it", name=name)


def _prompt(lab: Lab, place: str) -> str:
    """`till:~$`, as the device itself would have it."""
    if place == HANDS:
        return f"{HANDS}:"
    session = getattr(lab.engine, "session", None)
    directory = session(place).directory if session is not None else "/root"
    return f"{place}:{'~' if directory == '/root' else directory}$"

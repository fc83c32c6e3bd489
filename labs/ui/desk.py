"""The desk of a lab: the work order, hints and the submission. What the terminal does there, a notebook can do too."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from labs.journal import DESK
from labs.lab import Lab
from labs.model.site import Kind
from labs.model.text import Text
from labs.ui.storage import SUFFIX, keep_copy, write_whole
from labs.ui.style import Refusal, Screen, marked, near

if TYPE_CHECKING:
    from grader.verdict import Grade

__all__ = ["Hint", "debrief", "first_place", "hand_in", "hints_taken", "next_hint", "submission_path", "work_order"]


@dataclass(frozen=True, slots=True)
class Hint:
    """One hint of a check: its number from 1, how many there are, and whether it was taken only now."""

    check: str
    number: int
    total: int
    text: Text
    new: bool

    def render(self, screen: Screen) -> str:
        """As `(1 of 3, costs nothing) …`."""
        template = marked("({number} of {total}, costs nothing) {text}")
        if not self.new:
            template = marked("({number} of {total}, you know it already) {text}")
        return screen.phrase(
            template, number=self.number, total=self.total, text=self.text.in_language(screen.language)
        )


def work_order(lab: Lab, screen: Screen) -> list[str]:
    """Number, customer, level and minutes in one line, the story below it."""
    scenario = lab.scenario
    say = screen.language
    left = (
        screen.phrase("Work order {number}", number=scenario.order)
        if scenario.order
        else scenario.title.in_language(say)
    )
    about = [
        scenario.customer.in_language(say),
        screen.phrase("level {level}", level=scenario.level),
        screen.phrase("about {minutes} min", minutes=scenario.minutes),
    ]
    right = " · ".join(part for part in about if part)
    lines = [f"  {left}{right.rjust(max(len(right) + 2, screen.width - 2 - len(left)))}"]
    if len(lines[0]) > screen.width + 2:
        lines = [f"  {left}", f"  {right}"]
    if scenario.order:
        lines.append(f"  {scenario.title.in_language(say)}")
    for part in _filled(lab, scenario.story, screen).split("\n\n"):
        lines.append("")
        lines += textwrap.wrap(
            " ".join(part.split()), screen.width, initial_indent="  ", subsequent_indent="  ", break_on_hyphens=False
        )
    return lines


def _filled(lab: Lab, text: Text, screen: Screen) -> str:
    return lab.variant.text(text).in_language(screen.language).strip()


def debrief(lab: Lab, screen: Screen) -> str:
    """What is told after a passed submission."""
    return _filled(lab, lab.scenario.debrief, screen)


def first_place(lab: Lab) -> str:
    """Where the trainee sits down: the laptop, else the first host, else the first device."""
    devices = lab.variant.broken.devices
    if "laptop" in devices:
        return "laptop"
    return next((device.name for device in devices.values() if device.kind is Kind.HOST), next(iter(devices)))


def hints_taken(lab: Lab) -> dict[str, int]:
    """Check -> how many of its hints were taken."""
    taken: dict[str, int] = {}
    for entry in lab.journal.effective():
        words = entry.line.split()
        if entry.place == DESK and len(words) == 3 and words[0] == "hint" and words[2].isdecimal():
            taken[words[1]] = max(taken.get(words[1], 0), int(words[2]))
    return taken


def next_hint(lab: Lab, grade: Grade, check: str | None = None) -> list[Hint]:
    """The next hint of a check, or of the first check that does not hold; it is noted in the journal.

    Where every hint was taken, all of them again. Raises Refusal for an unknown check, or where nothing needs a hint.
    """
    hints = lab.scenario.hints
    if check is not None:
        known = [each.id for each in lab.scenario.checks]
        if check not in known:
            raise Refusal(
                'there is no check "{check}"; there are: {checks}{near}',
                check=check,
                checks=", ".join(known),
                near=near(check, known),
            )
        if not hints.get(check):
            raise Refusal('there are no hints for "{check}"', check=check)
        return _take(lab, check)
    if grade.ungradable is not None:
        raise Refusal("{why}", why=grade.ungradable)
    failing = [result.id for result in grade.results if result.verdict != "pass"]
    if not failing:
        raise Refusal("everything holds; there is nothing to hint at", status=0)
    helped = [each for each in failing if hints.get(each)]
    if not helped:
        raise Refusal("there are no hints for what does not hold yet: {checks}", checks=", ".join(failing))
    taken = hints_taken(lab)
    fresh = [each for each in helped if taken.get(each, 0) < len(hints[each])]
    return _take(lab, fresh[0] if fresh else helped[0])


def _take(lab: Lab, check: str) -> list[Hint]:
    texts: tuple[Text, ...] = lab.scenario.hints[check]
    taken = hints_taken(lab).get(check, 0)
    if taken < len(texts):
        lab.note(f"hint {check} {taken + 1}")
        return [_hint(lab, check, taken, new=True)]
    return [_hint(lab, check, index, new=False) for index in range(len(texts))]


def _hint(lab: Lab, check: str, index: int, *, new: bool) -> Hint:
    texts = lab.scenario.hints[check]
    return Hint(check, index + 1, len(texts), lab.variant.text(texts[index]), new)


def submission_path(lab: Lab, path: str | None) -> Path:
    """Where a submission goes: SCENARIO-SEED.netwerf here or in the folder that is named, or the file that is named."""
    name = f"{lab.scenario.id}-{lab.seed}{SUFFIX}"
    if not path:
        return Path(name)
    target = Path(path).expanduser()
    return target / name if target.is_dir() else target


def hand_in(lab: Lab, target: Path) -> Path | None:
    """Write the submission; returns where another file of that name went. Raises Refusal."""
    text = lab.journal.dumps()
    if lab.journal.path is not None and target.resolve() == lab.journal.path.resolve():
        return None
    try:
        aside = keep_copy(target, text)
        write_whole(target, text)
    except OSError as error:
        raise Refusal(
            "{file} cannot be written ({error}); name another file or folder: submit FILE",
            file=target,
            error=error.strerror or error,
        ) from None
    return aside

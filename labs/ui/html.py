"""What the notebook shows: fragments of HTML that read well on light and dark pages, each with the same in plain text.

Everything that is not ours is escaped. Texts have the colour of the page; what has its own colour brings its ground.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape

from grader.report.as_text import grade_lines
from grader.report.evidence import Cells, evidence_parts
from grader.verdict import Grade, Outcome, Result, Verdict
from labs.journal import DESK, Journal
from labs.lab import Lab
from labs.messages import translate
from labs.model.durations import format_duration
from labs.model.site import Site
from labs.ui.desk import work_order
from labs.ui.map import svg_map, text_map, text_twin
from labs.ui.map_path import Way
from labs.ui.style import Screen, marked

__all__ = ["Shown", "Typed", "grade", "journal", "pairs", "site_map", "story", "terminal", "together", "words"]

LINE = "rgba(128,128,128,.35)"
TINT = "rgba(128,128,128,.10)"
FONT = "font-family:system-ui,-apple-system,'Segoe UI',Roboto,'Noto Sans',sans-serif;font-size:14px;line-height:1.45"
MONO = (
    "font-family:ui-monospace,SFMono-Regular,Menlo,Consolas,'DejaVu Sans Mono',monospace;font-size:13px;line-height:1.4"
)
QUIET = "opacity:.75"
PROMPT = "color:#2f7fd1;font-weight:600"
CELL = f"text-align:left;vertical-align:top;padding:7px 12px 7px 0;border:0;border-top:1px solid {LINE};background:none"
REASON = "min-width:9em;overflow-wrap:anywhere;padding-right:0"  # a path in it does not widen a narrow page
ASIDE = "contain:inline-size;overflow-x:auto;overflow-wrap:normal"  # scrolls by itself, as wide as there is room
TABLE = "border-collapse:collapse;table-layout:auto;margin:.4em 0;font-size:inherit"
JOURNAL_HEADS = (marked("no."), marked("after"), marked("place"), marked("line"), marked("status"))
EVIDENCE_HEADS = (marked("device"), marked("what was seen"), marked("decided by"))
PLAIN = ' style="background:none"'  # a page may stripe its tables
PILLS = {  # mark, word, ink, ground
    Verdict.PASS: ("✔", "holds", "#0b6b3a", "#e3f4e9"),
    Verdict.FAIL: ("✖", "does not hold", "#9f1d12", "#fde8e4"),
    Verdict.BLOCKED: ("◌", "not judged", "#49525b", "#e6eaee"),
    Verdict.ERROR: ("!", "grader error", "#6f2c86", "#f4e6f8"),
}
SECOND = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Shown:
    """Something on the page and the same in plain text."""

    html: str
    text: str

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, str]:
        return {"text/html": f'<div class="netwerf" style="{FONT}">{self.html}</div>', "text/plain": self.text}

    def __repr__(self) -> str:
        return self.text


@dataclass(frozen=True, slots=True)
class Typed:
    """A line that was typed: the prompt before it and the answer after it."""

    prompt: str
    line: str
    answer: str


def together(parts: Iterable[Shown]) -> Shown:
    """Several things, one below the other."""
    known = list(parts)
    return Shown("".join(part.html for part in known), "\n\n".join(part.text.rstrip("\n") for part in known) + "\n")


def words(text: str, *, loud: bool = False) -> Shown:
    """A sentence of ours; a `loud` one is a notice that should not be overlooked."""
    if not loud:
        return Shown(f'<p style="margin:.4em 0">{escape(text)}</p>', f"{text}\n")
    style = f"margin:.5em 0;padding:6px 12px;border-left:4px solid #c77700;background:{TINT}"
    return Shown(f'<p role="note" style="{style}">{escape(text)}</p>', f"! {text}\n")


def pairs(rows: Sequence[tuple[str, str]]) -> Shown:
    """A small list of names with what they stand for."""
    cells = "".join(
        f'<dt style="{QUIET}">{escape(name)}</dt><dd style="margin:0">{escape(text)}</dd>' for name, text in rows
    )
    grid = "display:grid;grid-template-columns:max-content auto;gap:2px 14px;margin:.5em 0;font-size:.93em"
    width = max(len(name) for name, _ in rows)
    return Shown(f'<dl style="{grid}">{cells}</dl>', "".join(f"{name:<{width}}  {text}\n" for name, text in rows))


def terminal(typed: Sequence[Typed]) -> Shown:
    """Lines and answers as a terminal shows them."""
    html, text = [], []
    for each in typed:
        html.append(
            f'<span style="{PROMPT}">{escape(each.prompt)}</span> <b>{escape(each.line)}</b>\n{escape(each.answer)}'
        )
        text.append(f"{each.prompt} {each.line}\n{each.answer}")
        for drawn in (html, text):
            drawn[-1] += "" if drawn[-1].endswith("\n") else "\n"
    style = (
        f"{MONO};margin:.3em 0;padding:9px 12px;border-radius:8px;background:{TINT};color:inherit;white-space:pre-wrap"
    )
    return Shown(f'<pre style="{style};word-break:normal;overflow-wrap:anywhere">{"".join(html)}</pre>', "".join(text))


def story(lab: Lab, screen: Screen) -> Shown:
    """The work order."""
    scenario, language = lab.scenario, screen.language
    about = [
        screen.phrase("Work order {number}", number=scenario.order) if scenario.order else "",
        scenario.customer.in_language(language),
        screen.phrase("level {level}", level=scenario.level),
        screen.phrase("about {minutes} min", minutes=scenario.minutes),
        screen.phrase("variant {seed}", seed=lab.seed),
    ]
    told = lab.variant.text(scenario.story).in_language(language).strip().split("\n\n")
    html = f'<p style="margin:.2em 0;{QUIET}">{escape(" · ".join(part for part in about if part))}</p>'
    title = escape(scenario.title.in_language(language))
    html += f'<p style="margin:.1em 0 .4em;font-size:1.35em;font-weight:600">{title}</p>'
    html += "".join(f'<p style="margin:.4em 0;max-width:46em">{escape(" ".join(part.split()))}</p>' for part in told)
    return Shown(html, "\n".join(work_order(lab, screen)) + "\n")


def site_map(
    site: Site,
    screen: Screen,
    *,
    verdicts: dict[str, str] | None = None,
    addresses: bool = True,
    way: Way | None = None,
) -> Shown:
    """The map, and below it, folded, the same as a list."""
    language = screen.language
    picture = svg_map(site, verdicts=verdicts, language=language, addresses=addresses, way=way)
    told = text_twin(site, verdicts=verdicts, language=language, addresses=addresses, way=way)
    items = "".join(f"<li>{escape(line)}</li>" for line in told.splitlines())
    html = f'<div style="margin:.5em 0;overflow-x:auto">{picture}</div>'
    html += _folded(screen.phrase("the map as a list"), f'<ul style="margin:.3em 0">{items}</ul>')
    drawing = text_map(site, addresses=addresses, language=language, way=way)
    marked = "".join(f"{line}\n" for line in told.splitlines()[1:] if verdicts and line.partition(":")[0] in verdicts)
    return Shown(html, f"{drawing}\n{marked}" if marked else drawing)


def _folded(title: str, inside: str, *, is_open: bool = False) -> str:
    return (
        f'<details{" open" if is_open else ""} style="margin:.2em 0">'
        f'<summary style="cursor:pointer;{QUIET}">{escape(title)}</summary>{inside}</details>'
    )


# Grades


def grade(judged: Grade, screen: Screen) -> Shown:
    """The table of the checks."""
    language = screen.language
    text = "\n".join(grade_lines(judged, language)) + "\n"
    if judged.ungradable is not None:
        return Shown(words(judged.ungradable.in_language(language), loud=True).html, text)
    heads = [marked("verdict"), marked("check"), marked("points"), marked("why")]
    head = "".join(
        f'<th scope="col" style="{CELL};border-top:0;{QUIET}">{escape(screen.phrase(word))}</th>' for word in heads
    )
    rows = "".join(_row(result, screen) for result in judged.results)
    summary = _summary(judged, screen)
    table = (
        f'<table style="{TABLE};width:100%;max-width:66em">'
        f'<caption style="text-align:left;caption-side:bottom;padding:9px 0;border-top:1px solid {LINE};color:inherit">'
        f"{summary}</caption><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"
    )
    notices = "".join(words(notice.in_language(language), loud=True).html for notice in judged.notices)
    return Shown(table + notices, text)


def _row(result: Result, screen: Screen) -> str:
    language = screen.language
    judged = result.verdict in (Verdict.PASS, Verdict.FAIL)
    points = f"{result.points if judged else '–'} / {result.max_points}"
    gate = f' <span style="{QUIET}">({escape(translate("gate", language))})</span>' if result.gate else ""
    why = escape(result.rationale.in_language(language))
    if result.help is not None and result.verdict is not Verdict.PASS:
        why += f'<br><span style="{QUIET}">{escape(result.help.in_language(language))}</span>'
    if result.evidence:
        inside = f'<div style="{ASIDE}" data-scrolls>{_evidence(result, screen)}</div>'
        why += _folded(screen.phrase("evidence"), inside)
    cells = [_pill(result.verdict, language), f"<b>{escape(result.title.in_language(language))}</b>{gate}", points, why]
    nowrap = ("white-space:nowrap", "", "white-space:nowrap", REASON)
    return (
        f"<tr{PLAIN}>"
        + "".join(f'<td style="{CELL};{extra}">{cell}</td>' for cell, extra in zip(cells, nowrap, strict=True))
        + "</tr>"
    )


def _evidence(result: Result, screen: Screen) -> str:
    """What happened to packets as tables, the rest as lines."""
    pre = f"{MONO};margin:.3em 0;padding:0;background:none;color:inherit;white-space:pre-wrap"
    html = ""
    for part in evidence_parts(result.evidence, screen.language):
        html += f'<pre style="{pre}">{escape(part)}</pre>' if isinstance(part, str) else _hops(part, screen)
    return html


def _hops(rows: Sequence[Cells], screen: Screen) -> str:
    """Device, what happened there, and what decided: that is as the device prints it, so it looks like it."""
    cell = "text-align:left;vertical-align:top;padding:2px 14px 2px 0;border:0;background:none"
    heads = EVIDENCE_HEADS if any(because for _, _, because in rows) else EVIDENCE_HEADS[:-1]
    head = "".join(
        f'<th scope="col" style="{cell};font-weight:normal;{QUIET}">{escape(screen.phrase(word))}</th>'
        for word in heads
    )
    body = ""
    for at, (device, what, because) in enumerate(rows):
        until = next((n for n in range(at + 1, len(rows)) if rows[n][0]), len(rows))
        first = f'<th scope="rowgroup" rowspan="{until - at}" style="{cell}">{escape(device)}</th>'
        told = f'<td style="{cell};min-width:9em">{escape(what)}</td>'  # short words are not squeezed by a long rule
        if len(heads) == len(EVIDENCE_HEADS):
            told += f'<td style="{cell};{MONO}">{"<br/>".join(map(escape, because))}</td>'
        body += f"<tr{PLAIN}>{first if device or not at else ''}{told}</tr>"
    return f'<table style="{TABLE}"><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>'


def _pill(verdict: Verdict, language: str) -> str:
    mark, word, ink, ground = PILLS[verdict]
    style = f"background:{ground};color:{ink};border-radius:10px;padding:2px 9px;font-weight:600;font-size:.9em"
    return f'<span style="{style}">{mark} {escape(translate(word, language))}</span>'


def _summary(judged: Grade, screen: Screen) -> str:
    """The last line of the report in text, with the outcome as a pill before it."""
    last = next(line for line in reversed(grade_lines(judged, screen.language)) if "·" in line)
    verdict = {Outcome.PASSED: Verdict.PASS, Outcome.BELOW: Verdict.BLOCKED, Outcome.UNGRADABLE: Verdict.ERROR}[
        judged.outcome
    ]
    _, _, ink, ground = PILLS[verdict]
    points, *rest = last.strip().split(" · ")
    pill = f'<b style="background:{ground};color:{ink};border-radius:10px;padding:2px 9px">{escape(points)}</b>'
    return " · ".join([pill, *map(escape, rest)])


# The journal


def journal(kept: Journal, screen: Screen) -> Shown:
    """Every line that was typed; what was undone is struck out and says so."""
    effective = {entry.n for entry in kept.effective()}
    heads = [screen.phrase(word) for word in JOURNAL_HEADS]
    rows, lines = [], []
    for entry in kept:
        undone = entry.n not in effective and not (entry.place == DESK and entry.line.startswith("undo"))
        after = format_duration(entry.at_ns // SECOND * SECOND) if entry.at_ns >= SECOND else "0 s"
        line = f"<del>{escape(entry.line)}</del> ({escape(screen.phrase('undone'))})" if undone else escape(entry.line)
        code = f'<code style="{MONO};background:none;color:inherit;white-space:pre-wrap">{line}</code>'
        cells = [str(entry.n), escape(after), escape(entry.place), code, str(entry.status)]
        rows.append(f"<tr{PLAIN}>" + "".join(f'<td style="{CELL}">{cell}</td>' for cell in cells) + "</tr>")
        mark = f"  ({screen.phrase('undone')})" if undone else ""
        lines.append(f"{entry.n:>4}  {after:>10}  {entry.place:<12}  {entry.line}{mark}")
    head = "".join(f'<th scope="col" style="{CELL};border-top:0;{QUIET}">{escape(word)}</th>' for word in heads)
    table = f'<table style="{TABLE}"><thead><tr>{head}</tr></thead><tbody>{"".join(rows)}</tbody></table>'
    if not rows:
        return words(screen.phrase("nothing has been typed yet"))
    return Shown(table, "\n".join(lines) + "\n")

"""Truth against reading: what a room was like, and what a thing as it is set up now makes of it.

Drawn as SVG by hand, as the map is: no library for plots is needed, and both colours read on light and dark pages.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from html import escape

from labs.engines.sim import SimEngine
from labs.lab import Lab
from labs.messages import translate
from labs.model.durations import format_duration, parse_duration
from labs.things.units import BASE_UNITS, UnitError, symbol, to_unit
from labs.ui.style import Refusal, marked
from labs.ui.truth_readers import source_of

__all__ = ["Comparison", "compare", "plot_svg", "plot_text", "span_of"]

SECOND = 1_000_000_000
MAX_SPAN_NS = 7 * 86_400 * SECOND
POINTS = 120
TOLD = 12
CLOSE_S = 1800
WIDTH, HEIGHT = 680, 280
LEFT, RIGHT, TOP, BOTTOM = 52, 12, 34, 30
TRUTH_INK, READING_INK = "#1a8f4c", "#d9622b"
TRUTH, READING, DIFFERENCE, TIME = marked("truth"), marked("reading"), marked("difference"), marked("time (UTC)")


@dataclass(frozen=True, slots=True)
class Comparison:
    """Truth and reading of one thing at the same moments (Unix seconds). A reading is None where there was none."""

    name: str
    quantity: str
    room: str
    unit: str
    times: tuple[float, ...]
    truth: tuple[float, ...]
    reading: tuple[float | None, ...]

    @property
    def worst(self) -> float | None:
        """The largest difference."""
        found = [abs(r - t) for r, t in zip(self.reading, self.truth, strict=True) if r is not None]
        return max(found, default=None)


def span_of(words: Sequence[str]) -> int:
    """`2 h` in nanoseconds; two hours where nothing is said. Raises Refusal."""
    if not words:
        return 7200 * SECOND
    try:
        found = parse_duration(" ".join(words))
    except ValueError as error:
        raise Refusal("{error}", error=str(error)) from None
    if not 0 < found <= MAX_SPAN_NS:
        raise Refusal("a picture shows more than nothing and at most 7 days")
    return found


def compare(lab: Lab, what: str, last_ns: int) -> Comparison:
    """Compare `DEVICE` or `DEVICE:PART` over the last nanoseconds, at most since the start. Raises Refusal."""
    engine = lab.engine
    if not isinstance(engine, SimEngine):
        raise Refusal("only the engine sim knows the truth")
    device, _, part = what.partition(":")
    site = engine.site
    if device not in site.devices:
        raise Refusal('there is no device "{name}"; devices: {known}', name=device, known=", ".join(site.devices))
    room, quantity, unit, reader = source_of(engine, device, part)
    world = engine.world
    begin = max(0, engine.now - last_ns)
    moments = [begin + (engine.now - begin) * index // (POINTS - 1) for index in range(POINTS)]
    base = BASE_UNITS.get(quantity, unit)
    try:
        truth = tuple(to_unit(world.value(room, quantity, at), base, unit) for at in moments)
    except (KeyError, UnitError):
        raise Refusal("there is no {quantity} in {room}", quantity=quantity, room=room or "-") from None
    reading = tuple(reader(at) for at in moments)
    return Comparison(what, quantity, room, unit, tuple(world.wall_clock(at) for at in moments), truth, reading)


# Drawing


def _ticks(low: float, high: float, count: int = 5) -> list[float]:
    """Round numbers between two ends."""
    span = max(high - low, 1e-9)
    step = 10.0 ** math.floor(math.log10(span / count))
    step *= next(factor for factor in (1, 2, 5, 10) if span / (step * factor) <= count)
    first = math.ceil(low / step) * step
    found = [first + index * step for index in range(int((high - first) / step + 1e-9) + 1)]
    return [round(tick, 10) for tick in found]


def _clock(unix_s: float, span_s: float) -> str:
    """The time of day, with seconds where the picture is short."""
    return f"{datetime.fromtimestamp(unix_s, UTC):{'%H:%M:%S' if span_s < CLOSE_S else '%H:%M'}}"


def _line(points: Sequence[tuple[float, float] | None], ink: str, more: str) -> str:
    """A path that is interrupted where there is nothing; a point that stands alone is a dot."""
    parts: list[str] = []
    before: tuple[float, float] | None = None
    for point, after in zip(points, [*points[1:], None], strict=True):
        if point is not None:
            parts.append(f"{'M' if before is None else 'L'}{point[0]:.1f} {point[1]:.1f}")
            if before is None and after is None:
                parts.append("h.1")
        before = point
    shape = 'fill="none" stroke-width="2" stroke-linecap="round"'
    return f'<path d="{"".join(parts)}" {shape} stroke="{ink}" {more}/>' if parts else ""


def plot_svg(comparison: Comparison, language: str = "en") -> str:
    """The picture, with a title and a sentence for who hears it."""
    values = [*comparison.truth, *(value for value in comparison.reading if value is not None)]
    low, high = min(values), max(values)
    margin = max((high - low) * 0.08, 0.5)
    low, high = low - margin, high + margin
    first, last = comparison.times[0], max(comparison.times[-1], comparison.times[0] + 1)

    def x(time: float) -> float:
        return LEFT + (time - first) / (last - first) * (WIDTH - LEFT - RIGHT)

    def y(value: float) -> float:
        return TOP + (high - value) / (high - low) * (HEIGHT - TOP - BOTTOM)

    title = f"{comparison.name}: {comparison.quantity}, {symbol(comparison.unit)}"
    grid = "".join(
        f'<path d="M{LEFT} {y(tick):.1f}H{WIDTH - RIGHT}" stroke="currentColor" stroke-opacity=".18"/>'
        f'<text x="{LEFT - 6}" y="{y(tick) + 4:.1f}" text-anchor="end">{tick:g}</text>'
        for tick in _ticks(low, high)
    )
    hours = "".join(
        f'<text x="{x(time):.1f}" y="{HEIGHT - 10}" text-anchor="{anchor}">{_clock(time, last - first)}{zone}</text>'
        for time, anchor, zone in ((first, "start", ""), ((first + last) / 2, "middle", ""), (last, "end", " UTC"))
    )
    times = comparison.times
    truth = _line([(x(t), y(v)) for t, v in zip(times, comparison.truth, strict=True)], TRUTH_INK, "")
    reading = _line(
        [None if v is None else (x(t), y(v)) for t, v in zip(times, comparison.reading, strict=True)],
        READING_INK,
        'stroke-dasharray="6 4"',
    )
    legend = (
        f'<path d="M{WIDTH - 240} 14h26" stroke="{TRUTH_INK}" stroke-width="2"/>'
        f'<text x="{WIDTH - 208}" y="18">{escape(translate(TRUTH, language))}</text>'
        f'<path d="M{WIDTH - 120} 14h26" stroke="{READING_INK}" stroke-width="2" stroke-dasharray="6 4"/>'
        f'<text x="{WIDTH - 88}" y="18">{escape(translate(READING, language))}</text>'
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" role="img" '
        f'style="max-width:100%;height:auto" fill="currentColor" font-size="12" font-family="system-ui,sans-serif">'
        f"<title>{escape(title)}</title><desc>{escape(_sentence(comparison, language))}</desc>"
        f'<text x="{LEFT}" y="18" font-weight="600">{escape(title)}</text>{grid}{hours}{truth}{reading}{legend}</svg>'
    )


def _sentence(comparison: Comparison, language: str) -> str:
    unit = symbol(comparison.unit)
    missing = sum(value is None for value in comparison.reading)
    if comparison.worst is None:
        return translate(marked("{name} tells nothing at all."), language).format(name=comparison.name)
    told = translate(marked("{name} differs by at most {worst} {unit} from the truth in {room}."), language).format(
        name=comparison.name, worst=f"{comparison.worst:.2f}", unit=unit, room=comparison.room
    )
    if missing:
        told += " " + translate(marked("It tells nothing for {share} of the time."), language).format(
            share=f"{missing / len(comparison.reading):.0%}"
        )
    return told


def plot_text(comparison: Comparison, language: str = "en") -> str:
    """The same in numbers: some moments, truth, reading and their difference."""
    unit = symbol(comparison.unit)
    heads = [translate(head, language) for head in (TIME, TRUTH, READING, DIFFERENCE)]
    span = format_duration(round(comparison.times[-1] - comparison.times[0]) * SECOND)
    lines = [f"{comparison.name}: {comparison.quantity} ({unit}), {comparison.room}, {span}"]
    rows = [heads]
    step = max(1, (len(comparison.times) - 1) // (TOLD - 1))
    for index in range(0, len(comparison.times), step):
        truth, reading = comparison.truth[index], comparison.reading[index]
        rows.append(
            [
                _clock(comparison.times[index], comparison.times[-1] - comparison.times[0]),
                f"{truth:.2f}",
                "--" if reading is None else f"{reading:.2f}",
                "" if reading is None else f"{reading - truth:+.2f}",
            ]
        )
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    lines += ["  " + "  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)) for row in rows]
    return "\n".join([*lines, _sentence(comparison, language)])

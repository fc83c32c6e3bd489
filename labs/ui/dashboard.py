"""The dashboard of a device in the notebook: a table of its tiles, and a plot of what each has shown so far."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any, NamedTuple

from labs.engines.base import CommandRejected
from labs.lab import Lab
from labs.model.world import ARRIVAL_NS
from labs.things.dashboard import DashboardConfig, Reading, Tile, parse_dashboard_config, tile_state
from labs.things.thing_config import ThingConfigError
from labs.things.timezone import Zone, local_time
from labs.things.units import BASE_UNITS, UnitError, symbol, to_unit
from labs.things.world import LivingWorld
from labs.ui.html import CELL, PLAIN, QUIET, TABLE, Shown, together
from labs.ui.style import Refusal, Screen, marked

__all__ = ["Truth", "dashboard_of", "plot"]

SECOND = 1_000_000_000
WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 620, 170, 48, 12, 12, 26
BLUE, GREY, RED = "#2f7fd1", "#8a8f98", "#c0392b"
HEADS = (marked("tile"), marked("value"), marked("age"), marked("alarm"))
TRUTH_POINTS = 200
Points = Sequence[tuple[float, float]]


class Truth(NamedTuple):
    """Beside a tile: what a perfect instrument in a room would have read."""

    tile: str
    room: str
    quantity: str


def _file(lab: Lab, device: str, path: str) -> str:
    try:
        return lab.engine.read_file(device, path).decode()
    except CommandRejected:
        return ""


def _found(lab: Lab, device: str) -> str:
    """The device that is meant; without a name the one that has a dashboard."""
    having = [name for name in lab.engine.observe().devices if _file(lab, name, "/etc/dashboard.toml")]
    if device and device in having:
        return device
    if not device and len(having) == 1:
        return having[0]
    raise Refusal("say whose dashboard: %dashboard DEVICE   (there are: {devices})", devices=", ".join(having) or "–")


def dashboard_of(lab: Lab, device: str, truths: Sequence[Truth], screen: Screen) -> Shown:
    """Table and plots. Nothing is typed: looking at a screen leaves no trace in the journal."""
    device = _found(lab, device)
    try:
        config = parse_dashboard_config(_file(lab, device, "/etc/dashboard.toml"))
    except ThingConfigError as error:
        raise Refusal("the dashboard of {device} cannot be read: {error}", device=device, error=str(error)) from None
    known = json.loads(_file(lab, device, "/run/dashboard.json") or "{}")
    site = lab.engine.observe()
    state = site.devices[device].state
    offset = state.clock_offset_ns if state is not None else 0
    now_s = site.world.epoch_s + (lab.engine.now + offset - ARRIVAL_NS) / SECOND
    living = LivingWorld(site.world, site.seed)
    parts = [_table(config, known, now_s, screen)]
    for tile in config.tiles:
        history = [(float(at), float(value)) for at, value in known.get("history", {}).get(tile.name, [])]
        wanted = [truth for truth in truths if truth.tile == tile.name]
        if len(history) > 1:
            true = _truth(living, wanted[0], tile, history) if wanted else []
            parts.append(plot(tile, history, true, config.zone, screen))
    for truth in truths:
        if truth.tile not in {tile.name for tile in config.tiles}:
            raise Refusal("there is no tile {tile}; there are: {tiles}", tile=truth.tile, tiles=_names(config))
    return together(parts)


def _names(config: DashboardConfig) -> str:
    return ", ".join(tile.name for tile in config.tiles)


def _truth(living: LivingWorld, truth: Truth, tile: Tile, history: Points) -> Points:
    """What was true over the same time, in the unit of the tile."""
    begin, end = history[0][0], history[-1][0]
    points = []
    for step in range(TRUTH_POINTS + 1):
        at_s = begin + (end - begin) * step / TRUTH_POINTS
        now = int((at_s - living.world.epoch_s) * SECOND) + ARRIVAL_NS
        try:
            value = living.value(truth.room, truth.quantity, max(0, now))
            points.append((at_s, to_unit(value, BASE_UNITS.get(truth.quantity, ""), tile.unit or "")))
        except KeyError:
            where = f"{truth.room}:{truth.quantity}"
            raise Refusal("nothing is known of {where}; write ROOM:QUANTITY", where=where) from None
        except UnitError:
            points.append((at_s, value))
    return points


def _table(config: DashboardConfig, known: Mapping[str, Any], now_s: float, screen: Screen) -> Shown:
    local, abbreviation = local_time(config.zone, now_s)
    title = f"{config.title or 'dashboard'} · {local:%Y-%m-%d %H:%M} {abbreviation}"
    head = "".join(
        f'<th scope="col" style="{CELL};border-top:0;{QUIET}">{escape(screen.phrase(word))}</th>' for word in HEADS
    )
    rows, lines = [], [title]
    for tile in config.tiles:
        reading = known.get("readings", {}).get(tile.name)
        shown = tile_state(tile, Reading(**reading) if reading else None, now_s)
        cells = [escape(tile.title), f"<b>{escape(shown['value'])}</b>", escape(shown["age"])]
        alarm = f'<span style="color:{RED};font-weight:600">⚠ {escape(shown["alarm"])}</span>' if shown["alarm"] else ""
        rows.append(f"<tr{PLAIN}>" + "".join(f'<td style="{CELL}">{cell}</td>' for cell in (*cells, alarm)) + "</tr>")
        lines.append(f"{tile.title:<16} {shown['value']:>12} {shown['age']:>8}  {shown['alarm']}".rstrip())
    caption = (
        f'<caption style="text-align:left;font-weight:600;padding:4px 0;white-space:nowrap">{escape(title)}</caption>'
    )
    table = f'<table style="{TABLE}">{caption}<thead><tr>{head}</tr></thead><tbody>{"".join(rows)}</tbody></table>'
    return Shown(table, "\n".join(lines) + "\n")


def _ticks(low: float, high: float) -> list[float]:
    """Round numbers that fill a range: steps of 1, 2 or 5."""
    span = max(high - low, 1e-9)
    step = 10.0 ** math.floor(math.log10(span / 3))
    step = next(step * factor for factor in (1, 2, 5, 10) if span / (step * factor) <= 4)
    first = math.ceil(low / step - 1e-9)
    return [round((first + index) * step, 10) for index in range(int((high - first * step) / step + 1e-9) + 1)]


def plot(tile: Tile, history: Points, truth: Points, zone: Zone, screen: Screen) -> Shown:
    """One tile over time: what was shown, what was true, and the limits of its alarms."""
    values = [value for _, value in (*history, *truth)]
    limits = [limit for limit in (tile.low, tile.high) if abs(limit) < 1e11]
    near = [limit for limit in limits if min(values) - 5 <= limit <= max(values) + 5]
    low, high = min([*values, *near]), max([*values, *near])
    margin = max((high - low) * 0.08, 0.05)
    low, high = low - margin, high + margin
    begin, end = history[0][0], max(history[-1][0], history[0][0] + 60)

    def x(at: float) -> float:
        return LEFT + (at - begin) / (end - begin) * (WIDTH - LEFT - RIGHT)

    def y(value: float) -> float:
        return TOP + (high - value) / (high - low) * (HEIGHT - TOP - BOTTOM)

    def line(points: Points, color: str, extra: str = "") -> str:
        path = " ".join(f"{x(at):.1f},{y(value):.1f}" for at, value in points)
        return f'<polyline points="{path}" fill="none" stroke="{color}" stroke-width="1.8"{extra}/>'

    unit = symbol(tile.unit)
    parts = []
    for tick in _ticks(low, high):
        level = y(tick)
        parts.append(_level(level, f'stroke="{GREY}" stroke-opacity=".25"'))
        parts.append(_text(LEFT - 6, level + 4, f"{tick:g}", "end"))
    for part in range(5):
        at = begin + (end - begin) * part / 4
        anchor = "start" if part == 0 else "end" if part == 4 else "middle"
        parts.append(_text(x(at), HEIGHT - 8, f"{local_time(zone, at)[0]:%H:%M}", anchor))
    parts += [_level(y(limit), f'stroke="{RED}" stroke-dasharray="5 4"') for limit in near]
    if truth:
        parts.append(line(truth, GREY, ' stroke-dasharray="2 3"'))
    parts.append(line(history, BLUE))
    name = f"{tile.title}, {unit}" if unit else tile.title
    legend = [(BLUE, screen.phrase("shown"))] + ([(GREY, screen.phrase("true"))] if truth else [])
    keys = " ".join(f'<span style="color:{color}">━ {escape(word)}</span>' for color, word in legend)
    first, last = history[0], history[-1]
    told = screen.phrase(
        "{tile}: from {low} to {high}, {count} points between {begin} and {end}",
        tile=name,
        low=f"{min(v for _, v in history):g}",
        high=f"{max(v for _, v in history):g}",
        count=len(history),
        begin=f"{local_time(zone, first[0])[0]:%H:%M}",
        end=f"{local_time(zone, last[0])[0]:%H:%M}",
    )
    svg = (
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" width="100%" style="max-width:{WIDTH}px" role="img" '
        f'aria-label="{escape(told)}">{"".join(parts)}</svg>'
    )
    html = f'<div style="margin:.6em 0"><div><b>{escape(name)}</b> {keys}</div>{svg}</div>'
    return Shown(html, told + "\n")


def _level(y: float, stroke: str) -> str:
    return f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}" {stroke}/>'


def _text(x: float, y: float, text: str, anchor: str) -> str:
    style = f'font-size="11" fill="{GREY}" font-family="system-ui,sans-serif"'
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" {style}>{escape(text)}</text>'

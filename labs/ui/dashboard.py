"""The dashboard or screen of a device in the notebook: a table of its tiles, and a plot of what each has shown."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from html import escape
from typing import NamedTuple

from labs.engines.base import CommandRejected
from labs.lab import Lab
from labs.model.site import Site
from labs.model.world import ARRIVAL_NS
from labs.things.dashboard import Reading, Tile, age_of, parse_dashboard_config, tile_state
from labs.things.display import EMPTY, parse_display_config
from labs.things.thing_config import ThingConfigError
from labs.things.timezone import Zone, local_time, zone
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
BOARD, SCREEN = "/etc/dashboard.toml", "/etc/display.toml"
SHORTEST_S, LOOK_BACK_S = 60, 7200
SMALLEST = 0.8  # of the unit from bottom to top: less is the noise of a sensor, and looks like a fall
Points = Sequence[tuple[float, float | None]]


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


class Board(NamedTuple):
    """What a device shows people: tiles with value, age and alarm, and what each has shown since when."""

    title: str
    zone: Zone
    tiles: Sequence[Tile]
    shown: Mapping[str, Mapping[str, str]]
    history: Mapping[str, Points]


def _found(lab: Lab, device: str) -> tuple[str, str]:
    """The device that is meant, and its file; without a name the one dashboard, else the one screen."""
    devices = lab.engine.observe().devices
    boards = {name: BOARD for name in devices if _file(lab, name, BOARD)}
    screens = {name: SCREEN for name in devices if name not in boards and _file(lab, name, SCREEN)}
    known = {**boards, **screens}
    if device in known:
        return device, known[device]
    only = boards or screens
    if not device and len(only) == 1:
        return next(iter(only.items()))
    raise Refusal("say whose dashboard: %dashboard DEVICE   (there are: {devices})", devices=", ".join(known) or "–")


def dashboard_of(lab: Lab, device: str, truths: Sequence[Truth], screen: Screen) -> Shown:
    """Table and plots: of the tiles with a truth, or of all. Looking leaves no trace in the journal."""
    device, file = _found(lab, device)
    site = lab.engine.observe()
    now_s = site.world.epoch_s + (lab.engine.now - ARRIVAL_NS) / SECOND
    try:
        board = (_board if file == BOARD else _screen)(lab, device, site, now_s)
    except ThingConfigError as error:
        raise Refusal("the dashboard of {device} cannot be read: {error}", device=device, error=str(error)) from None
    living = LivingWorld(site.world, site.seed)
    parts = [_table(board, now_s, screen)]
    for truth in truths:
        if truth.tile not in {tile.name for tile in board.tiles}:
            raise Refusal("there is no tile {tile}; there are: {tiles}", tile=truth.tile, tiles=_names(board))
    for tile in board.tiles:
        history = board.history.get(tile.name, [])
        wanted = [truth for truth in truths if truth.tile == tile.name]
        begin = history[0][0] if history else max(now_s - LOOK_BACK_S, site.world.epoch_s - ARRIVAL_NS / SECOND)
        if (wanted or (history and not truths)) and now_s - begin >= SHORTEST_S:
            true = _truth(living, wanted[0], tile, (begin, now_s)) if wanted else []
            parts.append(plot(tile, history, true, (begin, now_s), board.zone, screen))
    return together(parts)


def _board(lab: Lab, device: str, site: Site, now_s: float) -> Board:
    """A dashboard. Its own clock may be wrong; what it kept is put where it belongs. Raises ThingConfigError."""
    config = parse_dashboard_config(_file(lab, device, BOARD))
    known = json.loads(_file(lab, device, "/run/dashboard.json") or "{}")
    state = site.devices[device].state
    ahead_s = state.clock_offset_ns / SECOND if state is not None else 0.0
    readings = {name: Reading(**reading) for name, reading in known.get("readings", {}).items()}
    return Board(
        config.title or "dashboard",
        config.zone,
        config.tiles,
        {tile.name: tile_state(tile, readings.get(tile.name), now_s + ahead_s) for tile in config.tiles},
        {
            name: [(float(at) - ahead_s, float(value)) for at, value in points]
            for name, points in known.get("history", {}).items()
        },
    )


def _screen(lab: Lab, device: str, site: Site, now_s: float) -> Board:
    """A screen is a dashboard with one tile. Raises ThingConfigError."""
    config = parse_display_config(_file(lab, device, SCREEN))
    state = json.loads(_file(lab, device, "/run/display.json") or "{}")
    tile = Tile("screen", config.title or device, config.mqtt.topic, config.unit, max_age_s=config.stale_after_s)
    since = state.get("received_ns")
    age = age_of(int((lab.engine.now - since) / SECOND)) if since is not None else "never"
    zero_s = site.world.epoch_s - ARRIVAL_NS / SECOND
    kept = json.loads(_file(lab, device, "/var/lib/display.json") or "[]")
    history = [(zero_s + at / SECOND, value) for at, value in kept]
    if history and not state:  # the program does not run, or the device has no power: nothing is shown now
        history.append((now_s, None))
    shown = {"value": state.get("text", EMPTY), "age": age, "alarm": ""}
    return Board(device, zone("UTC"), (tile,), {tile.name: shown}, {tile.name: history})


def _names(board: Board) -> str:
    return ", ".join(tile.name for tile in board.tiles)


def _truth(living: LivingWorld, truth: Truth, tile: Tile, span: tuple[float, float]) -> list[tuple[float, float]]:
    """What was true over the same time, in the unit of the tile."""
    begin, end = span
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


def _table(board: Board, now_s: float, screen: Screen) -> Shown:
    local, abbreviation = local_time(board.zone, now_s)
    title = f"{board.title} · {local:%Y-%m-%d %H:%M} {abbreviation}"
    head = "".join(
        f'<th scope="col" style="{CELL};border-top:0;{QUIET}">{escape(screen.phrase(word))}</th>' for word in HEADS
    )
    rows, lines = [], [title]
    for tile in board.tiles:
        shown = board.shown[tile.name]
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


def _held(history: Points, end: float, max_age_s: float) -> tuple[list[Points], list[Points]]:
    """What a screen showed as lines that stand until the next value: while it was fresh, and while it was old."""
    fresh: list[list[tuple[float, float]]] = [[]]
    old: list[Points] = []
    for (at, value), (until, _) in zip(history, [*history[1:], (end, None)], strict=False):
        if value is None:
            fresh.append([])
            continue
        good = min(until, at + max_age_s) if max_age_s else until
        fresh[-1] += [(at, value), (good, value)]
        if good < until:
            old.append([(good, value), (until, value)])
            fresh.append([])
    return [line for line in fresh if line], old


def plot(tile: Tile, history: Points, truth: Points, span: tuple[float, float], zone: Zone, screen: Screen) -> Shown:
    """One tile over time: what was shown, faint where it was too old, what was true, and the limits of its alarms."""
    numbers = [value for _, value in history if value is not None]
    values = [*numbers, *(value for _, value in truth if value is not None)] or [0.0]
    limits = [limit for limit in (tile.low, tile.high) if abs(limit) < 1e11]
    near = [limit for limit in limits if min(values) - 5 <= limit <= max(values) + 5]
    low, high = min([*values, *near]), max([*values, *near])
    margin = max((high - low) * 0.08, (SMALLEST - high + low) / 2)
    low, high = low - margin, high + margin
    begin, end = span

    def x(at: float) -> float:
        return LEFT + (at - begin) / (end - begin) * (WIDTH - LEFT - RIGHT)

    def y(value: float) -> float:
        return TOP + (high - value) / (high - low) * (HEIGHT - TOP - BOTTOM)

    def line(points: Points, color: str, extra: str = "") -> str:
        path = " ".join(f"{x(at):.1f},{y(value):.1f}" for at, value in points if value is not None)
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
        local, abbreviation = local_time(zone, at)
        parts.append(_text(x(at), HEIGHT - 8, f"{local:%H:%M}" + (f" {abbreviation}" if part == 4 else ""), anchor))
    parts += [_level(y(limit), f'stroke="{RED}" stroke-dasharray="5 4"') for limit in near]
    if truth:
        parts.append(line(truth, GREY, ' stroke-dasharray="2 3"'))
    fresh, old = _held(history, end, tile.max_age_s)
    parts += [line(points, BLUE, ' stroke-opacity=".35"') for points in old]
    parts += [line(points, BLUE) for points in fresh]
    name = f"{tile.title}, {unit}" if unit else tile.title
    legend = [(BLUE, "━", screen.phrase("shown"))]
    legend += [(BLUE + ";opacity:.45", "━", screen.phrase("too old"))] if old else []
    legend += [(GREY, "┅", screen.phrase("true"))] if truth else []
    keys = " ".join(f'<span style="color:{color}">{mark} {escape(word)}</span>' for color, mark, word in legend)
    if numbers:
        told = screen.phrase(
            "{tile}: from {low} to {high}, {count} points between {begin} and {end}",
            tile=name,
            low=f"{min(numbers):g}",
            high=f"{max(numbers):g}",
            count=len(numbers),
            begin=f"{local_time(zone, begin)[0]:%H:%M}",
            end=f"{local_time(zone, end)[0]:%H:%M}",
        )
    else:
        told = screen.phrase(
            "{tile}: nothing was shown between {begin} and {end}",
            tile=name,
            begin=f"{local_time(zone, begin)[0]:%H:%M}",
            end=f"{local_time(zone, end)[0]:%H:%M}",
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

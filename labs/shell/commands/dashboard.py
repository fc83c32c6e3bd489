"""dashboard: the tiles of this device as text, with ages and alarms."""

from __future__ import annotations

import json

from labs.net.process import Process, Program
from labs.shell.daemons.dashboard import CONFIG, STATUS, load_dashboard
from labs.things.dashboard import Reading, tile_state
from labs.things.thing_config import ThingConfigError
from labs.things.timezone import local_time

__all__ = ["COMMANDS"]

USAGE = """usage: dashboard          every tile: value, age, alarm
       dashboard help     this text"""


def dashboard(process: Process) -> int:
    """Print the tiles. Exit status 0; 1 where there is no dashboard, 2 for wrong words."""
    words = process.argv[1:]
    if words in (["help"], ["--help"], ["-h"]):
        process.print(*USAGE.split("\n"))
        return 0
    if words:
        process.error(f'dashboard: unknown word "{words[0]}"; try: dashboard help')
        return 2
    node = process.node
    try:
        config = load_dashboard(node)
    except ThingConfigError as error:
        process.error(f"dashboard: {CONFIG}: {error}")
        return 1
    state = json.loads(node.files.get(STATUS) or "{}") if node.units.state("dashboard").active == "active" else {}
    now_s = node.wall_clock()
    local, abbreviation = local_time(config.zone, now_s)
    words_ = state.get("state", "not running")
    process.print(f"{config.title or node.name}   {local:%Y-%m-%d %H:%M} {abbreviation}   broker {words_}")
    rows = []
    for tile in config.tiles:
        known = state.get("readings", {}).get(tile.name)
        shown = tile_state(tile, Reading(**known) if known else None, now_s)
        age = shown["age"] if shown["age"] == "never" else f"{shown['age']} ago"
        rows.append((tile.title, shown["value"], age, f"! {shown['alarm']}" if shown["alarm"] else ""))
    widths = [max((len(row[column]) for row in rows), default=0) for column in range(3)]
    for title, value, age, alarm in rows:
        process.print(f"{title:<{widths[0]}}  {value:>{widths[1]}}  {age:>{widths[2]}}  {alarm}".rstrip())
    return 0


COMMANDS: dict[str, Program] = {"dashboard": dashboard}

"""A dashboard: tiles with the last value of a topic, its age and its alarm. Values only; times are Unix seconds."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass

from labs.things.mqtt.topics import valid_topic
from labs.things.thing_config import CONNECTION_KEYS, Key, MqttConfig, ThingConfigError, mqtt_config, read_keys
from labs.things.timezone import Zone, ZoneError, zone
from labs.things.units import symbol

__all__ = ["DashboardConfig", "Reading", "Tile", "age_of", "dashboard_keys", "parse_dashboard_config", "tile_state"]

NOTHING = float("nan")
MAX_TILES = 100
DASHBOARD_KEYS = (
    Key("dashboard.title", str, ""),
    Key("dashboard.timezone", str, "UTC"),
    *CONNECTION_KEYS,
)
LOWEST, HIGHEST = -1e12, 1e12


@dataclass(frozen=True, slots=True)
class Tile:
    """One value. `max_age_s` 0 never says that it is old; outside `low` to `high` it is an alarm."""

    name: str
    title: str
    topic: str
    unit: str = ""
    field: str = "value"
    max_age_s: int = 0
    low: float = LOWEST
    high: float = HIGHEST


@dataclass(frozen=True, slots=True)
class DashboardConfig:
    """What /etc/dashboard.toml says."""

    title: str
    zone: Zone
    tiles: tuple[Tile, ...]
    mqtt: MqttConfig


@dataclass(frozen=True, slots=True)
class Reading:
    """The last thing heard for a tile: a number, or the text where it is none; and when it came."""

    value: float | None
    text: str
    at_s: float
    unit: str = ""


def dashboard_keys(text: str) -> tuple[Key, ...]:
    """Every key that may stand in a file with these tiles. Raises ThingConfigError for what is not TOML."""
    try:
        tiles = tomllib.loads(text).get("tile", {})
    except tomllib.TOMLDecodeError as error:
        raise ThingConfigError(str(error)) from None
    if not isinstance(tiles, dict) or not all(isinstance(tile, dict) for tile in tiles.values()):
        raise ThingConfigError('"tile" must be tables such as [tile.hall]')
    if len(tiles) > MAX_TILES:
        raise ThingConfigError(f"more than {MAX_TILES} tiles")
    keys = []
    for name in tiles:
        keys += [
            Key(f"tile.{name}.title", str, name),
            Key(f"tile.{name}.topic", str),
            Key(f"tile.{name}.unit", str, ""),
            Key(f"tile.{name}.field", str, "value"),
            Key(f"tile.{name}.max_age_s", int, 0, 0, 10_000_000),
            Key(f"tile.{name}.low", float, LOWEST, LOWEST, HIGHEST),
            Key(f"tile.{name}.high", float, HIGHEST, LOWEST, HIGHEST),
        ]
    return (*DASHBOARD_KEYS, *keys)


def parse_dashboard_config(text: str) -> DashboardConfig:
    """Read /etc/dashboard.toml. Raises ThingConfigError."""
    keys = dashboard_keys(text)
    values = read_keys(text, keys)
    names = [key.name.split(".")[1] for key in keys if key.name.endswith(".topic") and key.name.startswith("tile.")]
    tiles = []
    for name in names:
        topic = str(values[f"tile.{name}.topic"])
        if not valid_topic(topic):
            raise ThingConfigError(f'"tile.{name}.topic" is not a topic: {topic!r}')
        tiles.append(
            Tile(
                name,
                str(values[f"tile.{name}.title"]),
                topic,
                str(values[f"tile.{name}.unit"]),
                str(values[f"tile.{name}.field"]),
                int(values[f"tile.{name}.max_age_s"]),
                float(values[f"tile.{name}.low"]),
                float(values[f"tile.{name}.high"]),
            )
        )
    try:
        where = zone(str(values["dashboard.timezone"]))
    except ZoneError as error:
        raise ThingConfigError(f'"dashboard.timezone": {error}') from None
    return DashboardConfig(str(values["dashboard.title"]), where, tuple(tiles), mqtt_config(values, wildcards=True))


def age_of(seconds: int) -> str:
    """An age as a dashboard writes it: 90 s, 5 min, 3 h."""
    return f"{seconds} s" if seconds < 120 else f"{seconds // 60} min" if seconds < 7200 else f"{seconds // 3600} h"


def tile_state(tile: Tile, reading: Reading | None, now_s: float) -> Mapping[str, str]:
    """What a tile shows now: `value`, `age` and `alarm` (empty where all is well)."""
    if reading is None:
        return {"value": "--", "age": "never", "alarm": "no value"}
    seconds = int(max(0, now_s - reading.at_s))
    age = age_of(seconds)
    if reading.value is None:
        nothing = reading.text in ("", "--")
        return {"value": reading.text[:24] or "--", "age": age, "alarm": "no value" if nothing else ""}
    value = f"{reading.value:.1f}".removesuffix(".0") if not tile.unit else f"{reading.value:.1f}"
    alarm = ""
    if tile.max_age_s and seconds > tile.max_age_s:
        alarm = f"older than {tile.max_age_s} s"
    elif reading.unit and tile.unit and symbol(reading.unit) != symbol(tile.unit):
        alarm = f"comes in {symbol(reading.unit)}"
    elif reading.value < tile.low:
        alarm = f"below {tile.low:g}"
    elif reading.value > tile.high:
        alarm = f"above {tile.high:g}"
    return {"value": f"{value} {symbol(tile.unit)}".rstrip(), "age": age, "alarm": alarm}

"""An actuator: its file, the commands it understands, and what it says about itself."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from datetime import UTC, datetime

from labs.things.library import MODELS, Model
from labs.things.library.model import Role
from labs.things.mqtt.topics import valid_topic
from labs.things.payload import read_json
from labs.things.thing_config import MQTT_KEYS, Key, MqttConfig, ThingConfigError, mqtt_config, parse_number, read_keys

__all__ = [
    "ACTUATOR_KEYS", "ActuatorConfig", "Motion", "parse_actuator_config", "read_command", "state_payload", "state_word",
]  # fmt: skip

SAFE = ("off", "on", "hold")
ACTUATOR_KEYS = (
    Key("actuator.name", str),
    Key("actuator.drives", str),
    Key("actuator.inverted", bool, default=False),
    Key("actuator.stays", bool, default=False),
    Key("actuator.fail_safe", str, "off"),
    Key("actuator.fail_safe_after_s", int, 300, 0, 86_400),
    Key("actuator.report_s", int, 60, 1, 86_400),
    Key("actuator.model", str, ""),
    Key("actuator.travel_s", float, -1.0, -1, 3600),
    Key("device.firmware", str, ""),
    Key("device.verify_updates", bool, default=True),
    Key("device.user", str, "admin"),
    Key("device.password", str, ""),
    *MQTT_KEYS,
    Key("mqtt.state_topic", str, ""),
)
WORDS = {"on": 1.0, "true": 1.0, "open": 1.0, "off": 0.0, "false": 0.0, "closed": 0.0, "close": 0.0}


@dataclass(frozen=True, slots=True)
class ActuatorConfig:
    """What /etc/actuator.toml says. `drives` is what moves in the room: heater, window, fan, lamp or pump.

    `inverted`: an output that closes when it is told to open. `stays`: it keeps its position without power (a motor).
    `fail_safe_after_s` without a command brings it to `fail_safe`; 0 waits for ever. A model of the library says itself
    whether it stays and how long it travels.
    """

    name: str
    drives: str
    inverted: bool
    stays: bool
    fail_safe: str
    fail_safe_after_s: int
    report_s: int
    state_topic: str
    mqtt: MqttConfig
    model: Model | None = None
    travel_s: float = 0.0
    """How long its motor takes from one end to the other."""


def parse_actuator_config(text: str) -> ActuatorConfig:
    """Read /etc/actuator.toml. Raises ThingConfigError."""
    values = read_keys(text, ACTUATOR_KEYS)
    fail_safe, state_topic = str(values["actuator.fail_safe"]), str(values["mqtt.state_topic"])
    if fail_safe not in SAFE:
        raise ThingConfigError(f'"actuator.fail_safe" is "{fail_safe}"; it must be {", ".join(SAFE)}')
    if state_topic and not valid_topic(state_topic):
        raise ThingConfigError(f'"mqtt.state_topic" is not a topic to publish to: {state_topic!r}')
    model = _model(str(values["actuator.model"]))
    drive = None if model is None else model.drive
    travel = float(values["actuator.travel_s"])
    return ActuatorConfig(
        str(values["actuator.name"]),
        str(values["actuator.drives"]),
        bool(values["actuator.inverted"]),
        bool(values["actuator.stays"]) or (drive is not None and drive.stays),
        fail_safe,
        int(values["actuator.fail_safe_after_s"]),
        int(values["actuator.report_s"]),
        state_topic,
        mqtt_config(values, wildcards=False),
        model,
        travel if travel >= 0 else drive.seconds if drive is not None else 0.0,
    )


def _model(name: str) -> Model | None:
    if not name:
        return None
    model = MODELS.get(name)
    if model is None or model.role is not Role.ACTUATOR:
        raise ThingConfigError(f'"actuator.model" is not an actuator of the library: "{name}"')
    return model


@dataclass(frozen=True, slots=True)
class Motion:
    """A motor on its way: from `begin` at `since_ns` to `target`, a whole stroke taking `stroke_ns`."""

    begin: float
    target: float
    since_ns: int
    stroke_ns: int

    def at(self, now: int) -> float:
        """Where it is, from 0 to 1."""
        if not self.stroke_ns:
            return self.target
        way = (now - self.since_ns) / self.stroke_ns
        return min(self.begin + way, self.target) if self.target >= self.begin else max(self.begin - way, self.target)

    @property
    def arrives_ns(self) -> int:
        """When it is there."""
        return self.since_ns + round(abs(self.target - self.begin) * self.stroke_ns)


def read_command(payload: bytes) -> float:
    """The level, 0 to 1, that a command asks for: `on`, `off`, `0.4`, `40%`, or `{"level": 0.4}`, `{"state": "on"}`.

    Raises ValueError.
    """
    text = payload.decode(errors="replace").strip()
    if text.startswith("{"):
        found = read_json(text)
        text = str(found.get("level", found.get("state", found.get("value", ""))))
    word = text.lower()
    if word in WORDS:
        return WORDS[word]
    level = parse_number(word[:-1]) / 100 if word.endswith("%") else parse_number(word)
    if not math.isfinite(level) or not 0 <= level <= 1:
        message = f'"{text[:40]}" is not a level from 0 to 1'
        raise ValueError(message)
    return level


def state_word(level: float) -> str:
    """on, off, or the level in percent."""
    return "on" if level == 1 else "off" if level == 0 else f"{level:.0%}"


def state_payload(level: float, unix_s: float) -> bytes:
    """What it reports: state, level and when."""
    at = datetime.fromtimestamp(int(unix_s), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return json.dumps({"state": state_word(level), "level": level, "at": at}).encode()

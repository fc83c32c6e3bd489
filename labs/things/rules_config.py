"""/etc/rules.toml: where the rule engine finds its broker, and how often it repeats what it decided."""

from __future__ import annotations

from dataclasses import dataclass

from labs.things.thing_config import CONNECTION_KEYS, Key, MqttConfig, mqtt_config, read_keys

__all__ = ["RULES_KEYS", "RulesConfig", "parse_rules_config"]

RULES_KEYS = (
    Key("rules.file", str, "/etc/rules.conf"),
    Key("rules.repeat_s", int, 60, 5, 3600),
    *CONNECTION_KEYS,
)


@dataclass(frozen=True, slots=True)
class RulesConfig:
    """`repeat_s`: every output is told again that often, so that an actuator knows that somebody is there."""

    file: str
    repeat_s: int
    mqtt: MqttConfig


def parse_rules_config(text: str) -> RulesConfig:
    """Read /etc/rules.toml. Raises ThingConfigError."""
    values = read_keys(text, RULES_KEYS)
    return RulesConfig(str(values["rules.file"]), int(values["rules.repeat_s"]), mqtt_config(values, wildcards=True))

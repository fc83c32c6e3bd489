"""What kinds of things there are: their file, their unit, and what `sensorctl` needs to know of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from labs.net.filesystem import FileError
from labs.shell.daemons import actuator as actuator_daemon
from labs.shell.daemons import display as display_daemon
from labs.shell.daemons import inputs as inputs_daemon
from labs.shell.daemons import lorawan_device
from labs.shell.daemons import sensor as sensor_daemon
from labs.things.actuator import ACTUATOR_KEYS, ActuatorConfig, parse_actuator_config
from labs.things.display import DISPLAY_KEYS, DisplayConfig, parse_display_config
from labs.things.inputs import INPUTS_KEYS, InputsConfig, parse_inputs_config
from labs.things.lorawan.config import DEVICE, DEVICE_KEYS, EndDevice, parse_device
from labs.things.sensor import SENSOR_KEYS, SensorConfig, parse_sensor_config
from labs.things.thing_config import Key, ThingConfigError
from labs.things.transmitter import TRANSMITTER_KEYS, TransmitterConfig, parse_transmitter_config

if TYPE_CHECKING:
    from labs.net.linux.node import LinuxNode

__all__ = ["Config", "ThingFailure", "ThingKind", "ago", "config_of", "kind_of", "text_of"]

SECOND = 1_000_000_000
Config = EndDevice | SensorConfig | DisplayConfig | InputsConfig | ActuatorConfig | TransmitterConfig


class ThingFailure(Exception):
    """One line for standard error; exit status 1, or 2 for a wrong command line."""

    def __init__(self, text: str, status: int = 1) -> None:
        super().__init__(text)
        self.status = status


@dataclass(frozen=True, slots=True)
class ThingKind:
    """A kind of thing. `unit` is empty where nothing runs: a transmitter works by itself."""

    name: str
    unit: str
    config: str
    state: str
    keys: tuple[Key, ...]
    parse: Callable[[str], Config]

    @property
    def factory(self) -> str:
        """The settings it left the factory with."""
        return f"/usr/share/{self.name}/factory.toml"


KINDS = (
    ThingKind(
        "sensor", "sensor", sensor_daemon.CONFIG, sensor_daemon.STATUS, SENSOR_KEYS, parse_sensor_config
    ),
    ThingKind(
        "display", "display", display_daemon.CONFIG, display_daemon.STATUS, DISPLAY_KEYS, parse_display_config
    ),
    ThingKind(
        "inputs", "inputs", inputs_daemon.CONFIG, inputs_daemon.STATUS, INPUTS_KEYS, parse_inputs_config
    ),
    ThingKind(
        "actuator", "actuator", actuator_daemon.CONFIG, actuator_daemon.STATUS, ACTUATOR_KEYS, parse_actuator_config
    ),
    ThingKind("lorawan", "lorawan", DEVICE, lorawan_device.STATUS, DEVICE_KEYS, parse_device),
    ThingKind("transmitter", "", "/etc/transmitter.toml", "", TRANSMITTER_KEYS, parse_transmitter_config),
)  # fmt: skip


def kind_of(node: LinuxNode) -> ThingKind:
    """What a device is. Raises ThingFailure."""
    for kind in KINDS:
        if node.files.is_file(kind.config) or node.files.is_file(kind.factory):
            return kind
    message = "this device is no sensor, display or actuator"
    raise ThingFailure(message)


def text_of(node: LinuxNode, kind: ThingKind) -> str:
    """Its file. Raises ThingFailure."""
    try:
        return node.files.read(kind.config)
    except FileError as error:
        raise ThingFailure(f"{kind.config}: {error}") from None


def config_of(node: LinuxNode, kind: ThingKind) -> Config:
    """What its file says. Raises ThingFailure."""
    try:
        return kind.parse(text_of(node, kind))
    except ThingConfigError as error:
        raise ThingFailure(f"{kind.config}: {error}") from None


def ago(node: LinuxNode, when_ns: object) -> str:
    """`90 s ago`, `5 min ago`, or never."""
    if not isinstance(when_ns, int):
        return "never"
    seconds = (node.now - when_ns) // SECOND
    if seconds < 120:
        return f"{seconds} s ago"
    if seconds < 7200:
        return f"{seconds // 60} min ago"
    return f"{seconds // 3600} h ago" if seconds < 172_800 else f"{seconds // 86_400} days ago"

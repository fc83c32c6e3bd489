"""What `sensorctl status` tells of each kind of thing."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from labs.model.field import Signal
from labs.shell.daemons.inputs import read_one
from labs.shell.daemons.lorawan_device import device_battery
from labs.shell.daemons.sensor import battery_now
from labs.shell.thing_kinds import ThingKind, ago, config_of, text_of
from labs.things.actuator import ActuatorConfig
from labs.things.battery import DAYS_PER_YEAR, Charge, life_years
from labs.things.display import DisplayConfig
from labs.things.inputs import InputsConfig
from labs.things.library.model import Model
from labs.things.lorawan.config import EndDevice
from labs.things.lorawan.energy import device_mah_per_day
from labs.things.sensor import SensorConfig
from labs.things.toml_edit import get_toml_key
from labs.things.transmitter import FieldDevice, TransmitterConfig
from labs.things.units import symbol

if TYPE_CHECKING:
    from labs.net.linux.node import LinuxNode
    from labs.things.thing_config import MqttConfig

__all__ = ["firmware_of", "status_rows"]

Row = tuple[str, str]


def status_rows(node: LinuxNode, kind: ThingKind) -> list[Row]:
    """Names and values, in the order in which they are told. Raises ThingFailure."""
    config = config_of(node, kind)
    if isinstance(config, TransmitterConfig):
        return _transmitter(node, kind, config)
    state = _state(node, kind)
    if isinstance(config, EndDevice):
        return _lorawan(node, kind, config, state)
    rows = [("Link", _link(node)), ("Service", node.units.state(kind.unit).active)]
    rows += _broker(node, kind, config.mqtt, state)
    match config:
        case SensorConfig():
            _sensor(node, kind, config, state, rows)
        case DisplayConfig():
            _display(node, config, state, rows)
        case InputsConfig():
            _inputs(node, kind, config, state, rows)
        case ActuatorConfig():
            _actuator(node, kind, config, state, rows)
    return [*rows, ("Errors", str(state.get("errors", 0)))]


def _state(node: LinuxNode, kind: ThingKind) -> dict[str, Any]:
    if node.units.state(kind.unit).active != "active":
        return {}
    try:
        found = json.loads(node.files.get(kind.state) or "{}")
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _link(node: LinuxNode) -> str:
    lines = []
    for interface in node.interfaces.values():
        if interface.kind == "loopback":
            continue
        state = "up" if interface.up and interface.carrier else "no lead" if interface.up else "switched off"
        addresses = ", ".join(str(address) for address in interface.addresses) or "no address"
        lines.append(f"{interface.name} {state}, {addresses}")
    return "; ".join(lines) or "none"


def _broker(node: LinuxNode, kind: ThingKind, mqtt: MqttConfig, state: dict[str, Any]) -> list[Row]:
    since = f" (since {ago(node, state['since_ns']).removesuffix(' ago')})" if "since_ns" in state else ""
    running = node.units.state(kind.unit).active == "active"
    words = state.get("state", "connecting" if running else "not running")
    detail = f": {state['detail']}" if state.get("detail") else ""
    rows = [("Broker", f"{mqtt.host}:{mqtt.port} {words}{since}{detail}")]
    rows.append(("Client", mqtt.client_id + (f", user {mqtt.username}" if mqtt.username else ", no user name")))
    if kind.name != "inputs":
        rows.append(("Topic", mqtt.topic))
    return rows


def _key(node: LinuxNode, kind: ThingKind, last: str) -> object:
    """The value of the key that ends in a word, such as firmware."""
    for key in kind.keys:
        if key.name.endswith(f".{last}") and not key.name.startswith("mqtt."):
            try:
                return get_toml_key(text_of(node, kind), key.name)
            except KeyError:
                return key.default
    return None


def firmware_of(node: LinuxNode, kind: ThingKind, model: Model) -> str:
    """The version that is installed; that of the factory where the file does not say."""
    return str(_key(node, kind, "firmware") or model.firmware[0])


def _model_rows(node: LinuxNode, kind: ThingKind, model: Model) -> list[Row]:
    installed = firmware_of(node, kind, model)
    newest = "" if installed == model.firmware[-1] else f"; {model.firmware[-1]} is out"
    unverified = "; signatures are not checked" if _key(node, kind, "verify_updates") is False else ""
    rows = [("Model", f"{model.name}, {model.title}"), ("Firmware", installed + newest + unverified)]
    user, password = _key(node, kind, "user"), _key(node, kind, "password")
    if model.login and password == model.login.partition(":")[2]:
        rows.append(("Login", f"{user or 'no user'}, still with the password of the factory"))
    return rows


def _sensor(node: LinuxNode, kind: ThingKind, config: SensorConfig, state: dict[str, Any], rows: list[Row]) -> None:
    rows.insert(0, ("Sensor", f"{config.name}: {config.quantity}, every {config.interval_s} s"))
    if config.model is not None:
        rows[1:1] = _model_rows(node, kind, config.model)
        if config.sample_s:
            rows.append(("Samples", f"every {config.sample_s} s"))
    value = f"{state['value']} {symbol(str(state['unit']))}" if "value" in state else "none"
    rows.append(("Last value", value))
    rows.append(("Published", f"{ago(node, state.get('published_ns'))}, {state.get('published', 0)} in all"))
    if state.get("waiting"):
        rows.append(("Waiting", f"{state['waiting']} not acknowledged"))
    rows += _battery_rows(config.model, battery_now(node, config), config.mah_per_day, awake=config.stay_awake)


def _battery_rows(model: Model | None, charge: Charge | None, per_day_mah: float, *, awake: bool) -> list[Row]:
    if model is None or model.battery is None or charge is None:
        return []
    words = "empty" if charge.share <= 0 else "low" if charge.low else "good"
    rows = [("Sleep", "never: stay_awake keeps the radio on")] if awake else []
    rows.append(("Battery", f"{charge.share:.0%} ({words}), {charge.idle_v:.2f} V, {charge.loaded_v:.2f} V sending"))
    rows.append(("Current", f"{per_day_mah / 24 * 1000:.0f} uA on average, {per_day_mah:.2f} mAh a day"))
    years = life_years(model.battery, per_day_mah)
    lasts = f"{years:.1f} years" if years >= 0.1 else f"{years * DAYS_PER_YEAR:.0f} days"
    rows.append(("Life", f"{lasts} from a new {model.battery.cell} at this interval"))
    return rows


def _lorawan(node: LinuxNode, kind: ThingKind, config: EndDevice, state: dict[str, Any]) -> list[Row]:
    rows = [("Sensor", f"{node.name}: {config.quantity}, every {config.interval_s} s")]
    if config.model is not None:
        rows += _model_rows(node, kind, config.model)
    if config.sample_s:
        rows.append(("Samples", f"every {config.sample_s} s"))
    rows.append(("Service", node.units.state(kind.unit).active))
    rows.append(("Session", f"{state.get('state', 'none')}, {state.get('joins', 0)} join requests"))
    used = f", SF{state['used_sf']} in the end" if state.get("used_sf", config.sf) != config.sf else ""
    unheard = f"; the last {state['unheard']} never answered" if state.get("unheard") else ""
    tried = (
        f", {state['tries']} {'try' if state['tries'] == 1 else 'tries'} for the last message{used}{unheard}"
        if config.confirmed and "tries" in state
        else ""
    )
    rows.append(("Radio", f"{config.region} SF{config.sf}{', confirmed' + tried if config.confirmed else ''}"))
    rows.append(("Sent", f"{ago(node, state.get('sent_ns'))}, {state.get('sent', 0)} in all"))
    tries = None if state.get("unheard") else int(state.get("tries", 1))
    charge = device_battery(node, config, tries)
    return rows + _battery_rows(config.model, charge, device_mah_per_day(config, tries), awake=config.stay_awake)


def _display(node: LinuxNode, config: DisplayConfig, state: dict[str, Any], rows: list[Row]) -> None:
    rows.insert(0, ("Screen", config.title or node.name))
    rows.append(("Shows", str(state.get("text", "nothing"))))
    received = f"{ago(node, state.get('received_ns'))}" + (", a kept message" if state.get("retain") else "")
    rows.append(("Received", received))
    rows.append(("Measured", str(state.get("payload_at") or "unknown")))


def _inputs(node: LinuxNode, kind: ThingKind, config: InputsConfig, state: dict[str, Any], rows: list[Row]) -> None:
    rows.insert(0, ("Module", f"{config.name}: {len(config.inputs)} inputs, every {config.interval_s} s"))
    rows[1:1] = _model_rows(node, kind, config.model)
    rows.append(("Published", f"{ago(node, state.get('published_ns'))}, {state.get('published', 0)} in all"))
    for one in config.inputs:
        reading = read_one(node, config, one)
        value = "--" if reading.value is None else f"{reading.value:g}"
        scaled = (
            f", {one.low:g} to {one.high:g} {symbol(one.unit)}" if one.type in (Signal.CURRENT, Signal.VOLTAGE) else ""
        )
        told = f"{one.name or '-'}: {one.type}{scaled}: {value} {symbol(one.unit)}, {reading.quality.text}"
        rows.append((f"Input {one.number}", told))


def _actuator(node: LinuxNode, kind: ThingKind, config: ActuatorConfig, state: dict[str, Any], rows: list[Row]) -> None:
    rows.insert(0, ("Actuator", f"{config.name}: {config.drives}"))
    if config.model is not None:
        rows[1:1] = _model_rows(node, kind, config.model)
    why = f", {state['why']}" if state.get("why") else ""
    rows.append(("State", f"{state.get('actuator', 'unknown')}{why}"))
    if "stands" in state and state["stands"] != state["level"]:
        rows.append(("Stands at", f"{state['stands']:.0%}, on its way"))
    rows.append(("Commanded", ago(node, state.get("commanded_ns"))))
    rows.append(("Changed", f"{ago(node, state.get('changed_ns'))}, {state.get('switches', 0)} times in all"))


def _transmitter(node: LinuxNode, kind: ThingKind, config: TransmitterConfig) -> list[Row]:
    device = FieldDevice(config, node.world)
    rows = [("Device", f"{config.name}: {config.channel.quantity}"), *_model_rows(node, kind, config.model)]
    if config.model.outputs in (Signal.CURRENT, Signal.VOLTAGE):
        ends = "4 and 20 mA" if config.model.outputs == Signal.CURRENT else "0 and 10 V"
        rows.append(("Range", f"{config.low:g} to {config.high:g} {symbol(config.unit)} are {ends}"))
        unit = "mA" if config.model.outputs == Signal.CURRENT else "V"
        rows.append(("Sends", f"{device.wanted(node.now):.2f} {unit}, as far as the line lets it"))
        rows.append(("On failure", f"{'3.5' if config.fault == 'low' else '21.5'} mA (NAMUR NE 43)"))
    return rows

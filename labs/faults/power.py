"""Batteries that do not last: reports without end, radios that never sleep, gateways out of reach, old firmware."""

from __future__ import annotations

from dataclasses import replace

from labs.faults.edit import read_file, set_key
from labs.faults.fault import FaultError, device_of, fault
from labs.model.site import Site
from labs.things.library.model import Model
from labs.things.lorawan.config import DEVICE, FORWARDER, parse_device
from labs.things.lorawan.coverage import best_rssi
from labs.things.lorawan.energy import tries_needed
from labs.things.sensor import parse_sensor_config
from labs.things.thing_config import ThingConfigError

__all__ = ["FAULTS"]

FAMILY = "battery"
SENSOR = "/etc/sensor.toml"
A_SENSOR = "a sensor with a model that has a battery"
NEVER = 99  # a try that is never reached


def _battery_sensor(site: Site, on: str) -> tuple[str, Model]:
    """The file and the model of a sensor with a battery. Raises FaultError."""
    files = device_of(site, on).files
    path = DEVICE if DEVICE in files else SENSOR
    text = read_file(site, on, path, A_SENSOR)
    try:
        model = (parse_device(text) if path == DEVICE else parse_sensor_config(text)).model
    except ThingConfigError as error:
        raise FaultError(str(error)) from None
    if model is None or model.battery is None:
        message = f"{on} has no battery: the fault needs {A_SENSOR}"
        raise FaultError(message)
    return path, model


@fault(
    FAMILY,
    symptom="New batteries every few months; messages come by the second",
    shown_by="sensorctl status: interval, current, life; mosquitto_sub: one message after the other",
    fix="The longest interval that still shows an alarm in time",
)
def interval_too_short(site: Site, on: str, seconds: int = 5) -> Site:
    """A sensor reports far more often than anybody asked for."""
    path, model = _battery_sensor(site, on)
    shortest = max(seconds, model.intervals_s[0])
    return set_key(site, on, path, A_SENSOR, "sensor.interval_s", shortest)


@fault(
    FAMILY,
    symptom="A battery for years is flat within days",
    shown_by="sensorctl status: Sleep never, an average current of milliamps",
    fix="Switch the setting for the workbench off (device.stay_awake false)",
)
def sleep_disabled(site: Site, on: str) -> Site:
    """A setting that was left on keeps the radio awake."""
    path, _ = _battery_sensor(site, on)
    return set_key(site, on, path, A_SENSOR, "device.stay_awake", True)  # noqa: FBT003


def _tries(site: Site) -> dict[str, int]:
    """How often each sensor that wants an acknowledgement sends a message."""
    found = {}
    for name, device in site.devices.items():
        if DEVICE in device.files:
            config = parse_device(device.files[DEVICE])
            if config.confirmed:
                found[name] = tries_needed(config, best_rssi(site, name)) or NEVER
    return found


@fault(
    FAMILY,
    symptom="Batteries of the sensors furthest away die first; messages come late, and slowly",
    shown_by="sensorctl status: tries for one message; lorawanctl status on the server: SF and margin; look GATEWAY",
    fix="Hang the gateway where every sensor has some margin",
)
def weak_signal_retries(site: Site, on: str, room: str) -> Site:
    """A gateway hangs where sensors have to repeat every message, slower and slower."""
    read_file(site, on, FORWARDER, "a LoRaWAN gateway")
    if room not in {*site.world.rooms, *site.radio.places}:
        message = f'there is no room "{room}"; rooms: {", ".join(site.world.rooms)}'
        raise FaultError(message)
    before = _tries(site)
    moved = site.with_device(replace(device_of(site, on), room=room))
    if not any(tries > before[name] for name, tries in _tries(moved).items()):
        message = f"with {on} in {room} no sensor has to repeat more than before"
        raise FaultError(message)
    return moved


@fault(
    FAMILY,
    symptom="One batch of equal sensors empties its batteries, the others do not",
    shown_by="sensorctl status: an old version and a high average current; the advisory of the maker",
    fix="Install the image that the advisory names (sensorctl update)",
)
def firmware_leak(site: Site, on: str) -> Site:
    """A version that draws too much while it sleeps."""
    path, model = _battery_sensor(site, on)
    if not model.leaks:
        message = f"no version of {model.name} is known to leak"
        raise FaultError(message)
    return set_key(site, on, path, A_SENSOR, "device.firmware", next(iter(model.leaks)))


FAULTS = (interval_too_short, sleep_disabled, weak_signal_retries, firmware_leak)

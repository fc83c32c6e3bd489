"""Sensors, brokers and screens that talk past each other (MQTT)."""

from __future__ import annotations

import json

from labs.faults.edit import change_each_line, read_file, set_key
from labs.faults.fault import FaultError, device_of, fault
from labs.model.site import Site
from labs.things.mosquitto_access import hash_password
from labs.things.mosquitto_conf import retained_file
from labs.things.toml_edit import TomlValue

__all__ = ["A_SENSOR", "BROKER", "FAULTS", "SENSOR", "set_thing_key", "thing_config", "with_account"]

FAMILY = "messaging"
SENSOR = "/etc/sensor.toml"
DISPLAY = "/etc/display.toml"
ACTUATOR = "/etc/actuator.toml"
BROKER, PASSWORDS = "/etc/mosquitto/mosquitto.conf", "/etc/mosquitto/passwd"
A_SENSOR = "a sensor"


def thing_config(site: Site, device: str) -> tuple[str, str]:
    """The configuration file of a sensor, screen or actuator, and what it is. Raises FaultError."""
    files = device_of(site, device).files
    for path, what in ((SENSOR, A_SENSOR), (DISPLAY, "a display"), (ACTUATOR, "an actuator")):
        if path in files:
            return path, what
    message = f"{device} is no sensor, display or actuator"
    raise FaultError(message)


def set_thing_key(site: Site, device: str, key: str, value: TomlValue) -> Site:
    """Set a key in the file of a sensor, screen or actuator. Raises FaultError."""
    path, what = thing_config(site, device)
    return set_key(site, device, path, what, key, value)


def with_account(site: Site, on: str, user: str, password: str) -> Site:
    """A broker with one account more. Raises FaultError where it has that user, or no passwords."""
    text = read_file(site, on, PASSWORDS, "a broker with passwords")
    if any(line.startswith(f"{user}:") for line in text.splitlines()):
        message = f'{on} has a user "{user}" already'
        raise FaultError(message)
    line = f"{user}:{hash_password(password, f'{site.seed}/{on}/{user}')}\n"
    return site.with_device(device_of(site, on).with_file(PASSWORDS, text + line))


@fault(
    FAMILY,
    symptom="The sensor never arrives at the broker",
    shown_by="sensorctl status, journalctl -u sensor: cannot resolve, or connection refused",
    fix="Set the address of the broker",
)
def broker_address_typo(site: Site, on: str, host: str = "brokr") -> Site:
    """The sensor or screen talks to a host that is not the broker."""
    return set_thing_key(site, on, "mqtt.host", host)


@fault(
    FAMILY,
    symptom="The connection is refused at once",
    shown_by="journalctl -u sensor: Connection refused; ss -tln on the broker",
    fix="Set the port of the broker",
)
def mqtt_wrong_port(site: Site, on: str, port: int = 1884) -> Site:
    """A wrong broker port."""
    return set_thing_key(site, on, "mqtt.port", port)


@fault(
    FAMILY,
    symptom="The broker is busy and the screen stays empty, or shows something old",
    shown_by="mosquitto_sub -t '#' -v: the topic is spelled differently",
    fix="Use one spelling on both sides",
)
def topic_mismatch(site: Site, on: str, topic: str) -> Site:
    """The sensor publishes, or the screen listens, to another topic."""
    return set_thing_key(site, on, "mqtt.topic", topic)


@fault(
    FAMILY,
    symptom="The number is right in another unit",
    shown_by="sensorctl read against the thermometer on the wall",
    fix="Set the unit that the screen says it shows",
)
def unit_fahrenheit(site: Site, on: str) -> Site:
    """The sensor reports in degrees Fahrenheit."""
    return set_key(site, on, SENSOR, A_SENSOR, "sensor.unit", "F")


@fault(
    FAMILY,
    symptom="The broker sends the client away",
    shown_by="journalctl: Connection Refused: not authorised",
    fix="Use the user name and password that the broker knows",
)
def mqtt_bad_credentials(site: Site, on: str, password: str = "changeme") -> Site:  # noqa: S107 - the fault
    """A password that the broker does not know."""
    return set_thing_key(site, on, "mqtt.password", password)


@fault(
    FAMILY,
    symptom="A screen shows an old value after every restart; a dead sensor looks alive",
    shown_by="mosquitto_sub -v -R off: a message that arrives at once, with an old time in it",
    fix="Delete the kept message (an empty one with retain) and do not keep measurements",
)
def retained_stale_value(site: Site, on: str, topic: str, value: str = "72.0", unit: str = "F") -> Site:
    """The broker keeps a message of long ago."""
    read_file(site, on, BROKER, "a broker")
    try:
        number = float(value.replace(",", "."))
    except ValueError:
        message = f'"{value}" is not a number'
        raise FaultError(message) from None
    payload = json.dumps({"value": number, "unit": unit, "at": "2025-11-02T16:20:00Z"})
    path, text = retained_file(topic, payload)
    device = device_of(site, on)
    return site.with_device(device.with_file(path, device.files.get(path, "") + text))


@fault(
    FAMILY,
    symptom="Everything works on the broker itself; from the network the connection is refused",
    shown_by="ss -tln: 127.0.0.1:1883",
    fix="Define a listener for the network, with passwords",
)
def service_bound_to_localhost(site: Site, on: str) -> Site:
    """The broker listens on loopback alone."""

    def bind(line: str) -> str:
        return "listener 1883 127.0.0.1" if line.strip() == "listener 1883" else line

    return change_each_line(site, on, BROKER, "a broker", bind)


@fault(
    FAMILY,
    symptom="Anybody on the network can read and write every message",
    shown_by="mosquitto_sub without a password works",
    fix="allow_anonymous false, and a password for every client",
)
def mqtt_anonymous(site: Site, on: str) -> Site:
    """The broker lets everybody in."""
    closed, open_ = "allow_anonymous false", "allow_anonymous true"
    return change_each_line(site, on, BROKER, "a broker", lambda line: line.replace(closed, open_))


FAULTS = (
    broker_address_typo,
    mqtt_wrong_port,
    topic_mismatch,
    unit_fahrenheit,
    mqtt_bad_credentials,
    retained_stale_value,
    service_bound_to_localhost,
    mqtt_anonymous,
)

"""The files of things that have a model: as a careful technician would have set them up."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

from labs.things.library import MODELS
from labs.things.library.model import Model

__all__ = ["actuator_model", "add", "blank", "driven_by", "inputs", "login_of", "quoted", "sensor_model", "transmitter"]

SECOND = 1_000_000_000


def quoted(text: object) -> str:
    """A TOML basic string."""
    return '"' + str(text).replace("\\", "\\\\").replace('"', '\\"') + '"'


def login_of(name: str, model: Model, wanted: str) -> tuple[str, str]:
    """User and password of a device: the one that was asked for, else one of its own, never that of the factory."""
    user = model.login.partition(":")[0] or "admin"
    return user, wanted or hashlib.sha256(f"{name}/{model.name}/login".encode()).hexdigest()[:10]


def _mqtt(client: str, service: Mapping[str, Any], topic: str) -> str:
    line = f"topic = {quoted(topic)}\n" if topic else ""
    tls = 'tls = true\ncafile = "/etc/ssl/certs/site-ca.crt"\n' if service["tls"] else ""
    return f"""
[mqtt]
host = {quoted(service["broker"])}
port = {8883 if service["tls"] else 1883}
{line}client_id = {quoted(client)}
username = {quoted(service["user"])}
password = {quoted(service["password"])}
{tls}"""


def sensor_model(name: str, service: Mapping[str, Any]) -> str:
    """What /etc/sensor.toml says of the model; nothing where there is none."""
    if not service["model"]:
        return ""
    model = MODELS[service["model"]]
    lines = [f"model = {quoted(model.name)}"]
    if service["also"]:
        lines.append(f"also = {quoted(', '.join(service['also']))}")
    if service["sample"]:
        lines.append(f"sample_s = {service['sample'] // SECOND}")
    return "\n".join(lines) + "\n" + _device(name, service)


def _device(name: str, service: Mapping[str, Any]) -> str:
    """The table [device]: firmware and login."""
    model = MODELS[service["model"]]
    user, password = login_of(name, model, service["login"])
    return f"""
[device]
firmware = {quoted(model.firmware[-1])}
user = {quoted(user)}
password = {quoted(password)}
"""


def transmitter(name: str, service: Mapping[str, Any]) -> str:
    """/etc/transmitter.toml."""
    low, high = service["range"]
    return f"""# {name}: what 4 and 20 mA stand for
[transmitter]
name = {quoted(name)}
model = {quoted(service["model"])}
quantity = {quoted(service["quantity"])}
unit = {quoted(service["unit"])}
low = {low!r}
high = {high!r}
damping_s = {service["damping"] / SECOND!r}
fault = "low"
firmware = {quoted(MODELS[service["model"]].firmware[-1])}
"""


def inputs(name: str, service: Mapping[str, Any]) -> str:
    """/etc/inputs.toml."""
    model = MODELS[service["model"]]
    user, password = login_of(name, model, service["login"])
    text = f"""# {name}: what is connected, what its signal stands for, and where it goes
[module]
name = {quoted(name)}
model = {quoted(model.name)}
interval_s = {service["every"] // SECOND}
firmware = {quoted(model.firmware[-1])}
user = {quoted(user)}
password = {quoted(password)}
{_mqtt(name, service, "")}"""
    for number, channel in sorted(service["channels"].items()):
        low, high = channel["range"]
        text += f"""
[input{number}]
name = {quoted(channel["name"])}
type = {quoted(channel["type"])}
unit = {quoted(channel["unit"])}
low = {low!r}
high = {high!r}
filter_s = {channel["filter"] / SECOND!r}
topic = {quoted(channel["topic"])}
"""
        if channel["type"] == "pulse":
            text += f"per_pulse = {float(channel['per_pulse'])!r}\n"
        if channel["type"] == "4-20mA":
            text += "shunt_ohm = 250.0\n"
    return text


def driven_by(model: str) -> str:
    """What a model of an actuator moves; empty where there is no model."""
    drive = MODELS[model].drive if model else None
    return "" if drive is None else drive.moves


def actuator_model(name: str, service: Mapping[str, Any]) -> str:
    """What /etc/actuator.toml says of the model; nothing where there is none."""
    return "" if not service["model"] else f"model = {quoted(service['model'])}\n" + _device(name, service)


WRITERS = {
    "transmitter": ("/etc/transmitter.toml", transmitter),
    "inputs": ("/etc/inputs.toml", inputs),
}


def add(name: str, services: Mapping[str, Any], made: dict[str, str], enabled: list[str]) -> None:
    """The files of a device's things, and the units that start."""
    for service, (path, write) in WRITERS.items():
        if service not in services:
            continue
        made[path] = write(name, services[service])
        made[f"/usr/share/{service}/factory.toml"] = write(name, blank(services[service]))
        if service != "transmitter":
            enabled.append(service)


def blank(service: Mapping[str, Any]) -> dict[str, Any]:
    """What the factory knows: the model, and nothing of the site."""
    known = {**service}
    if "broker" in known:
        login = MODELS[service["model"]].login if service["model"] else ""
        known |= {"broker": "broker.example", "user": "", "password": "", "tls": False}
        known["login"] = login.partition(":")[2]
    if "topic" in known:
        known |= {"topic": "factory/default", "state": ""}
    if "channels" in known:
        known["channels"] = {n: {**c, "topic": "", "range": (0.0, 100.0)} for n, c in service["channels"].items()}
    return known

"""The text of the configuration files that short forms expand into, as a careful technician would have written them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from labs.model.addresses import Network
from labs.model.services import SERVICES
from labs.net.service_names import port_number
from labs.scenario.things_files import actuator_model, driven_by, sensor_model
from labs.things.library import MODELS
from labs.things.mosquitto_access import hash_password

__all__ = [
    "actuator",
    "chrony",
    "dashboard",
    "display",
    "factory_sensor",
    "heartbeat",
    "home_router_rules",
    "inetd",
    "mosquitto",
    "rules",
    "sensor",
]


def home_router_rules(inside: Sequence[tuple[str, Network]], outside: str, *, wide: bool = False) -> str:
    """Source translation and a filter that lets nothing in from outside unasked; `wide` lets IPv6 find neighbours."""
    discovery = "icmpv6 type { echo-request, nd-neighbor-solicit, nd-neighbor-advert, nd-router-advert } accept\n\t\t"
    forwards = "\n".join(f'\t\tiifname "{interface}" oifname "{outside}" accept' for interface, _ in inside)
    masquerades = "\n".join(f'\t\tip saddr {network} oifname "{outside}" masquerade' for _, network in inside)
    return f"""flush ruleset

table inet filter {{
\tchain input {{
\t\ttype filter hook input priority filter; policy accept;
\t\tct state established,related accept
\t\ticmp type echo-request accept
\t\t{discovery if wide else ""}iifname "{outside}" drop
\t}}

\tchain forward {{
\t\ttype filter hook forward priority filter; policy drop;
\t\tct state established,related accept
{forwards}
\t}}
}}

table ip nat {{
\tchain postrouting {{
\t\ttype nat hook postrouting priority srcnat; policy accept;
{masquerades}
\t}}
}}
"""


def inetd(ports: Mapping[str, str], *, wide: bool = False) -> str:
    """One line per port, two where the device speaks IPv6 too: a shell command serves each connection."""
    lines = []
    for name, command in ports.items():
        known = name not in SERVICES or port_number("tcp", name) is not None  # /etc/services lacks some of our names
        port = name if known else str(SERVICES[name][1])
        program, *arguments = command.split() or ["/bin/true"]
        path = program if program.startswith("/") else f"/bin/{program}"
        tail = ["nowait", "root", path, program.rpartition("/")[2], *arguments]
        lines += [" ".join([port, "stream", protocol, *tail]) for protocol in (("tcp", "tcp6") if wide else ("tcp",))]
    return "\n".join(lines) + "\n"


def heartbeat(target: str, port: int, every_ns: int) -> str:
    """What heartbeat(8) of a device reads."""
    return f"target={target}\nport={port}\ninterval={every_ns // 1_000_000_000}\n"


def mosquitto(broker: Mapping[str, Any], salt: str) -> dict[str, str]:
    """mosquitto.conf with its password and access files."""
    listener = "listener 1883" if broker["listen"] == "all" else "listener 1883 127.0.0.1"
    if broker["tls"]:
        listener = "listener 1883 127.0.0.1"
    lines = [listener, f"allow_anonymous {'true' if broker['anonymous'] else 'false'}"]
    lines += ["persistence true", "persistence_location /var/lib/mosquitto/"]
    made = {}
    if broker["users"]:
        lines.append("password_file /etc/mosquitto/passwd")
        made["/etc/mosquitto/passwd"] = "".join(
            f"{user}:{hash_password(password, f'{salt}/{user}')}\n" for user, password in broker["users"].items()
        )
    if broker["acl"]:
        lines.append("acl_file /etc/mosquitto/acl")
        made["/etc/mosquitto/acl"] = broker["acl"].rstrip("\n") + "\n"
    if broker["tls"]:
        certs = "/etc/mosquitto/certs"
        lines += ["", "listener 8883", f"cafile {certs}/ca.crt", f"certfile {certs}/server.crt"]
        lines += [f"keyfile {certs}/server.key"]
    made["/etc/mosquitto/mosquitto.conf"] = "\n".join(lines) + "\n"
    return made


def _quote(text: object) -> str:
    """A TOML basic string."""
    return '"' + str(text).replace("\\", "\\\\").replace('"', '\\"') + '"'


def _mqtt(client: str, service: Mapping[str, Any], extra: str = "") -> str:
    tls = 'tls = true\ncafile = "/etc/ssl/certs/site-ca.crt"\n' if service["tls"] else ""
    topic = f"topic = {_quote(service['topic'])}\n" if "topic" in service else ""
    return f"""
[mqtt]
host = {_quote(service["broker"])}
port = {8883 if service["tls"] else 1883}
{topic}client_id = {_quote(client)}
username = {_quote(service["user"])}
password = {_quote(service["password"])}
{tls}{extra}"""


def sensor(name: str, service: Mapping[str, Any]) -> str:
    """/etc/sensor.toml."""
    head = f"""# {name}: what is measured, how often, and where it goes
[sensor]
name = {_quote(name)}
quantity = {_quote(service["quantity"])}
unit = {_quote(service["unit"])}
interval_s = {service["every"] // 1_000_000_000}
"""
    head += sensor_model(name, service)
    return head + _mqtt(name, service, f"retain = {'true' if service['retain'] else 'false'}\nqos = 0\n")


def factory_sensor(name: str, service: Mapping[str, Any]) -> str:
    """What `sensorctl reset` goes back to: nothing is set up."""
    blank = {
        **service,
        "broker": "broker.example",
        "topic": "factory/default",
        "user": "",
        "password": "",
        "tls": False,
        "every": 60 * 10**9,
        "login": MODELS[service["model"]].login.partition(":")[2] if service["model"] else "",
    }
    return sensor(name, blank)


def display(name: str, service: Mapping[str, Any]) -> str:
    """/etc/display.toml."""
    return f"""# {name}: what is shown
[screen]
title = {_quote(service["title"])}
unit = {_quote(service["unit"])}
stale_after_s = 0
""" + _mqtt(name, service)


def chrony(service: Mapping[str, Any]) -> str:
    """/etc/chrony/chrony.conf."""
    lines = [f"server {name} iburst" for name in service["servers"]]
    lines += ["makestep 1 3"] if lines else []
    lines += ["local stratum 1", "allow"] if service["serve"] else []
    return "\n".join([*lines, "driftfile /var/lib/chrony/chrony.drift"]) + "\n"


def actuator(name: str, service: Mapping[str, Any]) -> str:
    """/etc/actuator.toml."""
    head = f"""# {name}: what it moves, and what it does when nobody says anything any more
[actuator]
name = {_quote(name)}
drives = {_quote(service["drives"] or driven_by(service["model"]))}
fail_safe = {_quote(service["safe"])}
fail_safe_after_s = {service["after"] // 1_000_000_000}
report_s = 300
"""
    head += actuator_model(name, service)
    return head + _mqtt(f"{name}-actuator", service, f"state_topic = {_quote(service['state'])}\n")


def rules(name: str, service: Mapping[str, Any]) -> str:
    """/etc/rules.toml."""
    head = f"""# {name}: the rules themselves stand in /etc/rules.conf
[rules]
repeat_s = {service["repeat"] // 1_000_000_000}
"""
    return head + _mqtt(f"{name}-rules", service)


def dashboard(name: str, service: Mapping[str, Any]) -> str:
    """/etc/dashboard.toml."""
    head = f"""# {name}: what is shown
[dashboard]
title = {_quote(service["title"])}
timezone = {_quote(service["timezone"])}
"""
    text = head + _mqtt(f"{name}-dashboard", service)
    for tile, known in service["tiles"].items():
        text += f"\n[tile.{tile}]\ntitle = {_quote(known['title'] or tile)}\ntopic = {_quote(known['topic'])}\n"
        text += f"unit = {_quote(known['unit'])}\n" if known["unit"] else ""
        text += f"max_age_s = {known['max_age'] // 1_000_000_000}\n" if known["max_age"] else ""
        text += "".join(f"{limit} = {float(known[limit])}\n" for limit in ("low", "high") if known[limit] is not None)
    return text

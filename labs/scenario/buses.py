"""Serial buses of a site: the short form of an author becomes drops with metres, and files of slaves and gateways."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from labs.messages import message
from labs.model.bus import Bus, Drop
from labs.net.serial import Parity
from labs.scenario.durations import Duration
from labs.scenario.schema import Choice, Either, Field, ListOf, MapOf, Number, Record, Report, String, suggest
from labs.things.modbus.config import SPEEDS
from labs.things.modbus.pdu import Table
from labs.things.modbus.values import RegisterType, WordOrder

if TYPE_CHECKING:
    from labs.scenario.wiring import Draft

__all__ = [
    "BUSES",
    "GATEWAY_SERVICE",
    "MODBUS_SERVICE",
    "build_buses",
    "bus_files",
    "gateway_file",
    "on_buses",
    "slave_file",
]

NAME = r"[a-z][a-z0-9-]{0,30}"
TOPIC = r"[^\x00+#]+"

SPACING_M = 10.0
DROP = Either(
    String("a device", NAME),
    Record(
        {
            "device": Field(String("a device", NAME), "the device"),
            "at": Field(Number(0, 1200), "metres from the first drop", default=None),
            "stub": Field(Number(0, 100), "metres of wire between cable and terminals", default=0.2),
        }
    ),
)
BUSES = MapOf(
    Record(
        {
            "drops": Field(ListOf(DROP, at_least=2), "devices in the order of the cable"),
            "length": Field(Number(1, 1200), "metres from the first drop to the last", default=None),
            "terminated": Field(
                ListOf(String("a device", NAME), single=True), "where 120 Ω sit (first and last drop)", default=None
            ),
            "bias": Field(
                ListOf(String("a device", NAME), single=True), "where the bias network sits (first drop)", default=None
            ),
        },
        line=True,
    )
)
_SERIAL = {
    "speed": Field(Choice(tuple(map(str, SPEEDS)), "a speed of a serial line"), "bits per second", default="9600"),
    "parity": Field(Choice(tuple(Parity), "a parity"), "parity", default="none"),
    "stop_bits": Field(Number(1, 2, whole=True), "stop bits", default=1),
}
REGISTER = Record(
    {
        "table": Field(Choice(tuple(t.name.lower() for t in Table), "a table"), "which table", default="input"),
        "address": Field(Number(0, 65535, whole=True), "address on the wire; manuals often count from 1"),
        "type": Field(Choice(tuple(RegisterType), "a type"), "how it is read", default="int16"),
        "word_order": Field(Choice(tuple(WordOrder), "a word order"), "of 32 bits", default="big"),
        "scale": Field(Number(), "what one step is worth", default=1.0),
        "quantity": Field(String("a quantity such as temperature", NAME), "what it measures in its room", default=""),
        "value": Field(Number(), "what stands there, where nothing is measured", default=0.0),
        "unit": Field(String(), "unit that a gateway reports", default="C"),
    }
)
MODBUS_SERVICE = Record(
    {
        "unit": Field(Number(1, 247, whole=True), "its address on the bus", default=1),
        **_SERIAL,
        "delay": Field(Number(0, 5000, whole=True), "milliseconds before it answers", default=2),
        "tcp": Field(Number(0, 65535, whole=True), "TCP port, 0 for none", default=0),
        "registers": Field(MapOf(REGISTER), "what can be read, by name", default={}),
        "quantity": Field(
            String("a quantity such as temperature", NAME), "short for one input register 0, int16, 0.1", default=""
        ),
    }
)
GATEWAY_SERVICE = Record(
    {
        "broker": Field(String(), "device, name or address"),
        "topic": Field(String("a topic", TOPIC), "what its topics begin with"),
        "user": Field(String(), "user name", default=""),
        "password": Field(String(), "password", default=""),
        **_SERIAL,
        "timeout": Field(Number(10, 10_000, whole=True), "milliseconds that it waits for an answer", default=500),
        "tcp": Field(Number(0, 65535, whole=True), "TCP port of its Modbus server, 0 for none", default=502),
        "every": Field(Duration(), "how often it asks each slave of its bus", default=10_000_000_000),
    }
)


def build_buses(specs: Mapping[str, Any], drafts: Mapping[str, Draft], report: Report) -> tuple[Bus, ...]:
    """Every bus with its drops; what does not fit is reported."""
    buses: list[Bus] = []
    homes: dict[str, str] = {}
    for name, spec in specs.items():
        line, path = spec["line"], f"site.buses.{name}"
        written: list[dict[str, Any]] = [
            {"device": d, "at": None, "stub": 0.2} if isinstance(d, str) else d for d in spec["drops"]
        ]
        devices = [drop["device"] for drop in written]
        for index, device in enumerate(devices):
            if device not in drafts:
                said = message(
                    'there is no device "{device}"; devices: {drafts}{near}',
                    device=device,
                    drafts=", ".join(drafts),
                    near=suggest(device, drafts),
                )
                report.add(line, f"{path}.drops[{index}]", said)
            elif device in homes:
                report.add(
                    line,
                    f"{path}.drops[{index}]",
                    message("{device} is already on the bus {homes}", device=device, homes=homes[device]),
                )
            homes[device] = name
        step = spec["length"] / (len(devices) - 1) if spec["length"] else SPACING_M
        places = [float(index * step if drop["at"] is None else drop["at"]) for index, drop in enumerate(written)]
        if places != sorted(places):
            report.add(
                line, f"{path}.drops", message("drops stand in the order of the cable; a later one has a smaller `at`")
            )
        ends = {"terminated": [devices[0], devices[-1]], "bias": [devices[0]]}
        for key in ends:
            if spec[key] is not None:
                ends[key] = spec[key]
                for device in spec[key]:
                    if device not in devices:
                        report.add(
                            line,
                            f"{path}.{key}",
                            message(
                                '"{device}" is not on this bus{near}', device=device, near=suggest(device, devices)
                            ),
                        )
        drops = [
            Drop(
                drop["device"],
                round(place, 1),
                float(drop["stub"]),
                terminated=drop["device"] in ends["terminated"],
                biased=drop["device"] in ends["bias"],
            )
            for drop, place in zip(written, places, strict=True)
        ]
        buses.append(Bus(name, tuple(drops)))
    return tuple(buses)


def on_buses(specs: Mapping[str, Any]) -> set[str]:
    """The devices that hang on a bus, as written."""
    drops = [drop for spec in specs.values() for drop in spec["drops"]]
    return {drop if isinstance(drop, str) else drop["device"] for drop in drops}


def bus_files(
    draft: Draft, drafts: Mapping[str, Draft], buses: tuple[Bus, ...], enabled: list[str], wrong: Callable[..., None]
) -> dict[str, str]:
    """The files of a slave or gateway. `wrong` takes a message and the place of the mistake."""
    made: dict[str, str] = {}
    services = draft.spec.services
    bus = next((bus for bus in buses if any(drop.device == draft.name for drop in bus.drops)), None)
    if "modbus" in services:
        if bus is None and not services["modbus"]["tcp"]:
            wrong(message("a slave hangs on a bus (site.buses) or has a tcp port"), "services.modbus")
        made["/etc/modbus.toml"] = slave_file(draft.name, services["modbus"], on_bus=bus is not None)
        enabled.append("modbus")
    if "gateway" in services:
        if bus is None:
            wrong(message("a gateway hangs on a bus (site.buses)"), "services.gateway")
            return made
        others = [drafts[drop.device] for drop in bus.drops if drop.device in drafts]
        slaves = {other.name: other.spec.services["modbus"] for other in others if "modbus" in other.spec.services}
        made["/etc/gateway.toml"] = gateway_file(draft.name, services["gateway"], slaves)
        enabled.append("gateway")
    return made


def _registers(service: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """The registers of a slave, the short form written out."""
    found = dict(service["registers"])
    if service["quantity"]:
        found[service["quantity"]] = {
            "table": "input", "address": 0, "type": "int16", "word_order": "big", "scale": 0.1,
            "quantity": service["quantity"], "value": 0.0, "unit": "%" if service["quantity"] == "humidity" else "C",
        }  # fmt: skip
    return found


def _quote(text: object) -> str:
    return '"' + str(text).replace("\\", "\\\\").replace('"', '\\"') + '"'


def _serial(service: Mapping[str, Any], extra: str) -> str:
    return f"""[serial]
port = "/dev/ttyS0"
speed = {service["speed"]}
parity = {_quote(service["parity"])}
stop_bits = {service["stop_bits"]}
{extra}
"""


def _place(register: Mapping[str, Any]) -> str:
    return f"""table = {_quote(register["table"])}
address = {register["address"]}
type = {_quote(register["type"])}
word_order = {_quote(register["word_order"])}
scale = {float(register["scale"])}
"""


def slave_file(name: str, service: Mapping[str, Any], *, on_bus: bool) -> str:
    """/etc/modbus.toml."""
    text = f"# {name}: what can be read by Modbus, and where\n"
    extra = f"unit = {service['unit']}\ndelay_ms = {service['delay']}"
    serial = _serial(service, extra)
    text += serial if on_bus else serial.replace('port = "/dev/ttyS0"', 'port = ""')
    if service["tcp"]:
        text += f"\n[tcp]\nport = {service['tcp']}\n"
    for register, place in _registers(service).items():
        text += f"\n[register.{register}]\n{_place(place)}"
        text += (
            f"quantity = {_quote(place['quantity'])}\n" if place["quantity"] else f"value = {float(place['value'])}\n"
        )
    return text


def gateway_file(name: str, service: Mapping[str, Any], slaves: Mapping[str, Mapping[str, Any]]) -> str:
    """/etc/gateway.toml, with a poll for everything that the slaves of the bus measure."""
    text = f"""# {name}: what is asked on the bus, and where it goes
[mqtt]
host = {_quote(service["broker"])}
port = 1883
topic = {_quote(service["topic"])}
client_id = {_quote(name)}
username = {_quote(service["user"])}
password = {_quote(service["password"])}

{_serial(service, f"timeout_ms = {service['timeout']}")}
[tcp]
port = {service["tcp"]}
"""
    for slave, spec in slaves.items():
        measured = {key: place for key, place in _registers(spec).items() if place["quantity"]}
        for register, place in measured.items():
            poll = slave if len(measured) == 1 else f"{slave}-{register}"
            text += f"\n[poll.{poll}]\nunit = {spec['unit']}\n{_place(place)}measures = {_quote(place['unit'])}\n"
            topic = f"{service['topic']}/{slave}/{register}"
            text += f"topic = {_quote(topic)}\n"
            text += f"interval_s = {service['every'] // 1_000_000_000}\n"
    return text

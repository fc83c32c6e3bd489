"""Radio in a scenario: the plan of the rooms, and the files of LoRaWAN sensors, gateways and servers."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from random import Random
from typing import TYPE_CHECKING, Any

from labs.messages import message
from labs.model.radio import MATERIALS_DB, Neighbour, RadioPlan, Wall
from labs.scenario.coaps import coap_file, push_files
from labs.scenario.durations import Duration
from labs.scenario.schema import Boolean, Choice, Field, ListOf, MapOf, Number, Record, Report, String, suggest
from labs.scenario.zigbees import ZIGBEE_SERVICES, zigbee_files
from labs.things.firmware import image_path, image_text
from labs.things.library import MODELS
from labs.things.library.model import Role
from labs.things.lorawan.config import parse_device
from labs.things.lorawan.payload import QUANTITIES
from labs.things.thing_config import ThingConfigError

if TYPE_CHECKING:
    from labs.scenario.wiring import Draft

__all__ = ["RADIO", "RADIO_SERVICES", "build_plan", "radio_files", "wifi_ports", "without_lead"]

PMF = {"off": 0, "optional": 1, "required": 2}
STATIONS = 8
NAME = r"[a-z][a-z0-9-]{0,30}"
LORA_MODELS = tuple(m.name for m in MODELS.values() if m.role is Role.SENSOR and m.battery and m.channels)
TOPIC = r"[^\x00+#]+"
ROOM = String("a room", NAME)
RADIO = Record(
    {
        "plan": Field(MapOf(ListOf(Number(), at_least=2)), "room -> [x, y] in metres", default={}),
        "walls": Field(
            ListOf(
                Record(
                    {
                        "between": Field(ListOf(ROOM, at_least=2), "two rooms"),
                        "of": Field(Choice(tuple(MATERIALS_DB), "a material"), "what stands between them"),
                    },
                    line=True,
                )
            ),
            "what a signal between two rooms goes through",
            default=(),
        ),
        "neighbours": Field(
            ListOf(
                Record(
                    {
                        "ssid": Field(String(), "name of the network"),
                        "room": Field(ROOM, "where it stands"),
                        "channel": Field(Number(1, 13, whole=True), "channel at 2.4 GHz"),
                        "power": Field(Number(0, 30), "dBm", default=20.0, attribute="power_dbm"),
                    },
                    build=Neighbour,
                )
            ),
            "Wi-Fi networks of other people",
            default=(),
        ),
    },
    line=True,
)
RADIO_SERVICES = {
    "lorawan": Field(
        Record(
            {
                "quantity": Field(Choice(tuple(QUANTITIES), "a quantity"), "what it measures in its room"),
                "every": Field(Duration(), "how often it reports", default=600_000_000_000),
                "sf": Field(Number(7, 12, whole=True), "spreading factor", default=7),
                "confirmed": Field(
                    Boolean(), "whether every message is acknowledged, and repeated until it is", default=False
                ),
                "sample": Field(Duration(), "how often it measures; 0 is with each report", default=0),
                "model": Field(
                    Choice(LORA_MODELS, "a model of the library with a battery"),
                    "what can be bought; without, it has no battery that empties",
                    default="",
                ),
            }
        ),
        "a LoRaWAN sensor, class A; it needs no lead",
        default=None,
    ),
    "wifi-ap": Field(
        Record(
            {
                "ssid": Field(String("a name of at most 32 characters", r".{1,32}"), "name of the network"),
                "passphrase": Field(String("8 to 63 characters", r".{8,63}"), "passphrase"),
                "channel": Field(Number(1, 13, whole=True), "channel at 2.4 GHz", default=6),
                "pmf": Field(Choice(tuple(PMF), "a word for ieee80211w"), "protected frames", default="optional"),
            }
        ),
        "an access point (hostapd); its port eth0 and its stations form a bridge",
        default=None,
    ),
    "wifi": Field(
        Record({"ap": Field(String("a device", NAME), "the access point whose network it joins")}),
        "associates with an access point (wpa_supplicant); its port is wlan0",
        default=None,
    ),
    "lora-gateway": Field(
        Record({"server": Field(String("a device", NAME), "the network server")}),
        "a LoRaWAN gateway (packet forwarder)",
        default=None,
    ),
    "lorawan-server": Field(
        Record(
            {
                "broker": Field(String(), "device, name or address"),
                "topic": Field(String("a topic", TOPIC), "what its topics begin with"),
                "user": Field(String(), "user name", default=""),
                "password": Field(String(), "password", default=""),
            }
        ),
        "a LoRaWAN network server that knows every LoRaWAN sensor of the site",
        default=None,
    ),
    **ZIGBEE_SERVICES,
}


def without_lead(services: Mapping[str, Any]) -> bool:
    """Whether a device with these services needs no address."""
    return "lorawan" in services or "zigbee" in services


def wifi_ports(services: Mapping[str, Any], subnet: str) -> dict[str, list[str]] | None:
    """The ports of a device with Wi-Fi: one for itself, or a lead and a port per station."""
    if "wifi" in services:
        return {subnet: ["wlan0"]}
    if "wifi-ap" in services:
        return {subnet: ["eth0", *(f"wlan0.sta{number}" for number in range(1, STATIONS + 1))]}
    return None


def build_plan(spec: Mapping[str, Any] | None, report: Report) -> RadioPlan:
    """The plan; rooms that walls name must be on it."""
    if spec is None:
        return RadioPlan()
    places = {}
    for room, place in spec["plan"].items():
        if len(place) != 2:
            report.add(spec["line"], f"site.radio.plan.{room}", message("a place is two numbers: [x, y] in metres"))
            continue
        places[room] = (float(place[0]), float(place[1]))
    walls = []
    for index, wall in enumerate(spec["walls"]):
        for room in wall["between"]:
            if room not in places:
                said = message(
                    '"{room}" is not on the plan; rooms: {places}{near}',
                    room=room,
                    places=", ".join(places),
                    near=suggest(room, places),
                )
                report.add(wall["line"], f"site.radio.walls[{index}]", said)
        walls.append(Wall(wall["between"][0], wall["between"][1], wall["of"]))
    return RadioPlan(places, tuple(walls), tuple(spec["neighbours"]))


def _keys(seed: str, device: str) -> dict[str, str]:
    """The keys of a sensor, as a maker would print them on its label."""
    random = Random(f"{seed}/{device}/lorawan")  # noqa: S311 - a training lab: the same seed gives the same keys
    return {
        "dev_eui": f"70b3d5{random.randrange(1 << 40):010x}",
        "join_eui": f"70b3d57ed{random.randrange(1 << 28):07x}",
        "app_key": f"{random.randrange(1 << 128):032x}",
    }


def _quote(text: object) -> str:
    return '"' + str(text).replace("\\", "\\\\").replace('"', '\\"') + '"'


def radio_files(
    draft: Draft, drafts: Mapping[str, Draft], seed: str, enabled: list[str], wrong: Callable[..., None]
) -> dict[str, str]:
    """What has to do with radio or CoAP on a device. `wrong` takes a message and the place of the mistake."""
    services = draft.spec.services
    made: dict[str, str] = {}
    if "lorawan" in services:
        own = services["lorawan"]
        keys = "".join(f"{key} = {_quote(value)}\n" for key, value in _keys(seed, draft.name).items())
        made["/etc/lorawan.toml"] = (
            f'# {draft.name}: the keys stand on its label too\n[lorawan]\n{keys}region = "EU868"\nsf = {own["sf"]}\n'
            f"{'confirmed = true' + chr(10) if own['confirmed'] else ''}"
            f"\n[sensor]\nquantity = {_quote(own['quantity'])}\ninterval_s = {own['every'] // 1_000_000_000}\n"
            + _model_lines(own)
        )
        try:
            parse_device(made["/etc/lorawan.toml"])
        except ThingConfigError as error:
            wrong(str(error), "services.lorawan")
        if own["model"]:
            model = MODELS[own["model"]]
            made[image_path(model, model.firmware[-1])] = image_text(model, model.firmware[-1])
        enabled.append("lorawan")
    made.update(push_files(services, enabled))
    made.update(zigbee_files(draft, drafts, seed, enabled, wrong))
    if "coap" in services:
        made["/etc/coap.toml"] = coap_file(draft.name, services["coap"])
        enabled.append("coap")
    if "wifi-ap" in services:
        made["/etc/hostapd/hostapd.conf"] = _hostapd(services["wifi-ap"])
        enabled.append("hostapd")
    if "wifi" in services:
        point = drafts.get(services["wifi"]["ap"])
        if point is None or "wifi-ap" not in point.spec.services:
            points = [name for name, other in drafts.items() if "wifi-ap" in other.spec.services]
            known = ", ".join(points) or "none"
            wrong(
                message(
                    '"{services}" is not an access point; access points: {known}',
                    services=services["wifi"]["ap"],
                    known=known,
                ),
                "services.wifi.ap",
            )
        else:
            made["/etc/wpa_supplicant/wpa_supplicant.conf"] = _supplicant(point.spec.services["wifi-ap"])
            enabled.append("wpa_supplicant")
    if "lora-gateway" in services:
        number = list(drafts).index(draft.name) + 1
        conf = {
            "gateway_ID": f"AA555A00000000{number:02X}",
            "server_address": services["lora-gateway"]["server"],
            "serv_port_up": 1700,
            "serv_port_down": 1700,
            "keepalive_interval": 10,
        }
        made["/etc/lora_pkt_fwd/global_conf.json"] = json.dumps({"gateway_conf": conf}, indent=4) + "\n"
        enabled.append("lora-pkt-fwd")
    if "lorawan-server" in services:
        made["/etc/lorawan-server.toml"] = _server_file(draft.name, services["lorawan-server"], drafts, seed)
        enabled.append("lorawan-server")
    return made


def _model_lines(own: Mapping[str, Any]) -> str:
    """What the file says of a model and its firmware."""
    lines = [f"sample_s = {own['sample'] // 1_000_000_000}"] if own["sample"] else []
    if own["model"]:
        lines += [f"model = {_quote(own['model'])}", ""]
        lines += ["[device]", f"firmware = {_quote(MODELS[own['model']].firmware[-1])}"]
    return "".join(f"{line}\n" for line in lines)


def _hostapd(service: Mapping[str, Any]) -> str:
    return f"""interface=wlan0
driver=nl80211
bridge=br0
ssid={service["ssid"]}
country_code=BE
hw_mode=g
channel={service["channel"]}
ieee80211n=1
wpa=2
wpa_key_mgmt=WPA-PSK
rsn_pairwise=CCMP
wpa_passphrase={service["passphrase"]}
ieee80211w={PMF[service["pmf"]]}
"""


def _supplicant(service: Mapping[str, Any]) -> str:
    return f"""ctrl_interface=/run/wpa_supplicant
country=BE

network={{
\tssid="{service["ssid"]}"
\tpsk="{service["passphrase"]}"
}}
"""


def _server_file(name: str, service: Mapping[str, Any], drafts: Mapping[str, Draft], seed: str) -> str:
    text = f"""# {name}: which sensors may join, and where what they say goes
[mqtt]
host = {_quote(service["broker"])}
port = 1883
topic = {_quote(service["topic"])}
client_id = {_quote(f"{name}-lorawan")}
username = {_quote(service["user"])}
password = {_quote(service["password"])}

[udp]
port = 1700
"""
    for other in drafts.values():
        if "lorawan" in other.spec.services:
            keys = "".join(f"{key} = {_quote(value)}\n" for key, value in _keys(seed, other.name).items())
            topic = f"{service['topic']}/{other.name}/{other.spec.services['lorawan']['quantity']}"
            text += f"\n[device.{other.name}]\n{keys}topic = {_quote(topic)}\n"
    return text

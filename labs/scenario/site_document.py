"""The format of the site in a scenario: rooms, subnets, devices, services, leads."""

from __future__ import annotations

import datetime as dt
import re
from typing import Any

from labs.messages import message
from labs.model.addresses import InterfaceAddress, IPv4, IPv6, Network
from labs.model.services import SERVICES as NAMED
from labs.model.services import Service
from labs.model.site import Kind
from labs.model.text import Text
from labs.net.service_names import port_number
from labs.net.vlan import MAX_VLAN_ID
from labs.scenario.buses import BUSES, GATEWAY_SERVICE, MODBUS_SERVICE
from labs.scenario.coaps import COAP_SERVICE, PUSH_SERVICES
from labs.scenario.durations import Duration
from labs.scenario.field_document import LOOPS
from labs.scenario.radios import RADIO, RADIO_SERVICES
from labs.scenario.rooms_document import NAME, ROOMS
from labs.scenario.scenario import DeviceSpec, HostNumber, LinkSpec, Place, PoolSpec, SiteSpec
from labs.scenario.schema import (
    Boolean,
    Choice,
    Either,
    Field,
    ListOf,
    MapOf,
    Number,
    Parsed,
    Record,
    Report,
    Spec,
    String,
    join,
)
from labs.scenario.thing_services import THING_SERVICES
from labs.scenario.things_document import FIELD_SERVICES
from labs.scenario.yaml_tree import Node

__all__ = ["NAME", "NAMES", "SERVICES", "SITE", "TEXT_FIELD", "parse_start"]

YEARS = range(1990, 2100)  # certificates and clocks of a site reach some years to both sides
UNIX_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)

TEXT = Either(
    String(doc="one text for every language"),
    Record(
        {"en": Field(String(), "English", default=""), "nl": Field(String(), "Dutch", default="")},
        build=lambda en, nl: Text(en.strip(), nl.strip()),
    ),
)


class _Localised(Spec):
    """A text, or one per language."""

    expects = "a text, or {en: …, nl: …}"

    def read(self, node: Node, path: str, report: Report) -> Any:
        """Always a Text."""
        if node.value is None or isinstance(node.value, list):
            return self._wrong(node, path, report)
        value = TEXT.read(node, path, report)
        return Text(en=value.strip()) if isinstance(value, str) else value

    def json_schema(self) -> dict[str, Any]:
        """String or object."""
        return TEXT.json_schema()


def parse_place(text: str) -> Place:
    """`.40`, `192.168.1.40` or `dhcp`. Raises ValueError."""
    if text == "dhcp":
        return text
    if text.startswith(".") and text[1:].isdecimal():
        return HostNumber(int(text[1:]))
    try:
        return IPv4.parse(text)
    except ValueError:
        said = message(
            '"{text}" is not a place in a subnet; allowed: a host number such as .20, an address, or dhcp', text=text
        )
        raise ValueError(said) from None


def parse_start(text: str) -> int:
    """Seconds since 1970 of a moment in UTC. Raises ValueError."""
    try:
        moment = dt.datetime.fromisoformat(text).replace(tzinfo=dt.UTC)
    except ValueError:
        said = message('"{text}" is not a moment; write it as 2026-04-14 06:00', text=text)
        raise ValueError(said) from None
    if moment.year not in YEARS:
        said = message(
            "{year} is too far away; a site is between {first} and {last}",
            year=moment.year,
            first=YEARS[0],
            last=YEARS[-1],
        )
        raise ValueError(said)
    return int((moment - UNIX_EPOCH).total_seconds())


TEXT_FIELD = _Localised()
HOST_NUMBER = Parsed(parse_place, "a host number such as .20, an address, or dhcp")


def _network(text: str) -> Network:
    try:
        return Network.parse(text)
    except ValueError:
        said = message('"{text}" is not a network such as 192.168.1.0/24', text=text)
    try:
        known = InterfaceAddress.parse(text).network
        said = message('"{text}" has host bits set; the network is {network}', text=text, network=known)
    except ValueError:
        pass
    raise ValueError(said)


def _network4(text: str) -> Network:
    network = _network(text)
    if isinstance(network.address, IPv4):
        return network
    said = message(
        '"{text}" is an IPv6 network; a subnet is an IPv4 network, with its IPv6 network under v6', text=text
    )
    raise ValueError(said)


def _network6(text: str) -> Network:
    network = _network(text)
    if isinstance(network.address, IPv6) and network.length == 64:
        return network
    said = message('"{text}" is not an IPv6 network of length 64, such as 2001:db8:1::/64', text=text)
    raise ValueError(said)


def _service(text: str) -> Service:
    try:
        return Service.parse(text)
    except ValueError:
        said = message(
            '"{text}" is not a service; allowed: {services}, any, or a port such as tcp/8080',
            text=text,
            services=", ".join(NAMED),
        )
        raise ValueError(said) from None


NETWORK4 = Parsed(_network4, "a network such as 192.168.1.0/24")
NETWORK6 = Parsed(_network6, "an IPv6 network such as 2001:db8:1::/64")
NETWORK = Parsed(_network, "a network such as 192.168.1.0/24")
SERVICE = Parsed(_service, "a service such as https or tcp/8080")
NAMES = ListOf(String("a name", NAME), single=True)
SERVICES = ListOf(SERVICE, single=True)


class _Listening(MapOf):
    """`print: cat` or `9100: cat`."""

    def read(self, node: Node, path: str, report: Report) -> Any:
        """A dict of what could be read."""
        for key in node.value if isinstance(node.value, dict) else ():
            if not key.isdecimal() and port_number("tcp", key) is None and NAMED.get(key, ("", 0))[1] == 0:
                said = message('"{text}" is not a service of tcp; write its port', text=key)
                report.add(node.keys[key], join(path, key), said)
            elif key.isdecimal() and not 0 < int(key) < 65536:
                said = message('"{text}" is not a port: a number from 1 to 65535', text=key)
                report.add(node.keys[key], join(path, key), said)
        return super().read(node, path, report)


SERVICE_SPECS = Record(
    {
        "dhcp": Field(
            ListOf(
                Record(
                    {
                        "on": Field(String("a subnet", NAME), "the subnet that is served"),
                        "pool": Field(ListOf(HOST_NUMBER, at_least=2), "first and last address, such as [.100, .199]"),
                        "reserve": Field(MapOf(HOST_NUMBER), "device -> address it always gets", default={}),
                        "lease": Field(
                            String("a lease time as dnsmasq writes it, such as 12h", r"\d+[smhd]?"),
                            "lease time",
                            default="12h",
                        ),
                    }
                ),
                single=True,
            ),
            "hands out addresses (dnsmasq); a list for several subnets",
            default=None,
        ),
        "dhcp_relay": Field(
            Record(
                {
                    "to": Field(String("a device", NAME), "the DHCP server, which has a range for each of the subnets"),
                    "for": Field(NAMES, "the subnets whose requests are relayed"),
                }
            ),
            "carries DHCP requests to a server in another subnet (dnsmasq)",
            default=None,
        ),
        "dns": Field(
            Record(
                {
                    "forward": Field(
                        String("a device", NAME), "device that answers for the rest of the world", default=""
                    ),
                    "names": Field(
                        MapOf(HOST_NUMBER, r"[a-z0-9][a-z0-9.-]*", "a host name"), "name -> address", default={}
                    ),
                },
                nothing=True,
            ),
            "answers names (dnsmasq)",
            default=None,
        ),
        "listen": Field(
            _Listening(String(), r"[a-z]+|\d{1,5}", "a service or a port number"),
            "port -> shell command that serves each connection (inetd)",
            default=None,
        ),
        "heartbeat": Field(
            Record(
                {
                    "to": Field(String(), "device, name or address"),
                    "service": Field(SERVICE, "what it connects to"),
                    "every": Field(Duration(), "how often", default=30_000_000_000),
                }
            ),
            "connects to something again and again, and logs how that went",
            default=None,
        ),
        **THING_SERVICES,
        "modbus": Field(MODBUS_SERVICE, "a Modbus slave, on a bus or on TCP", default=None),
        **RADIO_SERVICES,
        **PUSH_SERVICES,
        "coap": Field(COAP_SERVICE, "a CoAP server: resource -> what it is", default=None),
        "gateway": Field(GATEWAY_SERVICE, "asks the slaves of its bus and publishes over MQTT", default=None),
        **FIELD_SERVICES,
    },
    build=lambda **services: {name: value for name, value in services.items() if value is not None},
)

PORTS = Either(
    Number(1, 48, whole=True, doc="how many ports a switch has"),
    MapOf(ListOf(String("a port name", r"[a-z][a-z0-9.-]{0,14}"), single=True), doc="subnet -> port or ports"),
)

DEVICE = Record(
    {
        "kind": Field(Choice(tuple(kind.value for kind in Kind), "a kind of device"), "what it is"),
        "at": Field(MapOf(HOST_NUMBER), "subnet -> address", default={}),
        "room": Field(String("a room", NAME), "where it stands", default=""),
        "purpose": Field(TEXT_FIELD, "what it is for", default=Text()),
        "gateway": Field(
            String(), "device or address of the way out (found by itself where there is one router)", default=None
        ),
        "ports": Field(PORTS, "number of ports of a switch, or port names by subnet", default=None),
        "routes": Field(
            ListOf(
                Record(
                    {"to": Field(NETWORK, "destination"), "via": Field(String(), "device or address")},
                    build=lambda to, via: (to, via),
                )
            ),
            "static routes",
            default=(),
        ),
        "nat": Field(
            Record(
                {
                    "from": Field(NAMES, "inside subnets", attribute="inside"),
                    "out": Field(String("a subnet", NAME), "outside subnet"),
                }
            ),
            "source translation; without `firewall` also a filter that lets nothing in from outside",
            default=None,
        ),
        "firewall": Field(String(max_length=50_000), "text of /etc/nftables.conf", default=""),
        "services": Field(SERVICE_SPECS, "services that run on it", default={}),
        "files": Field(
            MapOf(String(), r"/[A-Za-z0-9._/-]+", "an absolute path"), "files by path, written as they are", default={}
        ),
        "power": Field(Boolean(), "whether it is switched on", default=True),
        "vlans": Field(NAMES, "the subnets that a managed switch carries", default=()),
        "stp": Field(Boolean(), "whether a switch speaks the spanning tree protocol", default=False),
        "native": Field(String("a subnet", NAME), "the subnet that goes untagged between managed switches", default=""),
    },
    build=DeviceSpec,
    line=True,
)


class _LinkSpec(Spec):
    """`[a, b]` or `[a:port, b:port]`."""

    expects = "two ends such as [router, switch] or [router:eth1, switch:p3]"

    def read(self, node: Node, path: str, report: Report) -> Any:
        """A LinkSpec."""
        ends = node.value
        if not isinstance(ends, list) or len(ends) != 2:
            return self._wrong(node, path, report)
        for end in ends:
            if isinstance(end.value, (dict, list)) or not re.fullmatch(rf"{NAME}(:[a-z][a-z0-9.-]*)?", end.text):
                return self._wrong(end, path, report)
        return LinkSpec((ends[0].text, ends[1].text), node.line)

    def json_schema(self) -> dict[str, Any]:
        """Array of two."""
        return {"type": "array", "items": {"type": "string"}, "minItems": 2, "maxItems": 2}


SITE = Record(
    {
        "start": Field(
            Parsed(parse_start, "a moment such as 2026-04-14 06:00"),
            "time of day when the trainee arrives (UTC)",
            default=None,
            attribute="start_s",
        ),
        "rooms": Field(ROOMS, "rooms", default={}),
        "subnets": Field(
            MapOf(
                Either(
                    NETWORK4,
                    Record(
                        {
                            "pool": Field(NETWORK4, "where the network is drawn from", default=None),
                            "size": Field(Number(8, 30, whole=True), "its prefix length", default=0),
                            "network": Field(NETWORK4, "the network itself, in place of pool and size", default=None),
                            "v6": Field(NETWORK6, "its IPv6 network, such as 2001:db8:1::/64", default=None),
                            "vlan": Field(
                                Number(1, MAX_VLAN_ID, whole=True), "its number on managed switches", default=None
                            ),
                        },
                        build=PoolSpec,
                    ),
                )
            ),
            "IP networks by name",
        ),
        "devices": Field(
            MapOf(DEVICE, r"[a-z][a-z0-9-]{0,14}", "a device name of small letters, digits and hyphens (at most 15)"),
            "devices by name",
        ),
        "links": Field(ListOf(_LinkSpec()), "leads"),
        "loops": Field(LOOPS, "analogue lines by name", default={}),
        "radio": Field(RADIO, "where rooms lie and what stands between them", default=None),
        "buses": Field(BUSES, "serial buses (RS-485) by name", default={}),
    },
    build=lambda links, **rest: SiteSpec(links=tuple(links), **rest),
)

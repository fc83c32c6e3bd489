"""What a DHCP server tells a client: the range that applies, the lease time, the name and the options.

Pure functions of a configuration and a message, in dnsmasq's sense. Before changing this file read RFC 2131 §4.3.1 and
dnsmasq(8).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NamedTuple

from labs.model.addresses import InterfaceAddress, IPv4, Network
from labs.net import dhcp
from labs.net.dhcp import DhcpMessage, Option
from labs.net.dnsmasq_conf import ADDRESS_OPTIONS, NUMBER_OPTIONS
from labs.net.dnsmasq_values import DEFAULT_LEASE_S, SHORTEST_LEASE_S, DhcpHost, DhcpRange, DnsmasqConf
from labs.net.ipv4 import ANY

__all__ = [
    "Context",
    "client_host",
    "client_name",
    "context_of",
    "contexts",
    "distant_contexts",
    "lease_seconds",
    "lease_time_text",
    "told",
]

_LEGAL_NAME = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?")


class Context(NamedTuple):
    """A range as it applies on an interface: our address there and the network."""

    pool: DhcpRange
    local: IPv4
    network: Network
    router: IPv4 | None = None
    """What clients behind a relay are told: the relay; None is our address."""

    @property
    def broadcast(self) -> IPv4:
        """What clients are told."""
        given = self.pool.broadcast or self.network.broadcast
        assert isinstance(given, IPv4)
        return given


def contexts(conf: DnsmasqConf, addresses: Iterable[InterfaceAddress]) -> list[Context]:
    """The ranges that lie in the networks of an interface (complete_context)."""
    found = []
    for address in addresses:
        local = address.address
        if not isinstance(local, IPv4):
            continue
        for pool in conf.ranges:
            mask = pool.netmask if pool.netmask is not None else address.network.netmask
            network = Network.of(local, int(mask).bit_count())
            if pool.start in network and (pool.end is None or pool.end in network):
                found.append(Context(pool, local, network))
    return found


def distant_contexts(conf: DnsmasqConf, local: IPv4, place: IPv4) -> list[Context]:
    """The ranges of the network that a relay or a client behind one is in, told by its address `place`."""
    found = []
    for pool in conf.ranges:
        network = Network.of(place, _class_bits(place) if pool.netmask is None else int(pool.netmask).bit_count())
        if pool.start in network and (pool.end is None or pool.end in network):
            found.append(Context(pool, local, network))
    return found


def _class_bits(address: IPv4) -> int:
    """The length of a network whose mask nobody told (RFC 791 §3.2)."""
    return 8 if address >> 31 == 0 else 16 if address >> 30 == 0b10 else 24


def context_of(found: list[Context], address: IPv4) -> Context:
    """The range that an address belongs to, else one of its network."""
    inside = (context for context in found if address in context.pool)
    return next(inside, next((context for context in found if address in context.network), found[0]))


def client_host(conf: DnsmasqConf, message: DhcpMessage) -> DhcpHost | None:
    """The `dhcp-host` line of a client."""
    return conf.host_for(message.chaddr, message.text(Option.HOSTNAME))


def lease_seconds(conf: DnsmasqConf, message: DhcpMessage, context: Context) -> int:
    """How long a client may keep its address: what is configured, or less if it asks for less."""
    host = client_host(conf, message)
    allowed = host.lease_s if host is not None and host.lease_s is not None else context.pool.lease_s
    allowed = DEFAULT_LEASE_S if allowed is None else allowed
    wanted = message.number(Option.LEASE_TIME, dhcp.FOREVER)
    return allowed if wanted >= allowed else max(wanted, SHORTEST_LEASE_S)


def client_name(conf: DnsmasqConf, message: DhcpMessage) -> str:
    """The name a client gets: the configured one, else the one it gives if that is legal; else none."""
    host = client_host(conf, message)
    if host is not None and host.name:
        return host.name.lower()
    name, dot, domain = message.text(Option.HOSTNAME).lower().partition(".")
    legal = _LEGAL_NAME.fullmatch(name) and (not dot or domain == conf.domain)
    return name if legal else ""


def told(conf: DnsmasqConf, message: DhcpMessage, context: Context, *, name: str = "") -> dict[int, bytes]:
    """Every option a client may ask for: what dnsmasq knows by itself, changed by the configuration."""
    netmask = context.network.netmask
    assert isinstance(netmask, IPv4)
    options: dict[int, bytes] = {
        int(Option.NETMASK): dhcp.pack_addresses(netmask),
        int(Option.BROADCAST): dhcp.pack_addresses(context.broadcast),
    }
    router = context.local if context.router is None else context.router
    if router != ANY:
        options[int(Option.ROUTER)] = dhcp.pack_addresses(router)
    if conf.port:
        options[int(Option.DNS_SERVER)] = dhcp.pack_addresses(context.local)
    if conf.domain:
        options[int(Option.DOMAIN_NAME)] = conf.domain.encode()
    if name:
        options[int(Option.HOSTNAME)] = name.encode()
    tags = _tags(conf, message, context)
    for option in sorted(conf.options, key=lambda item: bool(item.tags)):
        if not all(_matches(tag, tags) for tag in option.tags):
            continue
        value = _option_bytes(option.number, option.values, context.local)
        if value:
            options[option.number] = value
        else:
            options.pop(option.number, None)
    return options


def _tags(conf: DnsmasqConf, message: DhcpMessage, context: Context) -> set[str]:
    host = client_host(conf, message)
    tags = {context.pool.set_tag} | (set(host.set_tags) | {"known"} if host is not None else set())
    return tags - {""}


def _matches(tag: str, tags: set[str]) -> bool:
    return tag[1:] not in tags if tag.startswith("!") else tag in tags


def _option_bytes(number: int, values: tuple[str, ...], local: IPv4) -> bytes:
    """The value of a `dhcp-option` line; 0.0.0.0 stands for the server itself."""
    if number in ADDRESS_OPTIONS:
        addresses = [IPv4.parse(value) for value in values if value]
        return dhcp.pack_addresses(*(local if address == ANY else address for address in addresses))
    if number in NUMBER_OPTIONS and len(values) == 1 and values[0].isdecimal():
        return dhcp.pack_number(int(values[0]) & (1 << 8 * NUMBER_OPTIONS[number]) - 1, NUMBER_OPTIONS[number])
    return ",".join(values).encode()


def lease_time_text(seconds: int) -> str:
    """A lease time as dnsmasq logs it (prettyprint_time)."""
    if seconds == dhcp.FOREVER:
        return "infinite"
    text = ""
    for unit, size in (("d", 86_400), ("h", 3600), ("m", 60)):
        if seconds >= size:
            text += f"{seconds // size}{unit}"
            seconds %= size
    return text + (f"{seconds}s" if seconds or not text else "")

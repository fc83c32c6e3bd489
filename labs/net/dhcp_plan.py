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
from labs.net.dhcp_options import pack_domains, pack_routes
from labs.net.dnsmasq_conf import ADDRESS_OPTIONS, NUMBER_OPTIONS
from labs.net.dnsmasq_values import DEFAULT_LEASE_S, SHORTEST_LEASE_S, DhcpHost, DhcpRange, DnsmasqConf
from labs.net.ipv4 import ANY

__all__ = [
    "Context",
    "available",
    "client_host",
    "client_name",
    "context_of",
    "contexts",
    "distant_contexts",
    "lease_seconds",
    "lease_time_text",
    "tags_of",
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
    interface: str = ""
    """Where the message came in; its name is a tag."""

    @property
    def broadcast(self) -> IPv4:
        """What clients are told."""
        given = self.pool.broadcast or self.network.broadcast
        assert isinstance(given, IPv4)
        return given

    def takes(self, tags: set[str]) -> bool:
        """True for clients with these tags."""
        return all(_matches(tag, tags) for tag in self.pool.tags)


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
            if _lies_in(pool, network):
                found.append(Context(pool, local, network))
    return found


def distant_contexts(conf: DnsmasqConf, local: IPv4, place: IPv4, networks: Iterable[Network] = ()) -> list[Context]:
    """The ranges of the network that a relay or a client behind one is in, told by its address `place`.

    A range without a mask has that of a network of the server where it begins or ends (guess_range_netmask), of
    `networks`, else that of its class.
    """
    found = []
    known = list(networks)
    for pool in conf.ranges:
        if pool.netmask is not None:
            length = int(pool.netmask).bit_count()
        else:
            touched = [near.length for near in known if pool.start in near or (pool.end or pool.start) in near]
            length = touched[0] if touched else _class_bits(pool.start)
        network = Network.of(place, length)
        if _lies_in(pool, network):
            found.append(Context(pool, local, network))
    return found


def _lies_in(pool: DhcpRange, network: Network) -> bool:
    return pool.start in network and (pool.end is None or pool.end in network)


def _class_bits(address: IPv4) -> int:
    """The length of a network whose mask nobody told (RFC 791 §3.2)."""
    return 8 if address >> 31 == 0 else 16 if address >> 30 == 0b10 else 24


def available(found: Iterable[Context], address: IPv4, tags: set[str]) -> Context | None:
    """The range that an address may come from, for a client with these tags (address_available)."""
    return next((context for context in found if address in context.pool and context.takes(tags)), None)


def context_of(found: list[Context], address: IPv4, tags: set[str]) -> Context:
    """The range that an address belongs to, else one of its network (narrow_context)."""
    inside = available(found, address, tags)
    if inside is not None:
        return inside
    near = [context for context in found if address in context.network and context.takes(tags)]
    return next((context for context in near if context.pool.end is None), next(iter(near), found[0]))


def client_host(conf: DnsmasqConf, message: DhcpMessage, found: Iterable[Context]) -> DhcpHost | None:
    """The `dhcp-host` line of a client; one with an address counts where that is in the network (find_config)."""
    networks = [context.network for context in found]
    return conf.host_for(
        message.chaddr,
        message.text(Option.HOSTNAME).partition(".")[0],
        lambda host: host.address is None or any(host.address in network for network in networks),
    )


def lease_seconds(conf: DnsmasqConf, message: DhcpMessage, context: Context) -> int:
    """How long a client may keep its address: what is configured, or less if it asks for less."""
    host = client_host(conf, message, [context])
    allowed = host.lease_s if host is not None and host.lease_s is not None else context.pool.lease_s
    allowed = DEFAULT_LEASE_S if allowed is None else allowed
    wanted = message.number(Option.LEASE_TIME, dhcp.FOREVER)
    return allowed if wanted >= allowed else max(wanted, SHORTEST_LEASE_S)


def client_name(conf: DnsmasqConf, message: DhcpMessage, context: Context, written: str = "") -> str:
    """The name a client gets: the configured one, that of its address in a hosts file (`written`), or the one it gives.

    The latter two only where they are legal and of this domain.
    """
    host = client_host(conf, message, [context])
    if host is not None and host.name:
        return host.name.lower()
    for given in (written, message.text(Option.HOSTNAME)):
        name, dot, domain = given.lower().partition(".")
        if _LEGAL_NAME.fullmatch(name) and (not dot or domain == conf.domain):
            return name
    return ""


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
    tags = tags_of(conf, message, [context]) | ({context.pool.set_tag} - {""})
    for option in sorted(conf.options, key=lambda item: bool(item.tags)):
        if not all(_matches(tag, tags) for tag in option.tags):
            continue
        value = _option_bytes(option.number, option.values, context.local)
        if value:
            options[option.number] = value
        else:
            options.pop(option.number, None)
    return options


def tags_of(conf: DnsmasqConf, message: DhcpMessage, found: Iterable[Context]) -> set[str]:
    """What a client is by its `dhcp-host` line and the interface, for the choice of a range."""
    found = list(found)
    host = client_host(conf, message, found)
    tags = {context.interface for context in found}
    if host is not None:
        tags |= {*host.set_tags, "known"}
    elif conf.host_for(message.chaddr, "", lambda _: True) is not None:
        tags.add("known-othernet")
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
    if number == Option.DOMAIN_SEARCH:
        return pack_domains(values)
    if number == Option.CLASSLESS_ROUTES and values:
        return pack_routes(values)
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

"""What a configuration of dnsmasq says, as frozen values. Before changing this file read dnsmasq(8)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from labs.model.addresses import Address, IPv4, IPv6, Mac

__all__ = [
    "AddressRecord",
    "DhcpHost",
    "DhcpOption",
    "DhcpRange",
    "DhcpRelay",
    "DnsmasqConf",
    "DnsmasqError",
    "HostRecord",
    "Server",
]

SHORTEST_LEASE_S = 120
DEFAULT_LEASE_S = 3600  # DEFLEASE, config.h
LEASE_FILE = "/var/lib/misc/dnsmasq.leases"
CACHE_SIZE = 150
UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}


class DnsmasqError(ValueError):
    """A line that dnsmasq refuses: its complaint and the line number, from 1."""

    def __init__(self, complaint: str, line: int) -> None:
        super().__init__(f"{complaint} at line {line}")
        self.complaint = complaint
        self.line = line


@dataclass(frozen=True, slots=True)
class DhcpRange:
    """`dhcp-range=`: the pool. No `end`: reserved addresses only. No `lease_s`: an hour."""

    start: IPv4
    end: IPv4 | None
    netmask: IPv4 | None = None
    broadcast: IPv4 | None = None
    lease_s: int | None = None
    set_tag: str = ""
    tags: tuple[str, ...] = ()

    def __contains__(self, address: IPv4) -> bool:
        return self.end is not None and self.start <= address <= self.end


@dataclass(frozen=True, slots=True)
class DhcpHost:
    """`dhcp-host=`: what a client is known by, and what it gets."""

    macs: tuple[Mac, ...] = ()
    address: IPv4 | None = None
    name: str = ""
    lease_s: int | None = None
    set_tags: tuple[str, ...] = ()
    client_ids: tuple[str, ...] = ()
    ignore: bool = False


@dataclass(frozen=True, slots=True)
class DhcpOption:
    """`dhcp-option=`: option number and values as written; no value means: do not send it."""

    number: int
    values: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class DhcpRelay:
    """`dhcp-relay=`: requests of the network of `local` go to `server`, or to everybody on `interface`.

    With both, answers are taken from that interface alone.
    """

    local: IPv4
    server: IPv4 | None
    interface: str = ""
    port: int = 67


@dataclass(frozen=True, slots=True)
class Server:
    """`server=`: where to ask. With `domains` for those alone; without `address` nobody is asked (`local=`).

    `usual` stands for the servers that are asked where no line is about the name (`#`).
    """

    address: IPv4 | None
    domains: tuple[str, ...] = ()
    port: int = 53
    usual: bool = False


@dataclass(frozen=True, slots=True)
class AddressRecord:
    """`address=/name/ip`: the answer for a domain and everything below it; None is "no such name".

    `zeros` is `#`: 0.0.0.0 and ::.
    """

    domain: str
    address: Address | None
    zeros: bool = False


@dataclass(frozen=True, slots=True)
class HostRecord:
    """`host-record=name[,name…],ip[,ipv6][,ttl]`."""

    names: tuple[str, ...]
    address: IPv4 | None
    wide: IPv6 | None = None
    ttl_s: int = 0


@dataclass(frozen=True, slots=True)
class DnsmasqConf:
    """Everything that a configuration says. `others` are lines that are accepted but change nothing here."""

    interfaces: tuple[str, ...] = ()
    except_interfaces: tuple[str, ...] = ()
    no_dhcp_interfaces: tuple[str, ...] = ()
    listen_addresses: tuple[IPv4, ...] = ()
    port: int = 53
    bind_interfaces: bool = False
    no_resolv: bool = False
    resolv_file: str = ""
    no_hosts: bool = False
    addn_hosts: tuple[str, ...] = ()
    expand_hosts: bool = False
    domain: str = ""
    domain_needed: bool = False
    bogus_priv: bool = False
    servers: tuple[Server, ...] = ()
    addresses: tuple[AddressRecord, ...] = ()
    host_records: tuple[HostRecord, ...] = ()
    cnames: tuple[tuple[str, str], ...] = ()
    cache_size: int = CACHE_SIZE
    ranges: tuple[DhcpRange, ...] = ()
    relays: tuple[DhcpRelay, ...] = ()
    hosts: tuple[DhcpHost, ...] = ()
    options: tuple[DhcpOption, ...] = ()
    authoritative: bool = False
    no_ping: bool = False
    sequential_ip: bool = False
    lease_file: str = LEASE_FILE
    log_queries: bool = False
    log_dhcp: bool = False
    others: tuple[str, ...] = ()

    def host_for(self, mac: Mac, name: str, fits: Callable[[DhcpHost], bool]) -> DhcpHost | None:
        """The `dhcp-host` of a client, of those that fit: by hardware address, else by the name it gives.

        dnsmasq puts each line before the others, so the last one counts.
        """
        hosts = [host for host in reversed(self.hosts) if fits(host)]
        for host in hosts:
            if mac in host.macs:
                return host
        plain = (host for host in hosts if not host.macs and not host.client_ids)
        return next((host for host in plain if name and host.name.lower() == name.lower()), None)

    def serves_dhcp(self, interface: str) -> bool:
        """True where DHCP is served or relayed on an interface."""
        wanted = not self.interfaces or interface in self.interfaces
        return wanted and interface != "lo" and interface not in (*self.except_interfaces, *self.no_dhcp_interfaces)

    def host_at(self, address: IPv4) -> DhcpHost | None:
        """The `dhcp-host` that reserves an address."""
        return next((host for host in self.hosts if host.address == address), None)

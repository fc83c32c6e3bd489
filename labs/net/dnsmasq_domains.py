"""Who answers for a name: the `address=`, `server=` and `local=` lines of the longest domain that it lies in.

Pure functions of a configuration, in dnsmasq's sense. Before changing this file read domain-match.c of dnsmasq 2.90
(filter_servers, is_local_answer), whose order this is.
"""

from __future__ import annotations

from dataclasses import dataclass

from labs.model.addresses import Address, IPv4, IPv6
from labs.net.dnsmasq_values import DnsmasqConf, Server

__all__ = ["Duty", "below", "duty_for"]

ANY_DOMAIN = "#"


@dataclass(frozen=True, slots=True)
class Duty:
    """What the lines of a domain say. All empty: the usual servers are asked.

    `local` is True where nobody is asked, `other_kind` where there are addresses, but of the other IP version.
    """

    answers: tuple[Address, ...] = ()
    servers: tuple[Server, ...] = ()
    local: bool = False
    other_kind: bool = False


def below(name: str, domain: str) -> bool:
    """True for a domain itself and everything in it."""
    name, domain = name.lower().rstrip("."), domain.lower()
    return name == domain or name.endswith("." + domain)


def duty_for(conf: DnsmasqConf, name: str, *, four: bool, six: bool) -> Duty:
    """Who answers for a name where addresses of these IP versions are wanted, if any."""
    given = {item.domain for item in conf.addresses} | {domain for item in conf.servers for domain in item.domains}
    for domain in sorted((domain for domain in given if _fits(name, domain)), key=_length, reverse=True):
        found = _of(conf, domain, four=four, six=six)
        if found is not None:
            return found
    return Duty()


def _fits(name: str, domain: str) -> bool:
    return domain == ANY_DOMAIN or (below(name, domain) if domain else "." not in name.rstrip("."))


def _length(domain: str) -> int:
    return -1 if domain == ANY_DOMAIN else len(domain)


def _of(conf: DnsmasqConf, domain: str, *, four: bool, six: bool) -> Duty | None:
    items = [item for item in conf.addresses if item.domain == domain]
    plain = [item.address for item in items if item.address is not None and not item.zeros]
    wide = tuple(address for address in plain if isinstance(address, IPv6))
    narrow = tuple(address for address in plain if isinstance(address, IPv4))
    zeros = any(item.zeros for item in items)
    if six and wide:
        return Duty(wide)
    if four and narrow:
        return Duty(narrow)
    if zeros and (four or six):
        return Duty((*((IPv4(0),) if four else ()), *((IPv6(0),) if six else ())))
    servers = [server for server in conf.servers if domain in server.domains]
    real = tuple(server for server in servers if server.address is not None or server.usual)
    if real:
        return Duty(servers=real)
    if servers or any(item.address is None for item in items):
        return Duty(local=True, other_kind=bool(plain) or zeros)
    return None

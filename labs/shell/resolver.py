"""Names to addresses the way the C library does it: /etc/hosts first, then the name servers of /etc/resolv.conf.

Before changing this file read resolv.conf(5), hosts(5), RFC 1123 §6.1.3 and RFC 6724 §6. AAAA records are asked for
after A records, and only by a device that has an IPv6 address (AI_ADDRCONFIG).
"""

from __future__ import annotations

from collections.abc import Generator
from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple

from labs.model.addresses import Address, IPv4, IPv6, parse_address
from labs.net import dns
from labs.net.dns import DnsMessage, Question, RecordType, ResponseCode
from labs.net.icmp import HARD_ERRORS
from labs.net.icmpv6 import DEST_UNREACHABLE6
from labs.net.inet6_address import ordered
from labs.net.ipv6 import LOOPBACK6
from labs.net.process import Process, Wait

if TYPE_CHECKING:
    from labs.net.filesystem import FileSystem
    from labs.net.sockets import IcmpError
    from labs.net.tcp import TcpConnection

__all__ = [
    "UNKNOWN",
    "Place",
    "ResolveError",
    "Resolver",
    "all_hosts_entries",
    "canonical_names",
    "connect_first",
    "hosts_entries",
    "is_hard",
    "literal_place",
    "lookup",
    "query",
    "resolve",
    "resolver_settings",
    "reverse",
]

TIMEOUT_NS = 5_000_000_000  # RES_TIMEOUT, resolv.h
ATTEMPTS = 2  # RES_DFLRETRY
MAX_SERVERS = 3  # MAXNS
MAX_SEARCH = 6
LOOPBACK = IPv4(0x7F000001)
WRONG_FAMILY = "Address family for hostname not supported"  # EAI_ADDRFAMILY
UNKNOWN = "Name or service not known"  # EAI_NONAME, netdb.h
TEMPORARY = "Temporary failure in name resolution"  # EAI_AGAIN
NO_ADDRESS = "No address associated with hostname"  # EAI_NODATA


class ResolveError(Exception):
    """A name could not be turned into an address, in the words of gai_strerror(3)."""


class Resolver(NamedTuple):
    """The settings of /etc/resolv.conf."""

    servers: tuple[Address, ...]
    search: tuple[str, ...] = ()
    timeout_ns: int = TIMEOUT_NS
    attempts: int = ATTEMPTS
    ndots: int = 1


def resolver_settings(files: FileSystem, path: str = "/etc/resolv.conf") -> Resolver:
    """Read /etc/resolv.conf or its like; without a usable server the C library asks this machine."""
    servers: list[Address] = []
    search: tuple[str, ...] = ()
    timeout_ns, attempts, ndots = TIMEOUT_NS, ATTEMPTS, 1
    for line in files.get(path).splitlines():
        if line[:1] in "#;":
            continue
        key, *values = line.split() or [""]
        if key == "nameserver" and values and len(servers) < MAX_SERVERS:
            try:
                servers.append(parse_address(values[0]))
            except ValueError:
                continue
        elif key in ("search", "domain"):
            search = tuple(values[: MAX_SEARCH if key == "search" else 1])
        elif key == "options":
            for option in values:
                name, _, number = option.partition(":")
                if name == "timeout" and number.isdecimal():
                    timeout_ns = max(1, min(int(number), 30)) * 1_000_000_000
                elif name == "attempts" and number.isdecimal():
                    attempts = max(1, min(int(number), 5))
                elif name == "ndots" and number.isdecimal():
                    ndots = min(int(number), 15)
    return Resolver(tuple(servers) or (LOOPBACK,), search, timeout_ns, attempts, ndots)


def all_hosts_entries(text: str) -> list[tuple[Address, tuple[str, ...]]]:
    """The lines of a hosts file: an address and its names."""
    entries = []
    for line in text.splitlines():
        words = line.partition("#")[0].split()
        try:
            entries.append((parse_address(words[0]), tuple(words[1:])))
        except (IndexError, ValueError):
            continue
    return entries


def hosts_entries(text: str) -> list[tuple[IPv4, tuple[str, ...]]]:
    """The lines of a hosts file that are about IPv4."""
    return [(address, names) for address, names in all_hosts_entries(text) if isinstance(address, IPv4)]


def _from_hosts(process: Process, name: str) -> IPv4 | None:
    for address, names in hosts_entries(process.node.files.get("/etc/hosts")):
        if any(dns.same_name(name, other) for other in names):
            return address
    return LOOPBACK if dns.same_name(name, "localhost") or name.lower().endswith(".localhost") else None


def canonical_names(files: FileSystem, name: str) -> tuple[str, ...]:
    """The names on the line of /etc/hosts that has this one, the canonical one first; else itself alone."""
    entries = all_hosts_entries(files.get("/etc/hosts"))
    return next((names for _, names in entries if any(dns.same_name(name, other) for other in names)), (name,))


class _Answer(StrEnum):
    """How one lookup ended."""

    FOUND = "found"
    NO_DATA = "no data"
    NO_NAME = "no name"
    FAILED = "failed"
    UNREACHABLE = "unreachable"


def _literal(text: str) -> IPv4 | None:
    try:
        return IPv4.parse(text)
    except ValueError:
        return None


def resolve(process: Process, name: str, *, tag: int = 0) -> Generator[Wait, None, IPv4]:
    """The address of a name. Raises ResolveError."""
    literal = _literal(name) or (_from_hosts(process, name) if name else None)
    if literal is not None or name == "0.0.0.0":  # noqa: S104 - a name typed by a person
        return literal or IPv4(0)
    found = yield from _ask(process, name, RecordType.A, tag)
    return IPv4(found[0])


def _ask(process: Process, name: str, kind: int, tag: int) -> Generator[Wait, None, list[Address]]:
    """What the name servers say of a name. Raises ResolveError."""
    if not dns.legal_name(name) or any(character in name for character in " :/\\"):
        raise ResolveError(UNKNOWN)
    settings = resolver_settings(process.node.files)
    worst = _Answer.NO_NAME
    for candidate in _names_to_try(name, settings):
        result, answer = yield from _lookup(process, settings, candidate, kind, tag)
        if result is _Answer.FOUND and answer is not None:
            found = _follow(answer, candidate, kind)
            if found:
                return found
            result = _Answer.NO_DATA
        if result is _Answer.UNREACHABLE:
            raise ResolveError(TEMPORARY)
        if result is _Answer.FAILED or (result is _Answer.NO_DATA and worst is _Answer.NO_NAME):
            worst = result
    raise ResolveError({_Answer.NO_NAME: UNKNOWN, _Answer.NO_DATA: NO_ADDRESS}.get(worst, TEMPORARY))


class Place(NamedTuple):
    """An address that a name leads to; `zone` is what stands behind the % of a link-local one."""

    address: Address
    zone: str = ""

    def __str__(self) -> str:
        return f"{self.address}%{self.zone}" if self.zone else str(self.address)


def literal_place(text: str) -> Place | None:
    """An address that was written as one, or None."""
    head, _, zone = text.partition("%")
    try:
        return Place(parse_address(head), zone)
    except ValueError:
        return None


def speaks_ipv6(process: Process) -> bool:
    """True where the device has an IPv6 address besides ::1."""
    interfaces = process.node.interfaces.values()
    return process.node.ipv6.on and any(i.kind != "loopback" and i.inet6 for i in interfaces)


def lookup(process: Process, name: str, *, family: str = "", tag: int = 0) -> Generator[Wait, None, list[Place]]:
    """The addresses of a name, the best first; `family` is ip, ip6 or empty for both. Raises ResolveError."""
    place = literal_place(name)
    if place is not None:
        if family == ("ip" if isinstance(place.address, IPv6) else "ip6"):
            raise ResolveError(WRONG_FAMILY)
        if place.zone and place.zone not in process.node.interfaces:
            raise ResolveError(UNKNOWN)
        return [place]
    if family == "ip" or (not family and not speaks_ipv6(process)):
        address = yield from resolve(process, name, tag=tag)
        return [Place(address)]
    found: list[Address] = [
        address
        for address, names in all_hosts_entries(process.node.files.get("/etc/hosts"))
        if any(dns.same_name(name, other) for other in names)
    ]
    trouble: ResolveError | None = None
    if not found and (dns.same_name(name, "localhost") or name.lower().endswith(".localhost")):
        found = [LOOPBACK, LOOPBACK6]
    if not found:
        for kind in (RecordType.AAAA,) if family else (RecordType.A, RecordType.AAAA):
            try:
                found += yield from _ask(process, name, kind, tag)
            except ResolveError as error:
                trouble = trouble or error
    if family:
        found = [address for address in found if isinstance(address, IPv6)]
    if not found:
        raise trouble or ResolveError(WRONG_FAMILY)
    return [Place(address) for address in ordered((a, process.node.preferred_source(a)) for a in found)]


def connect_first(
    process: Process, places: list[Place], port: int, *, timeout_ns: int | None = None
) -> Generator[Wait, None, tuple[Place, TcpConnection]]:
    """A connection to the first address that answers. Raises the SocketError of the last one."""
    from labs.net.sockets import SocketError, connect

    for place in places:
        over = process.node.interfaces.get(place.zone)
        try:
            connection = yield from connect(process, place.address, port, timeout_ns=timeout_ns, interface=over)
        except SocketError:
            if place is places[-1]:
                raise
        else:
            return place, connection
    raise SocketError(UNKNOWN)


def _names_to_try(name: str, settings: Resolver) -> list[str]:
    """The name itself and the name in each search domain, in the order of res_nsearch."""
    if name.endswith("."):
        return [name.rstrip(".")]
    inside = [f"{name}.{domain.strip('.')}" for domain in settings.search]
    return [name, *inside] if name.count(".") >= settings.ndots else [*inside, name]


def _follow(answer: DnsMessage, name: str, kind: int) -> list[Address]:
    """The addresses at the end of a chain of CNAME records."""
    for _ in range(16):
        here = [record for record in answer.answers if dns.same_name(record.name, name)]
        found = [r.data for r in here if r.type == kind and isinstance(r.data, IPv4 | IPv6)]
        if found:
            return list(found)
        alias = next((r.data for r in here if r.type == RecordType.CNAME and isinstance(r.data, str)), None)
        if alias is None:
            return []
        name = alias
    return []


def _lookup(
    process: Process, settings: Resolver, name: str, kind: int, tag: int
) -> Generator[Wait, None, tuple[_Answer, DnsMessage | None]]:
    """Ask every server in turn, as often as the settings say."""
    failed = False
    for attempt in range(settings.attempts):
        for number, server in enumerate(settings.servers):
            timeout_ns = (settings.timeout_ns << number) // (len(settings.servers) if number else 1)
            timeout_ns = timeout_ns << attempt if len(settings.servers) > 1 and attempt else timeout_ns
            message = DnsMessage(query_identifier(process), (Question(name, kind),))
            answer = yield from query(process, server, message, timeout_ns=timeout_ns, tag=tag)
            if isinstance(answer, str):
                continue
            if answer.code == ResponseCode.NXDOMAIN:
                return _Answer.NO_NAME, answer
            if answer.code == ResponseCode.NOERROR:
                return (_Answer.FOUND if answer.answers else _Answer.NO_DATA), answer
            failed = True
        if failed:
            return _Answer.FAILED, None
    return _Answer.UNREACHABLE, None


def query_identifier(process: Process) -> int:
    """The next message identifier of a process: spread, but the same in every replay."""
    serial = getattr(process, "dns_serial", 0) + 1
    process.dns_serial = serial  # type: ignore[attr-defined]
    return (process.pid * 40_503 + serial * 25_717) & 0xFFFF


def query(
    process: Process,
    server: Address,
    message: DnsMessage,
    *,
    timeout_ns: int = TIMEOUT_NS,
    port: int = dns.PORT,
    tag: int = 0,
    soft_errors: bool = True,
) -> Generator[Wait, None, DnsMessage | str]:
    """Send one query over UDP and wait for its answer; a str says why there is none (strerror words or "timed out").

    The C library hears every ICMP error (IP_RECVERR); without `soft_errors` only those that a connected socket hears.
    """
    node = process.node
    socket = node.transport.udp_open(program=process.name, tag=tag)
    close = lambda: node.transport.udp_close(socket)  # noqa: E731 - the same object is taken out of the list again
    process.cleanup.append(close)
    try:
        error = node.transport.udp_send(socket, server, port, dns.encode(message))
        if error is not None:
            return error
        deadline = node.now + timeout_ns
        while node.now < deadline:
            while socket.queue:
                datagram = socket.queue.popleft()
                if (datagram.source, datagram.sport) != (server, port) and not server.is_loopback:
                    continue
                try:
                    answer = dns.decode(datagram.data)
                except ValueError:
                    continue
                if answer.response and answer.identifier == message.identifier:
                    return answer
            while socket.errors:
                problem = socket.errors.popleft()
                if soft_errors or is_hard(problem):
                    return _error_words(problem)
            yield Wait((socket.signal,), deadline)
    finally:
        close()
        process.cleanup.remove(close)
    return "timed out"


def is_hard(error: IcmpError) -> bool:
    """True for an ICMP error that a connected socket hears without asking for it."""
    if isinstance(error.source, IPv6):
        return error.type == DEST_UNREACHABLE6
    return error.code in HARD_ERRORS


def _error_words(error: IcmpError) -> str:
    from labs.net.linux.icmpv6_input import ERRORS6
    from labs.net.linux.transport import ERRORS

    table = ERRORS6 if isinstance(error.source, IPv6) else ERRORS
    return table.get(error.code, "No route to host")


def reverse(process: Process, address: Address, *, tag: int = 0) -> Generator[Wait, None, str | None]:
    """The name of an address, from /etc/hosts or a PTR record; None where there is none."""
    for known, names in all_hosts_entries(process.node.files.get("/etc/hosts")):
        if known == address and isinstance(known, IPv6) == isinstance(address, IPv6) and names:
            return names[0]
    settings = resolver_settings(process.node.files)
    result, answer = yield from _lookup(process, settings, dns.reverse_name(address), RecordType.PTR, tag)
    if result is _Answer.FOUND and answer is not None:
        for record in answer.answers:
            if record.type == RecordType.PTR and isinstance(record.data, str):
                return record.data
    return None

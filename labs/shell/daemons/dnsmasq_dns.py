"""The DNS half of dnsmasq: answers from its files, its leases and its configuration, and asks others for the rest.

Before changing this file read RFC 1035 §4 and §7 and dnsmasq(8); log lines are those of dnsmasq 2.90 with log-queries.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from labs.model.addresses import Address, IPv4, IPv6, Network
from labs.net import dns
from labs.net.dns import DnsMessage, Record, RecordType, ResponseCode
from labs.net.dnsmasq_conf import DnsmasqConf, Server
from labs.net.ipv4 import PROTO_UDP, Ipv4Packet
from labs.net.leases import LeaseTable
from labs.net.udp import UdpDatagram
from labs.shell.resolver import all_hosts_entries, hosts_entries, resolver_settings

if TYPE_CHECKING:
    from labs.net.linux.node import LinuxNode
    from labs.net.sockets import Datagram, UdpSocket

__all__ = ["DnsServer"]

SECOND = 1_000_000_000
FORWARD_TIMEOUT_NS = 40 * SECOND  # 4 * TIMEOUT, config.h
MAX_FORWARDS = 150  # FTABSIZ
PRIVATE = tuple(map(Network.parse, ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "127.0.0.0/8", "169.254.0.0/16")))


class Asker(NamedTuple):
    """Where a query came from and how the answer gets back."""

    address: Address
    interface: str
    reply: Callable[[bytes], None]


@dataclass(slots=True)
class _Forward:
    """A query that was passed on. `waiting` counts the servers that have not answered yet."""

    query: DnsMessage
    asker: Asker
    servers: list[Server]
    waiting: int
    since_ns: int
    last: DnsMessage | None = None


class _Local(NamedTuple):
    """An answer of our own: records and the words for the log."""

    records: tuple[Record, ...]
    source: str
    text: str
    code: int = ResponseCode.NOERROR


class DnsServer:
    """Answers DNS queries."""

    def __init__(
        self, node: LinuxNode, conf: DnsmasqConf, table: LeaseTable | None, log: Callable[[str], None]
    ) -> None:
        self._node = node
        self._conf = conf
        self._table = table
        self._log = log
        self._forwards: dict[int, _Forward] = {}
        self._serial = 0
        self.upstream: UdpSocket | None = None

    # Names we know

    def hosts(self) -> list[tuple[IPv4, tuple[str, ...], str]]:
        """Every line of the hosts files with the file it stands in; expand-hosts adds the domain."""
        conf = self._conf
        paths = [*([] if conf.no_hosts else ["/etc/hosts"]), *conf.addn_hosts]
        found = []
        for path in paths:
            for address, names in hosts_entries(self._node.files.get(path)):
                every = list(names)
                if conf.expand_hosts and conf.domain:
                    every += [f"{name}.{conf.domain}" for name in names if "." not in name]
                found.append((address, tuple(every), path))
        return found

    def in_hosts(self, name: str) -> IPv4 | None:
        """The address of a name in the hosts files."""
        for address, names, _ in self.hosts():
            if any(dns.same_name(name, other) for other in names):
                return address
        return None

    def _lease_names(self) -> list[tuple[IPv4, str]]:
        """Names of clients, plain and with the domain; the hosts files take precedence."""
        names = []
        for lease in self._table.leases if self._table is not None else []:
            if lease.name and self.in_hosts(lease.name) in (None, lease.address):
                if self._conf.domain:
                    names.append((lease.address, f"{lease.name}.{self._conf.domain}"))
                names.append((lease.address, lease.name))
        return names

    def _find(self, name: str) -> tuple[list[IPv4], str, str] | None:
        """Addresses of a name, with the words for the log."""
        hosts = [(address, path) for address, names, path in self.hosts() if any(dns.same_name(name, n) for n in names)]
        if hosts:
            return [address for address, _ in hosts], hosts[0][1], name
        leased = [address for address, other in self._lease_names() if dns.same_name(other, name)]
        if leased:
            return leased[:1], "DHCP", name
        records = [
            record.address for record in self._conf.host_records if any(dns.same_name(name, n) for n in record.names)
        ]
        addresses = [address for address in records if address is not None]
        return (addresses, "config", name) if addresses else None

    def _find6(self, name: str) -> list[tuple[IPv6, str]]:
        """IPv6 addresses of a name, with where they stand."""
        conf = self._conf
        found = []
        for path in [*([] if conf.no_hosts else ["/etc/hosts"]), *conf.addn_hosts]:
            for address, names in all_hosts_entries(self._node.files.get(path)):
                every = [*names, *(f"{n}.{conf.domain}" for n in names if conf.expand_hosts and conf.domain)]
                if isinstance(address, IPv6) and any(dns.same_name(name, other) for other in every):
                    found.append((address, path))
        named = [record for record in conf.host_records if any(dns.same_name(name, n) for n in record.names)]
        return found + [(record.wide, "config") for record in named if record.wide is not None]

    def _local(self, name: str, kind: int) -> _Local | None:
        """What the configuration, the files and the leases say; None where they say nothing."""
        if kind == RecordType.PTR:
            return self._local_pointer(name)
        target, chain = name, []
        for _ in range(10):
            alias = next((to for frm, to in self._conf.cnames if dns.same_name(frm, target)), None)
            if alias is None:
                break
            chain.append(Record(target, RecordType.CNAME, 0, alias))
            target = alias
        found = self._find(target)
        if found is not None and kind in (RecordType.A, RecordType.ANY, RecordType.CNAME):
            addresses, source, shown = found
            records = tuple(Record(target, RecordType.A, 0, address) for address in addresses)
            return _Local((*chain, *records), source, f"{shown} is {addresses[0]}")
        if kind in (RecordType.AAAA, RecordType.ANY):
            wide = self._find6(target)
            if wide:
                records = tuple(Record(target, RecordType.AAAA, 0, address) for address, _ in wide)
                return _Local((*chain, *records), wide[0][1], f"{target} is {wide[0][0]}")
        answer = self._configured(target)
        if answer is not None and kind in (RecordType.A, RecordType.ANY):
            return answer
        return None

    def _configured(self, name: str) -> _Local | None:
        """`address=/domain/ip`: the longest domain that fits."""
        best = None
        for item in self._conf.addresses:
            fits = item.domain == "#" or _below(name, item.domain)
            if fits and (best is None or len(item.domain) > len(best.domain) or best.domain == "#"):
                best = item
        if best is None:
            return None
        if best.address is None:
            return _Local((), "config", f"{name} is NXDOMAIN", ResponseCode.NXDOMAIN)
        return _Local((Record(name, RecordType.A, 0, best.address),), "config", f"{name} is {best.address}")

    def _local_pointer(self, name: str) -> _Local | None:
        address = dns.address_of_reverse(name)
        if address is None:
            return None
        for known, names, path in self.hosts():
            if known == address and names:
                expanded = self._conf.expand_hosts and self._conf.domain and "." not in names[0]
                first = f"{names[0]}.{self._conf.domain}" if expanded else names[0]
                return _Local((Record(name, RecordType.PTR, 0, first),), path, f"{address} is {first}")
        for known, leased in self._lease_names():
            if known == address:
                return _Local((Record(name, RecordType.PTR, 0, leased),), "DHCP", f"{address} is {leased}")
        for record in self._conf.host_records:
            if record.address == address:
                return _Local(
                    (Record(name, RecordType.PTR, 0, record.names[0]),), "config", f"{address} is {record.names[0]}"
                )
        if self._conf.bogus_priv and any(address in network for network in PRIVATE):
            return _Local((), "config", f"{address} is NXDOMAIN", ResponseCode.NXDOMAIN)
        return None

    # Queries

    def receive(self, data: bytes, asker: Asker) -> None:
        """Take one query."""
        try:
            query = dns.decode(data)
        except ValueError:
            return
        if query.response or len(query.questions) != 1:
            return
        if query.opcode:
            asker.reply(dns.encode(_answer(query, (), ResponseCode.NOTIMP)))
            return
        question = query.questions[0]
        self._say(f"query[{_type_name(question.type)}] {question.name} from {asker.address}")
        local = self._local(question.name, question.type)
        if local is not None:
            for record in local.records:
                if record.type == RecordType.CNAME:
                    self._say(f"config {record.name} is <CNAME>")
            self._say(f"{local.source} {local.text}")
            asker.reply(dns.encode(_answer(query, local.records, local.code, authoritative=True)))
            return
        self._forward(query, asker)

    def _say(self, line: str) -> None:
        if self._conf.log_queries:
            self._log(line)

    def _servers(self, name: str) -> list[Server] | None:
        """Who is asked for a name: the servers of the longest domain that fits. None: nobody, it does not exist."""
        conf = self._conf
        best = -1
        chosen: list[Server] = []
        for server in conf.servers:
            for domain in server.domains:
                fits = (domain == "" and "." not in name) or (domain and _below(name, domain))
                if fits and len(domain) >= best:
                    chosen = [*chosen, server] if len(domain) == best else [server]
                    best = len(domain)
        if chosen:
            return None if all(server.address is None for server in chosen) else chosen
        plain = [server for server in conf.servers if not server.domains and server.address is not None]
        if not conf.no_resolv:
            text = self._node.files.get(conf.resolv_file or "/etc/resolv.conf")
            if "nameserver" in text:
                found = resolver_settings(self._node.files, conf.resolv_file or "/etc/resolv.conf").servers
                usable = [address for address in found if isinstance(address, IPv4)]
                plain += [Server(address) for address in usable if not self._node.ip.is_local(address)]
        return plain

    def _forward(self, query: DnsMessage, asker: Asker) -> None:
        question = query.questions[0]
        name = question.name
        servers = self._servers(name)
        plain = "." not in name and self._conf.domain_needed and question.type in (RecordType.A, RecordType.AAAA)
        if servers is None or plain:
            known = self._find(name) is not None or self._configured(name) is not None
            code = ResponseCode.NOERROR if known else ResponseCode.NXDOMAIN
            nothing = "NODATA-IPv6" if question.type == RecordType.AAAA else "NODATA"
            self._say(f"config {name} is {nothing if known else 'NXDOMAIN'}")
            asker.reply(dns.encode(_answer(query, (), code)))
            return
        self._forget_old()
        self._serial = self._serial + 25_717 & 0xFFFF
        forward = _Forward(query, asker, servers, 0, self._node.now)
        for server in servers:
            if self._pass_on(server, query._replace(identifier=self._serial)):
                self._say(f"forwarded {name} to {server.address}{f'#{server.port}' if server.port != 53 else ''}")
                forward.waiting += 1
        if forward.waiting and len(self._forwards) < MAX_FORWARDS:
            self._forwards[self._serial] = forward
            return
        self._say(f"config error is REFUSED (EDE: {'network error' if servers else 'not ready'})")
        reason = (23 if servers else 14).to_bytes(2, "big")  # RFC 8914 §4.24, §4.15
        refusal = _answer(query, (), ResponseCode.REFUSED)
        asker.reply(dns.encode(refusal._replace(edns=((dns.EXTENDED_ERROR, reason),))))

    def _pass_on(self, server: Server, query: DnsMessage) -> bool:
        assert server.address is not None
        if self.upstream is None:
            return False
        return self._node.transport.udp_send(self.upstream, server.address, server.port, dns.encode(query)) is None

    def _forget_old(self) -> None:
        limit = self._node.now - FORWARD_TIMEOUT_NS
        self._forwards = {number: item for number, item in self._forwards.items() if item.since_ns > limit}

    def answered(self, datagram: Datagram) -> None:
        """Take an answer of another server. The first good one wins; a refusal counts when everybody refused."""
        try:
            answer = dns.decode(datagram.data)
        except ValueError:
            return
        forward = self._forwards.get(answer.identifier)
        if forward is None or not answer.response:
            return
        if all((datagram.source, datagram.sport) != (server.address, server.port) for server in forward.servers):
            return
        forward.waiting -= 1
        if answer.code in (ResponseCode.REFUSED, ResponseCode.SERVFAIL) and forward.waiting:
            return
        del self._forwards[answer.identifier]
        question = forward.query.questions[0]
        code = answer.code
        if code == ResponseCode.NXDOMAIN and self._find(question.name) is not None:
            code = ResponseCode.NOERROR
        self._log_answer(question.name, answer, code)
        reply = answer._replace(identifier=forward.query.identifier, code=code)
        forward.asker.reply(dns.encode(reply))

    def _log_answer(self, name: str, answer: DnsMessage, code: int) -> None:
        for record in answer.answers:
            shown = "<CNAME>" if record.type == RecordType.CNAME else str(record.data)
            self._say(f"reply {record.name} is {shown}")
        if not answer.answers:
            words = {ResponseCode.NOERROR: "NODATA", ResponseCode.NXDOMAIN: "NXDOMAIN"}
            self._say(f"reply {'error' if code not in words else name} is {words.get(code, ResponseCode(code).name)}")  # type: ignore[call-overload]

    def unreachable(self) -> None:
        """ICMP errors about forwarded queries change nothing: the asker tries again."""
        if self.upstream is not None:
            self.upstream.errors.clear()

    def datagram_asker(self, datagram: Datagram) -> Asker:
        """Answers go back from the address that was asked."""
        node = self._node

        def reply(data: bytes) -> None:
            assert isinstance(datagram.source, IPv4)
            assert isinstance(datagram.destination, IPv4)
            payload = UdpDatagram(dns.PORT if self._conf.port == dns.PORT else self._conf.port, datagram.sport, data)
            node.ip.output(Ipv4Packet(datagram.destination, datagram.source, PROTO_UDP, payload))

        return Asker(datagram.source, datagram.interface, reply)


def _below(name: str, domain: str) -> bool:
    name = name.lower().rstrip(".")
    return name == domain or name.endswith("." + domain)


def _type_name(kind: int) -> str:
    return RecordType(kind).name if kind in RecordType.__members__.values() else f"type={kind}"


def _answer(query: DnsMessage, records: tuple[Record, ...], code: int, *, authoritative: bool = False) -> DnsMessage:
    return DnsMessage(
        query.identifier,
        query.questions,
        records,
        response=True,
        authoritative=authoritative,
        recursion_desired=query.recursion_desired,
        recursion_available=True,
        code=code,
        udp_size=1232 if query.udp_size else 0,
    )

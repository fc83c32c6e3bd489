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
from labs.net.dnsmasq_domains import duty_for
from labs.net.ipv4 import PROTO_UDP, Ipv4Packet
from labs.net.leases import LeaseTable
from labs.net.udp import UdpDatagram
from labs.shell.daemons.dnsmasq_names import Names
from labs.shell.resolver import resolver_settings

if TYPE_CHECKING:
    from labs.net.linux.node import LinuxNode
    from labs.net.sockets import Datagram, UdpSocket

__all__ = ["DnsServer"]

SECOND = 1_000_000_000
FORWARD_TIMEOUT_NS = 40 * SECOND  # 4 * TIMEOUT, config.h
MAX_FORWARDS = 150  # FTABSIZ
# private_net and private_net6, rfc1035.c
PRIVATE = tuple(
    map(
        Network.parse,
        (
            "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "127.0.0.0/8", "169.254.0.0/16", "0.0.0.0/8",
            "192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24", "255.255.255.255/32", "::/128", "::1/128", "fe80::/10",
            "fd00::/8", "2001:db8::/32",
        ),
    )
)  # fmt: skip


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
    """An answer of our own: records and the lines for the log."""

    records: tuple[Record, ...]
    words: tuple[str, ...]
    code: int = ResponseCode.NOERROR


class DnsServer:
    """Answers DNS queries."""

    def __init__(
        self, node: LinuxNode, conf: DnsmasqConf, table: LeaseTable | None, log: Callable[[str], None]
    ) -> None:
        self._node = node
        self._conf = conf
        self.names = Names(node.files, conf, table)
        self._log = log
        self._forwards: dict[int, _Forward] = {}
        self._serial = 0
        self.upstream: UdpSocket | None = None

    # Names we know

    def _local(self, name: str, kind: int) -> _Local | None:
        """What the configuration, the files and the leases say; None where they say nothing."""
        if kind == RecordType.PTR:
            return self._local_pointer(name)
        target = name
        chain: list[Record] = []
        for _ in range(10):
            alias = next((to for frm, to in self._conf.cnames if dns.same_name(frm, target)), None)
            if alias is None or (chain and kind == RecordType.CNAME):
                break
            chain.append(Record(target, RecordType.CNAME, 0, alias))
            target = alias
        wanted = [known for known in self.names.find(target) if kind in (_type_of(known.address), RecordType.ANY)]
        if not wanted and not chain:
            return None
        wanted.sort(key=lambda known: isinstance(known.address, IPv6))
        records = [Record(target, _type_of(known.address), known.ttl_s, known.address) for known in wanted]
        words = [f"config {record.name} is <CNAME>" for record in chain]
        words += [f"{known.source} {target} is {known.address}" for known in wanted]
        return _Local((*chain, *records), tuple(words))

    def _local_pointer(self, name: str) -> _Local | None:
        address = dns.address_of_reverse(name)
        if address is None:
            return None
        known = self.names.of(address)
        if known is not None:
            record = Record(name, RecordType.PTR, known.ttl_s, known.name)
            return _Local((record,), (f"{known.source} {address} is {known.name}",))
        private = any(address in network for network in PRIVATE)
        if self._conf.bogus_priv and private and not duty_for(self._conf, name, four=False, six=False).servers:
            return _Local((), (f"config {address} is NXDOMAIN",), ResponseCode.NXDOMAIN)
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
            for line in local.words:
                self._say(line)
            asker.reply(dns.encode(_answer(query, local.records, local.code, authoritative=True)))
            return
        self._forward(query, asker)

    def _say(self, line: str) -> None:
        if self._conf.log_queries:
            self._log(line)

    def _usual(self) -> list[Server]:
        """Who is asked for a name that no line is about."""
        conf = self._conf
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
        four = question.type in (RecordType.A, RecordType.ANY)
        six = question.type in (RecordType.AAAA, RecordType.ANY)
        duty = duty_for(self._conf, name, four=four, six=six)
        for address in duty.answers:
            self._say(f"config {name} is {address}")
        if duty.answers:
            records = tuple(Record(name, _type_of(address), 0, address) for address in duty.answers)
            asker.reply(dns.encode(_answer(query, records, ResponseCode.NOERROR, authoritative=True)))
            return
        if duty.local or ("." not in name and name and self._conf.domain_needed and (four or six)):
            known = duty.other_kind or self.names.below(name)
            code = ResponseCode.NOERROR if known else ResponseCode.NXDOMAIN
            nothing = "NODATA-IPv6" if question.type == RecordType.AAAA else "NODATA"
            self._say(f"config {name} is {nothing if known else 'NXDOMAIN'}")
            asker.reply(dns.encode(_answer(query, (), code)))
            return
        servers = [server for server in duty.servers if server.address is not None]
        if not duty.servers or any(server.usual for server in duty.servers):
            servers = self._usual()
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
        if code == ResponseCode.NXDOMAIN and self.names.below(question.name):
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


def _type_of(address: object) -> RecordType:
    return RecordType.AAAA if isinstance(address, IPv6) else RecordType.A


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

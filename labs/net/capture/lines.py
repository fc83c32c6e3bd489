"""Frames as the lines that tcpdump prints. Before changing this file compare with the real tool: tcpdump 4.99.

Of the TCP options the MSS is printed, the only one that segments here have; checksums are not.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from labs.model.addresses import Address, IPv4
from labs.net import dhcp, dns, icmp, tcp
from labs.net.arp import REQUEST, ArpPacket
from labs.net.capture.lines6 import icmpv6_text
from labs.net.dhcp import DhcpMessage
from labs.net.dns import DnsMessage, Record, RecordType
from labs.net.ethernet import HEADER_BYTES, Frame
from labs.net.icmp import IcmpMessage
from labs.net.icmpv6 import Icmpv6Message
from labs.net.ipv4 import Fragment, GrePacket, Ipv4Packet, Unknown
from labs.net.ipv6 import Ipv6Packet
from labs.net.service_names import port_name
from labs.net.stp import Bpdu
from labs.net.tcp import TcpSegment
from labs.net.udp import UdpDatagram
from labs.net.wire import encode_payload

__all__ = ["LineStyle", "Printer", "addresses_in"]

FLAGS = ((tcp.FIN, "F"), (tcp.SYN, "S"), (tcp.RST, "R"), (tcp.PSH, "P"), (tcp.ACK, "."))
ETHERTYPES = {0x0800: "IPv4", 0x0806: "ARP", 0x86DD: "IPv6"}
PROTOCOLS = {1: "ICMP", 4: "IPIP", 6: "TCP", 17: "UDP", 47: "GRE"}
REDIRECTS = {0: "net", 1: "host", 2: "tos-net", 3: "tos-host"}
HTTP_PORTS = frozenset({80, 8080, 3128})
UNREACHABLE = {
    icmp.NET_UNREACHABLE: "net {0} unreachable",
    icmp.HOST_UNREACHABLE: "host {0} unreachable",
    5: "{0} unreachable - source route failed",
    6: "net {0} unreachable - unknown",
    7: "host {0} unreachable - unknown",
    8: "{0} unreachable - source host isolated",
    icmp.NET_PROHIBITED: "net {0} unreachable - admin prohibited",
    icmp.HOST_PROHIBITED: "host {0} unreachable - admin prohibited",
    11: "net {0} unreachable - tos prohibited",
    12: "host {0} unreachable - tos prohibited",
    icmp.ADMIN_PROHIBITED: "host {0} unreachable - admin prohibited filter",
    14: "host {0} unreachable - host precedence violation",
    15: "host {0} unreachable - precedence cutoff",
}
CODES = {1: " FormErr", 2: " ServFail", 3: " NXDomain", 4: " NotImp", 5: " Refused"}
DHCP_OPTIONS = {
    1: "Subnet-Mask", 2: "Time-Zone", 3: "Default-Gateway", 6: "Domain-Name-Server", 12: "Hostname",
    15: "Domain-Name",
    26: "MTU", 28: "BR", 42: "NTP", 44: "Netbios-Name-Server", 47: "Netbios-Scope", 50: "Requested-IP",
    51: "Lease-Time",
    53: "DHCP-Message",
    54: "Server-ID", 55: "Parameter-Request", 56: "MSG", 57: "MSZ", 58: "RN", 59: "RB",
    60: "Vendor-Class",
    61: "Client-ID", 121: "Classless-Static-Route",
}  # fmt: skip
DHCP_TYPES = ("", "Discover", "Offer", "Request", "Decline", "ACK", "NACK", "Release", "Inform")
ADDRESS_OPTIONS = frozenset({1, 3, 6, 28, 42, 44, 50, 54})
NUMBER_OPTIONS = frozenset({26, 51, 57, 58, 59})


@dataclass(frozen=True, slots=True)
class LineStyle:
    """The options that change a line: -e, -q, -v and -n."""

    link: bool = False
    quick: bool = False
    verbose: int = 0
    numeric: bool = True


def addresses_in(frame: Frame) -> tuple[Address, ...]:
    """The addresses that a line about this frame would name."""
    packet = frame.payload
    if isinstance(packet, ArpPacket):
        return (packet.target, packet.sender)
    if isinstance(packet, Bpdu):
        return ()
    found: tuple[Address, ...] = (packet.src, packet.dst)
    if isinstance(packet.payload, IcmpMessage | Icmpv6Message) and packet.payload.original is not None:
        found += (packet.payload.original.dst,)
    return found


def _bpdu(bpdu: Bpdu) -> str:
    """A rapid spanning tree BPDU: its flags, who sends it and from which port."""
    flags = []
    if bpdu.topology_change:
        flags.append("Topology change")
    if bpdu.proposal:
        flags.append("Proposal")
    if bpdu.agreement:
        flags.append("Agreement")
    bridge = f"{bpdu.vector.bridge}.{bpdu.vector.port:04x}"
    length = bpdu.length - 3  # without the LLC header
    return f"STP 802.1w, Rapid STP, Flags [{', '.join(flags) or 'none'}], bridge-id {bridge}, length {length}"


@dataclass(slots=True)
class Printer:
    """Turns frames into lines; remembers where the sequence numbers of each TCP connection began."""

    style: LineStyle = field(default_factory=LineStyle)
    names: Callable[[Address], str] = str
    _origins: dict[tuple[Address, int, Address, int], int] = field(default_factory=dict)

    def text(self, frame: Frame) -> str:
        """Everything behind the time stamp; further lines of verbose output follow after newlines."""
        packet = frame.payload
        if isinstance(packet, Bpdu):
            return self._llc(frame) + _bpdu(packet)
        if isinstance(packet, ArpPacket):
            body, label = self._arp(packet), "ARP"
        elif isinstance(packet, Ipv6Packet):
            body, label = self._ipv6(packet), "IP6"
        else:
            body, label = self._ipv4(packet), "IP"
        if not self.style.link:
            return f"{label}, {body}" if label == "ARP" else f"{label} {body}"
        return self._link(frame) + body

    def _link(self, frame: Frame) -> str:
        """The Ethernet header (-e)."""
        tag = 0 if frame.vlan is None else 4
        length = HEADER_BYTES + tag + frame.payload.length
        kind = f"{ETHERTYPES.get(frame.ethertype, 'Unknown')} (0x{frame.ethertype:04x})"
        head = f"{frame.src} > {frame.dst}, ethertype "
        if self.style.quick:
            head = f"{frame.src} > {frame.dst}, "
            kind = kind.partition(" ")[0]
        if frame.vlan is None:
            return f"{head}{kind}, length {length}: "
        return f"{head}802.1Q (0x8100), length {length}: vlan {frame.vlan}, p 0, ethertype {kind}, "

    def _llc(self, frame: Frame) -> str:
        """The 802.3 header of a frame with a length instead of a type (-e)."""
        if not self.style.link:
            return ""
        return (
            f"{frame.src} > {frame.dst}, 802.3, length {frame.payload.length}: LLC, dsap STP (0x42) Individual, "
            "ssap STP (0x42) Command, ctrl 0x03: "
        )

    def _arp(self, packet: ArpPacket) -> str:
        prefix = "Ethernet (len 6), IPv4 (len 4), " if self.style.verbose else ""
        target, sender = self.names(packet.target), self.names(packet.sender)
        if packet.operation == REQUEST:
            known = f" ({packet.target_mac})" if packet.target_mac else ""
            return f"{prefix}Request who-has {target}{known} tell {sender}, length {packet.length}"
        return f"{prefix}Reply {sender} is-at {packet.sender_mac}, length {packet.length}"

    def _ipv4(self, packet: Ipv4Packet) -> str:
        body = self._transport(packet)
        if not self.style.verbose:
            return body
        piece = packet.payload if isinstance(packet.payload, Fragment) else None
        more = "+" if piece is not None and piece.more else ""
        flags = ", ".join(flag for flag in (more, "DF" if packet.dont_fragment else "") if flag) or "none"
        protocol = PROTOCOLS.get(packet.protocol, "unknown")
        offset = piece.offset if piece is not None else 0
        return (
            f"(tos 0x{packet.tos:x}, ttl {packet.ttl}, id {packet.identification}, offset {offset}, flags [{flags}], "
            f"proto {protocol} ({packet.protocol}), length {packet.length})\n    {body}"
        )

    def _ipv6(self, packet: Ipv6Packet) -> str:
        body = self._transport(packet)
        if not self.style.verbose:
            return body
        mark = f"class 0x{packet.traffic_class:02x}, " if packet.traffic_class else ""
        known = {58: "ICMPv6", **PROTOCOLS}.get(packet.protocol, "unknown")
        name = "Options (0)" if packet.has_options else f"{known} ({packet.protocol})"
        return f"({mark}hlim {packet.hop_limit}, next-header {name} payload length: {packet.payload.length}) {body}"

    def _transport(self, packet: Ipv4Packet | Ipv6Packet) -> str:
        payload = packet.head
        src, dst = self.names(packet.src), self.names(packet.dst)
        if isinstance(payload, Icmpv6Message):
            sound = "[icmp6 sum ok] " if self.style.verbose > 1 else ""
            return f"{src} > {dst}: {sound}{icmpv6_text(payload, self.names, self.style.verbose)}"
        if payload is None or isinstance(payload, Fragment | Unknown):
            name = PROTOCOLS.get(packet.protocol, "").lower()
            return f"{src} > {dst}: {name if name and not self.style.numeric else f'ip-proto-{packet.protocol}'}"
        if isinstance(payload, IcmpMessage):
            assert isinstance(packet, Ipv4Packet)
            return f"{src} > {dst}: {self._icmp(packet, payload)}"
        if isinstance(payload, GrePacket):
            return f"{src} > {dst}: {self._gre(packet, payload)}"
        if isinstance(payload, Ipv4Packet):
            return f"{src} > {dst}: IP {self._ipv4(payload)}{'' if self.style.verbose else ' (ipip-proto-4)'}"
        protocol = "tcp" if isinstance(payload, TcpSegment) else "udp"
        ends = f"{src}.{self._port(protocol, payload.sport)} > {dst}.{self._port(protocol, payload.dport)}"
        if isinstance(payload, TcpSegment):
            return f"{ends}: {self._tcp(packet, payload)}"
        return f"{ends}: {self._udp(payload)}"

    def _gre(self, packet: Ipv4Packet | Ipv6Packet, gre: GrePacket) -> str:
        words = ["checksum present"] * gre.summed + ["key present"] * (gre.key is not None)
        flags = f", Flags [{', '.join(words) or 'none'}]"
        key = f", key=0x{gre.key:x}" if gre.key is not None else ""
        if gre.summed:
            found = int.from_bytes(encode_payload(packet)[4:6], "big")
            key = f"{f', sum 0x{found:x}' if self.style.verbose else ''}, off 0x0{key}"
        proto = ", proto IPv4 (0x0800)" if self.style.link else ""
        head = f"GREv0{flags if self.style.verbose else ''}{key}{proto}, length {gre.length}"
        label = "" if self.style.link else "IP "
        return f"{head}{chr(10) + chr(9) if self.style.verbose else ': '}{label}{self._ipv4(gre.inner)}"

    def _port(self, protocol: str, number: int) -> str:
        return str(number) if self.style.numeric else port_name(protocol, number) or str(number)

    def _icmp(self, packet: Ipv4Packet, message: IcmpMessage) -> str:
        size = f"length {packet.payload.length}"
        if message.type in (icmp.ECHO_REQUEST, icmp.ECHO_REPLY):
            what = "request" if message.type == icmp.ECHO_REQUEST else "reply"
            return f"ICMP echo {what}, id {message.identifier}, seq {message.sequence}, {size}"
        original = message.original
        if original is None:
            return f"ICMP type-#{message.type}, {size}"
        if message.type == icmp.TIME_EXCEEDED:
            text = "ICMP time exceeded in-transit" if message.code == 0 else "ICMP ip reassembly time exceeded"
        elif message.type == icmp.DEST_UNREACHABLE:
            text = f"ICMP {self._unreachable(message, original)}"
        elif message.type == icmp.REDIRECT:
            kind = REDIRECTS.get(message.code, f"code {message.code}")
            text = f"ICMP redirect {self.names(original.dst)} to {kind} {self.names(message.gateway)}"
        else:
            text = f"ICMP type-#{message.type}"
        quoted = f"\n\tIP {self._ipv4(original)}" if self.style.verbose else ""
        return f"{text}, {size}{quoted}"

    def _unreachable(self, message: IcmpMessage, original: Ipv4Packet) -> str:
        where = self.names(original.dst)
        inner = original.head
        if message.code == icmp.PORT_UNREACHABLE and isinstance(inner, TcpSegment | UdpDatagram):
            protocol = "tcp" if isinstance(inner, TcpSegment) else "udp"
            return f"{where} {protocol} port {self._port(protocol, inner.dport)} unreachable"
        if message.code == icmp.PORT_UNREACHABLE:
            return f"{where} protocol {original.protocol} port {0} unreachable"
        if message.code == icmp.PROTOCOL_UNREACHABLE:
            return f"{where} protocol {original.protocol} unreachable"
        if message.code == icmp.FRAGMENTATION_NEEDED:
            return f"{where} unreachable - need to frag (mtu {message.sequence})"
        return UNREACHABLE.get(message.code, "{0} unreachable - #" + str(message.code)).format(where)

    def _tcp(self, packet: Ipv4Packet | Ipv6Packet, segment: TcpSegment) -> str:
        if self.style.quick:
            return f"tcp {len(segment.data)}"
        here = (packet.src, segment.sport, packet.dst, segment.dport)
        there = (packet.dst, segment.dport, packet.src, segment.sport)
        seq, ack = segment.seq, segment.ack
        if segment.flags & tcp.ACK:
            if segment.flags & tcp.SYN or here not in self._origins:
                if len(self._origins) > 20_000:
                    self._origins.clear()
                self._origins[here], self._origins[there] = seq, ack - 1 & 0xFFFFFFFF
            else:
                seq = seq - self._origins[here] & 0xFFFFFFFF
                ack = ack - self._origins[there] & 0xFFFFFFFF
        flags = "".join(letter for bit, letter in FLAGS if segment.flags & bit) or "none"
        parts = [f"Flags [{flags}]"]
        if segment.data:
            parts.append(f"seq {seq}:{seq + len(segment.data) & 0xFFFFFFFF}")
        elif segment.flags & (tcp.SYN | tcp.FIN | tcp.RST):
            parts.append(f"seq {seq}")
        if segment.flags & tcp.ACK:
            parts.append(f"ack {ack}")
        parts.append(f"win {segment.window}")
        if segment.mss:
            parts.append(f"options [mss {segment.mss}]")
        parts += [f"length {len(segment.data)}{_application(segment)}"]
        return ", ".join(parts)

    def _udp(self, datagram: UdpDatagram) -> str:
        ports = {datagram.sport, datagram.dport}
        if not self.style.quick:
            try:
                if dns.PORT in ports or 5353 in ports:
                    return f"{self._dns(dns.decode(datagram.data))} ({len(datagram.data)})"
                if ports & {dhcp.SERVER_PORT, dhcp.CLIENT_PORT}:
                    return self._dhcp(dhcp.decode(datagram.data), len(datagram.data))
            except ValueError:
                pass
        return f"UDP, length {len(datagram.data)}"

    def _dns(self, message: DnsMessage) -> str:
        opt = 1 if message.udp_size else 0
        if not message.response:
            questions = "".join(f" {_dns_type(q.type)}? {q.name}." for q in message.questions)
            flags = ("+" if message.recursion_desired else "") + ("%" if message.checking_disabled else "")
            return f"{message.identifier}{flags}{' [1au]' if opt else ''}{questions}"
        flags = "".join(
            mark
            for mark, on in (
                ("*", message.authoritative),
                ("-", not message.recursion_available),
                ("|", message.truncated),
            )
            if on
        )
        counts = f"{len(message.answers)}/{len(message.authority)}/{len(message.additional) + opt}"
        answers = ",".join(" " + self._record(record) for record in message.answers)
        return f"{message.identifier}{CODES.get(message.code, '')}{flags} {counts}{answers}"

    def _record(self, record: Record) -> str:
        name = f"{record.name}. " if self.style.verbose else ""
        data = f" {record.data}." if isinstance(record.data, str) else f" {record.data!s}"
        return f"{name}{_dns_type(record.type)}{data if not isinstance(record.data, bytes) else ''}"

    def _dhcp(self, message: DhcpMessage, size: int) -> str:
        request = message.operation == dhcp.BOOTREQUEST
        line = f"BOOTP/DHCP, {f'Request from {message.chaddr}' if request else 'Reply'}, length {size}"
        if not self.style.verbose:
            return line
        flags = "Broadcast" if message.broadcast else "none"
        secs = f", secs {message.seconds}" if message.seconds else ""
        hops = f", hops {message.hops}" if message.hops else ""
        lines = [f"{line}{hops}, xid 0x{message.xid:x}{secs}, Flags [{flags}]"]
        for label, address in (
            ("Client-IP", message.ciaddr),
            ("Your-IP", message.yiaddr),
            ("Server-IP", message.siaddr),
            ("Gateway-IP", message.giaddr),
        ):
            if address:
                lines.append(f"\t  {label} {address}")
        lines += [f"\t  Client-Ethernet-Address {message.chaddr}", "\t  Vendor-rfc1048 Extensions"]
        lines.append("\t    Magic Cookie 0x63825363")
        for code, value in message.options:
            lines += _dhcp_option(code, value)
        return "\n".join(lines)


def _dhcp_option(code: int, value: bytes) -> list[str]:
    head = f"\t    {DHCP_OPTIONS.get(code, 'Unknown')} ({code}), length {len(value)}: "
    if code == dhcp.Option.MESSAGE_TYPE and value and value[0] < len(DHCP_TYPES):
        return [head + DHCP_TYPES[value[0]]]
    if code in ADDRESS_OPTIONS:
        parts = [IPv4(int.from_bytes(value[i : i + 4], "big")) for i in range(0, len(value) - 3, 4)]
        return [head + ",".join(map(str, parts))]
    if code in NUMBER_OPTIONS:
        return [head + str(int.from_bytes(value, "big"))]
    if code == dhcp.Option.PARAMETER_LIST:
        names = [f"{DHCP_OPTIONS.get(number, 'Unknown')} ({number})" for number in value]
        return [head, *("\t      " + ", ".join(names[i : i + 4]) for i in range(0, len(names), 4))]
    if code in (12, 15, 56, 60):
        return [f'{head}"{value.decode("utf-8", "replace")}"']
    if code == dhcp.Option.CLIENT_IDENTIFIER and len(value) == 7 and value[0] == 1:
        return [f"{head}ether {value[1:].hex(':')}"]
    return [head + ",".join(str(byte) for byte in value)]


def _dns_type(kind: int) -> str:
    return RecordType(kind).name if kind in RecordType.__members__.values() else f"Type{kind}"


def _application(segment: TcpSegment) -> str:
    if not segment.data or not HTTP_PORTS & {segment.sport, segment.dport}:
        return ""
    first = segment.data.split(b"\r\n")[0].split(b"\n")[0].decode("utf-8", "replace")
    known = first.startswith(("GET ", "POST ", "HEAD ", "PUT ", "DELETE ", "OPTIONS ", "HTTP/"))
    return f": HTTP: {first}" if known else ": HTTP"

"""The filter language of tcpdump (pcap-filter), as far as a technician types it.

Before changing this file read pcap-filter(7). `and` and `or` have the same precedence and go from left to right.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from labs.model.addresses import Address, IPv4, IPv6, Mac, Network
from labs.net.arp import ArpPacket
from labs.net.capture.octets import ACCESSIBLE, Expression, number, reader
from labs.net.ethernet import BROADCAST
from labs.net.ipv4 import LIMITED_BROADCAST, Ipv4Packet
from labs.net.ipv6 import Ipv6Packet
from labs.net.service_names import port_number
from labs.net.stp import Bpdu
from labs.net.tcp import TcpSegment
from labs.net.udp import UdpDatagram

if TYPE_CHECKING:
    from labs.net.ethernet import Frame

__all__ = ["FilterError", "compile_filter"]

Test = Callable[["Frame"], bool]
_TOKEN = re.compile(r"\s*(\(|\)|&&|\|\||!=|==|!|<=|>=|<<|>>|[\[\]=<>&|+*]|[^\s()!&|\[\]=<>+*]+)")
SYNTAX = "can't parse filter expression: syntax error"
PROTOCOLS = ("ether", "ip", "ip6", "arp", "tcp", "udp", "icmp", "icmp6")
TYPES = ("host", "net", "port", "portrange", "proto", "broadcast", "multicast", "gateway")
ABSENT = frozenset("rarp sctp igmp pppoes mpls wlan link gateway inbound outbound".split())
PACKETS = Ipv4Packet | Ipv6Packet
RELATIONS: dict[str, Callable[[int, int], bool]] = {
    "=": operator.eq, "==": operator.eq, "!=": operator.ne, "<": operator.lt, "<=": operator.le, ">": operator.gt,
    ">=": operator.ge,
}  # fmt: skip
ARITHMETIC: dict[str, Callable[[int, int], int]] = {
    "&": operator.and_, "|": operator.or_, "+": operator.add, "*": operator.mul, "<<": operator.lshift,
    ">>": operator.rshift,
}  # fmt: skip
SHIFTS = (operator.lshift, operator.rshift)
MAX_SHIFT = 31
NUMBERS = {"icmp": 1, "ipip": 4, "tcp": 6, "udp": 17, "gre": 47, "icmp6": 58, "ipv6-icmp": 58}


class FilterError(ValueError):
    """A filter that cannot be compiled, in tcpdump's words."""


def compile_filter(text: str, addresses: Mapping[str, Address] | None = None) -> tuple[Test, set[str]]:
    """A test for frames, and the host names that `addresses` must hold when it runs. Raises FilterError."""
    parser = _Parser(text, addresses if addresses is not None else {})
    return parser.parse(), parser.names


class _Parser:
    def __init__(self, text: str, addresses: Mapping[str, Address]) -> None:
        self._tokens = _TOKEN.findall(text)
        self._at = 0
        self._addresses = addresses
        self._last: tuple[str, str, str] | None = None
        self.names: set[str] = set()

    def parse(self) -> Test:
        if not self._tokens:
            return lambda _: True
        test = self._expression()
        if self._peek():
            raise FilterError(SYNTAX)
        return test

    def _peek(self) -> str:
        return self._tokens[self._at] if self._at < len(self._tokens) else ""

    def _next(self) -> str:
        word = self._peek()
        if not word:
            raise FilterError(SYNTAX)
        self._at += 1
        return word

    def _expression(self) -> Test:
        left = self._term()
        while self._peek() in ("and", "&&", "or", "||"):
            both = self._next() in ("and", "&&")
            right = self._term()
            left = _and(left, right) if both else _or(left, right)
        return left

    def _term(self) -> Test:
        word = self._peek()
        if word in ("not", "!"):
            self._next()
            test = self._term()
            return lambda frame: not test(frame)
        comparison = self._comparison()
        if comparison is not None:
            return comparison
        if word == "(":
            self._next()
            test = self._expression()
            if self._next() != ")":
                raise FilterError(SYNTAX)
            return test
        return self._primitive()

    def _primitive(self) -> Test:
        word = self._peek()
        if word in ABSENT:
            message = f'"{word}" in a filter is not simulated here'
            raise FilterError(message)
        if word == "stp":
            self._next()
            return lambda frame: isinstance(frame.payload, Bpdu)
        if word == "vlan":
            self._next()
            return self._vlan()
        if word in ("less", "greater"):
            self._next()
            return self._length(word)
        protocol = self._next() if word in PROTOCOLS else ""
        direction = self._direction()
        kind = self._next() if self._peek() in TYPES else ""
        if kind in ("broadcast", "multicast"):
            return _group(protocol, kind)
        identifier = self._peek()
        ends = identifier in ("", ")", "and", "&&", "or", "||")
        if ends:
            if protocol and not direction and not kind:
                return _protocol(protocol)
            raise FilterError(SYNTAX)
        if identifier in (*PROTOCOLS, "(", "not", "!"):
            raise FilterError(SYNTAX)
        self._next()
        if not protocol and not direction and not kind:
            return self._bare(identifier)
        self._last = (protocol, direction, kind or "host")
        return self._qualified(protocol, direction, kind or "host", identifier)

    # Numbers

    def _comparison(self) -> Test | None:
        """`expr relop expr`, or None where something else stands there."""
        mark = self._at
        left = self._arithmetic()
        relation = self._peek()
        if left is None or relation not in RELATIONS:
            self._at = mark
            return None
        self._next()
        right = self._arithmetic()
        if right is None:
            raise FilterError(SYNTAX)
        holds = RELATIONS[relation]

        def test(frame: Frame) -> bool:
            a, b = left(frame), right(frame)
            return a is not None and b is not None and holds(a, b)

        return test

    def _arithmetic(self) -> Expression | None:
        left = self._operand()
        while left is not None and self._peek() in ARITHMETIC:
            sign = self._next()
            right = self._operand()
            if right is None:
                return None
            left = _calculated(ARITHMETIC[sign], left, right)
        return left

    def _operand(self) -> Expression | None:
        word = self._peek()
        if word == "(":
            self._next()
            inner = self._arithmetic()
            if inner is None or self._peek() != ")":
                return None
            self._next()
            return inner
        following = self._tokens[self._at + 1] if self._at + 1 < len(self._tokens) else ""
        if following == "[" and word in ACCESSIBLE:
            return self._access()
        if following == "[":
            message = f'"{word}[" in a filter is not simulated here'
            raise FilterError(message)
        value = number(word)
        if word == "len":
            self._next()
            return lambda frame: frame.length
        if value is None:
            return None
        self._next()
        return lambda _: value

    def _access(self) -> Expression:
        """`tcp[13]`, `ip[2:2]`."""
        protocol = self._next()
        self._next()
        first = self._peek()
        size = 1
        if ":" in first:
            text, _, length = self._next().partition(":")
            found = number(text)
            if found is None or length not in ("1", "2", "4"):
                raise FilterError("data size must be 1, 2, or 4" if found is not None else SYNTAX)
            index: Expression | None = lambda _: found  # noqa: E731 - the other branch has one too
            size = int(length)
        else:
            index = self._arithmetic()
        if index is None or self._next() != "]":
            raise FilterError(SYNTAX)
        return reader(protocol, index, size)

    def _direction(self) -> str:
        if self._peek() not in ("src", "dst"):
            return ""
        direction = self._next()
        if self._peek() in ("or", "and") and self._tokens[self._at + 1 : self._at + 2] in (["src"], ["dst"]):
            joint = self._next()
            self._next()
            return "both" if joint == "and" else ""
        return direction

    def _bare(self, identifier: str) -> Test:
        """An identifier alone takes the qualifiers of the one before it; the first must look like an address."""
        if self._last is not None:
            return self._qualified(*self._last, identifier)
        if not re.fullmatch(r"[0-9.]+|[0-9A-Fa-f]*:[0-9A-Fa-f:.]*", identifier):
            raise FilterError(SYNTAX)
        return self._qualified("", "", "host", identifier)

    def _qualified(self, protocol: str, direction: str, kind: str, identifier: str) -> Test:
        if kind == "host" and protocol in ("tcp", "udp", "icmp", "icmp6") and identifier[0] != "[":
            message = f"'{protocol}' modifier applied to host"
            raise FilterError(message)
        if protocol == "ether" and kind == "host":
            return _and(lambda _: True, _ether_host(direction, identifier))
        if kind == "host":
            test = self._host(direction, identifier)
        elif kind == "net":
            test = _net(direction, self._network(identifier))
        elif kind in ("port", "portrange"):
            test = _ports(direction, *_port_range(kind, identifier, protocol))
        elif kind == "proto":
            return _proto(protocol, identifier)
        else:
            raise FilterError(SYNTAX)
        return _and(_protocol(protocol), test) if protocol else test

    def _host(self, direction: str, identifier: str) -> Test:
        if ":" in identifier:
            wide = _ipv6(identifier)
            return _sides(direction, lambda value: isinstance(value, IPv6) and value == wide)
        if re.fullmatch(r"[0-9.]+", identifier):
            parts = identifier.split(".")
            if len(parts) < 4 and all(part.isdecimal() for part in parts):  # as inet_aton reads it: a.b is a.0.0.b
                identifier = ".".join([*parts[:-1], *["0"] * (4 - len(parts)), parts[-1]])
            try:
                address = IPv4.parse(identifier)
            except ValueError:
                message = f"invalid IPv4 address '{identifier}'"
                raise FilterError(message) from None
            return _sides(direction, lambda value: isinstance(value, IPv4) and value == address)
        self.names.add(identifier)
        addresses = self._addresses
        return _sides(direction, lambda value: value == addresses.get(identifier))

    def _network(self, identifier: str) -> Network:
        head, slash, length = identifier.partition("/")
        if ":" in head:
            return _network6(head, length)
        parts = head.split(".")
        if not re.fullmatch(r"[0-9]+(\.[0-9]+){0,3}", head):
            message = f"unknown network '{identifier}'"
            raise FilterError(message)
        full = ".".join(parts + ["0"] * (4 - len(parts)))
        if self._peek() == "mask":
            self._next()
            mask = IPv4.parse(self._next())
            bits = int(mask).bit_count()
        elif slash and length.isdecimal():
            bits = int(length)
        else:
            bits = 8 * len(parts)
        if bits > 32:
            message = "mask length must be <= 32"
            raise FilterError(message)
        try:
            return Network(IPv4.parse(full), bits)
        except ValueError:
            message = f'non-network bits set in "{identifier}"'
            raise FilterError(message) from None

    def _vlan(self) -> Test:
        if self._peek().isdecimal():
            number = int(self._next())
            return lambda frame: frame.vlan == number
        return lambda frame: frame.vlan is not None

    def _length(self, word: str) -> Test:
        text = self._next()
        if not text.isdecimal():
            raise FilterError(SYNTAX)
        size = int(text)
        return (lambda frame: frame.length <= size) if word == "less" else (lambda frame: frame.length >= size)


def _calculated(sign: Callable[[int, int], int], left: Expression, right: Expression) -> Expression:
    def value(frame: Frame) -> int | None:
        a, b = left(frame), right(frame)
        return None if a is None or b is None or (b > MAX_SHIFT and sign in SHIFTS) else sign(a, b)

    return value


def _ipv6(text: str) -> IPv6:
    try:
        return IPv6.parse(text)
    except ValueError:
        message = f"invalid IPv6 address '{text}'"
        raise FilterError(message) from None


def _network6(head: str, length: str) -> Network:
    bits = int(length) if length.isdecimal() else 128
    if bits > 128:
        message = "mask length must be <= 128"
        raise FilterError(message)
    try:
        return Network(_ipv6(head), bits)
    except FilterError:
        raise
    except ValueError:
        message = f'non-network bits set in "{head}/{bits}"'
        raise FilterError(message) from None


def _and(left: Test, right: Test) -> Test:
    return lambda frame: left(frame) and right(frame)


def _or(left: Test, right: Test) -> Test:
    return lambda frame: left(frame) or right(frame)


def _protocol(protocol: str) -> Test:
    if protocol == "ether":
        return lambda _: True
    if protocol == "arp":
        return lambda frame: isinstance(frame.payload, ArpPacket)
    if protocol in ("ip", "ip6"):
        version = Ipv4Packet if protocol == "ip" else Ipv6Packet
        return lambda frame: isinstance(frame.payload, version)
    wanted = NUMBERS[protocol]
    if wanted == NUMBERS["icmp6"]:  # a listener report stands behind another header, and is not looked for there
        return lambda frame: (
            isinstance(frame.payload, PACKETS)
            and frame.payload.protocol == wanted
            and not (isinstance(frame.payload, Ipv6Packet) and frame.payload.has_options)
        )
    return lambda frame: isinstance(frame.payload, PACKETS) and frame.payload.protocol == wanted


def _proto(protocol: str, identifier: str) -> Test:
    name = identifier.lstrip("\\")
    if protocol == "ether":
        wanted = {
            "ip6": "ip6",
            "ipv6": "ip6",
            "0x86dd": "ip6",
            "34525": "ip6",
            "ip": "ip",
            "0x0800": "ip",
            "2048": "ip",
            "arp": "arp",
            "0x0806": "arp",
            "2054": "arp",
        }.get(name)
        if wanted is None:
            message = f"unknown ether proto '{name}'"
            raise FilterError(message)
        return _protocol(wanted)
    number = NUMBERS.get(name) or (int(name) if name.isdecimal() else None)
    if number is None:
        message = f"unknown ip proto '{name}'"
        raise FilterError(message)
    either = _and(
        _or(_protocol("ip"), _protocol("ip6")), lambda frame: getattr(frame.payload, "protocol", -1) == number
    )
    return _and(_protocol(protocol), either) if protocol in ("ip", "ip6") else either


def _group(protocol: str, kind: str) -> Test:
    if protocol == "ip6" and kind == "multicast":
        return lambda frame: isinstance(frame.payload, Ipv6Packet) and frame.payload.dst.is_multicast
    if protocol == "ip":
        if kind == "broadcast":
            return lambda frame: (
                isinstance(frame.payload, Ipv4Packet)
                and (frame.payload.dst in (LIMITED_BROADCAST, 0) or frame.dst == BROADCAST)
            )
        return lambda frame: isinstance(frame.payload, Ipv4Packet) and frame.payload.dst.is_multicast
    if kind == "broadcast":
        return lambda frame: frame.dst == BROADCAST
    return lambda frame: frame.dst.is_group


def _ether_host(direction: str, text: str) -> Test:
    try:
        mac = Mac.parse(text)
    except ValueError:
        message = "illegal link layer address"
        raise FilterError(message) from None
    return _pick(direction, lambda frame: frame.src == mac, lambda frame: frame.dst == mac)


def _pick(direction: str, source: Test, destination: Test) -> Test:
    if direction == "src":
        return source
    if direction == "dst":
        return destination
    return _and(source, destination) if direction == "both" else _or(source, destination)


def _sides(direction: str, fits: Callable[[Address], bool]) -> Test:
    """Source and destination of IP, sender and target of ARP."""

    def source(frame: Frame) -> bool:
        packet = frame.payload
        if isinstance(packet, Bpdu):
            return False
        return fits(packet.sender if isinstance(packet, ArpPacket) else packet.src)

    def destination(frame: Frame) -> bool:
        packet = frame.payload
        if isinstance(packet, Bpdu):
            return False
        return fits(packet.target if isinstance(packet, ArpPacket) else packet.dst)

    return _pick(direction, source, destination)


def _net(direction: str, network: Network) -> Test:
    return _sides(direction, lambda address: address in network)


def _port_range(kind: str, text: str, protocol: str) -> tuple[int, int]:
    words = text.split("-") if kind == "portrange" else [text]
    if len(words) > 2:
        raise FilterError(SYNTAX)
    numbers = []
    for word in words:
        number = port_number(protocol or "tcp", word)
        number = number if number is not None else port_number("udp", word)
        if number is None:
            message = f"illegal port number {word} > 65535" if word.isdecimal() else f"unknown port '{word}'"
            raise FilterError(message)
        numbers.append(number)
    return min(numbers), max(numbers)


def _ports(direction: str, low: int, high: int) -> Test:
    def transport(frame: Frame) -> TcpSegment | UdpDatagram | None:
        packet = frame.payload
        payload = packet.head if isinstance(packet, PACKETS) else None
        return payload if isinstance(payload, TcpSegment | UdpDatagram) else None

    def source(frame: Frame) -> bool:
        payload = transport(frame)
        return payload is not None and low <= payload.sport <= high

    def destination(frame: Frame) -> bool:
        payload = transport(frame)
        return payload is not None and low <= payload.dport <= high

    return _pick(direction, source, destination)

"""Datatypes: how text becomes a value of the tree, and a value becomes text, a number and a place in a sorted list.

Read first: nft(8), section "DATA TYPES"; `nft describe <datatype>`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from labs.model.addresses import IPv4, IPv6, Mac
from labs.net.nftables import symbols

__all__ = ["DATATYPES", "Datatype", "ValueRejectedError", "datatype", "integer"]


class ValueRejectedError(ValueError):
    """Text or number that is no value of the type; the message is nft's."""


@dataclass(frozen=True, slots=True)
class Datatype:
    """One datatype. `kind` tells how it is read; `per_line` how many elements nft prints on a line."""

    name: str
    description: str
    bits: int
    kind: str = "integer"
    symbols: Mapping[str, int] = field(default_factory=dict)
    unknown: str = ""
    per_line: int = 1
    hexadecimal: bool = False

    @property
    def has_prefix(self) -> bool:
        """True when a range that is a prefix is printed as one."""
        return self.kind in {"ipv4", "ipv6", "ether"}

    @property
    def is_bitmask(self) -> bool:
        """True for sets of flags."""
        return self.kind == "bitmask"

    @property
    def is_string(self) -> bool:
        """True when values are compared as text."""
        return self.kind in {"string", "iface"}

    def read(self, text: str, *, is_number: bool = False) -> int | str:
        """The value in the tree for a word or a number of the input. Raises ValueRejectedError."""
        if is_number and self.kind not in {"ipv4", "ipv6", "ether"}:
            return self.from_number(_integer(text))
        if self.kind in {"ipv4", "ipv6", "ether"}:
            return self._address(text, is_number=is_number)
        if self.is_string:
            if len(text) > 15:
                raise ValueRejectedError("String exceeds maximum length of 16")
            return text
        if text in self.symbols:
            return self.from_number(self.symbols[text])
        if text[:1].isdigit():
            return self.from_number(_integer(text))
        raise ValueRejectedError(self.unknown or f"Could not parse {self.description}")

    def _address(self, text: str, *, is_number: bool) -> str:
        try:
            if is_number:
                number = _integer(text)
                return (
                    str(IPv4(number))
                    if self.kind == "ipv4"
                    else str(IPv6(number))
                    if self.kind == "ipv6"
                    else str(Mac(number))
                )
            if self.kind == "ether":
                return str(Mac.parse(text))
            return str(IPv4.parse(text) if self.kind == "ipv4" else IPv6.parse(text))
        except ValueError:
            pass
        if self.kind == "ether":
            raise ValueRejectedError("Could not parse Ethernet address")
        other = ":" in text if self.kind == "ipv4" else _is_ipv4(text)
        why = "Address family for hostname not supported" if other else "Name or service not known"
        raise ValueRejectedError(f"Could not resolve hostname: {why}")

    def from_number(self, number: int) -> int | str:
        """The value in the tree for a number. Raises ValueRejectedError when it does not fit."""
        if number >> self.bits:
            if self.kind == "service":
                raise ValueRejectedError("Service out of range")
            raise ValueRejectedError(f"Value {number} exceeds valid range 0-{(1 << self.bits) - 1}")
        if self.kind == "ipv4":
            return str(IPv4(number))
        if self.kind == "ipv6":
            return str(IPv6(number))
        if self.kind == "ether":
            return str(Mac(number))
        if self.kind == "iface":
            return "lo" if number == 1 else number
        if self.kind in {"service", "plain"}:
            return number
        return _NAMES[self.name].get(number, number)

    def number(self, value: object) -> int:
        """The number behind a value in the tree; text compares as the kernel stores it, first letter lowest."""
        if isinstance(value, int):
            return int(value)
        text = str(value)
        if self.kind == "ipv4":
            return int(IPv4.parse(text))
        if self.kind == "ipv6":
            return int(IPv6.parse(text))
        if self.kind == "ether":
            return int(Mac.parse(text))
        if self.is_string:
            return int.from_bytes(text.encode(), "little")
        return self.symbols[text]

    def text(self, value: object, *, numeric: bool = False, services: bool = False) -> str:
        """The value as `nft list` prints it."""
        if self.is_string:
            return f'"{value}"' if isinstance(value, str) else str(value)
        if self.kind == "service" and services and isinstance(value, int):
            name = _NAMES[self.name].get(value)
            return f'"{name}"' if name else str(value)
        if isinstance(value, bool):
            return "exists" if value else "missing"
        if isinstance(value, int):
            return self._hex(value) if self.hexadecimal else str(value)
        if numeric and self.symbols:
            number = self.symbols[str(value)]
            return self._hex(number) if self.hexadecimal else str(number)
        return str(value)

    def _hex(self, number: int) -> str:
        return (
            f"0x{number:08x}"
            if self.name == "mark"
            else f"0x{number:0{self.bits // 4 if self.name == 'ether_type' else 1}x}"
        )


def _is_ipv4(text: str) -> bool:
    try:
        IPv4.parse(text)
    except ValueError:
        return False
    return True


def _integer(text: str) -> int:
    if text[:2] in {"0x", "0X"}:
        return int(text, 16)
    if text[0] == "0" and text.isdigit() and len(text) > 1:
        try:
            return int(text, 8)
        except ValueError:
            return int(text)
    if not text.isdigit():
        raise ValueRejectedError("Could not parse integer")
    return int(text)


_ALL = (
    Datatype("ipv4_addr", "IPv4 address", 32, "ipv4", per_line=2),
    Datatype("ipv6_addr", "IPv6 address", 128, "ipv6"),
    Datatype("ether_addr", "Ethernet address", 48, "ether"),
    Datatype("ifname", "network interface name", 128, "string"),
    Datatype("iface_index", "network interface index", 32, "iface"),
    Datatype(
        "inet_service", "internet network service", 16, "service", symbols.SERVICES,
        "Could not resolve service: Servname not supported for ai_socktype", 5,
    ),
    Datatype("inet_proto", "Internet protocol", 8, "named", symbols.PROTOCOLS, "Could not resolve protocol name", 5),
    Datatype("ether_type", "Ethernet protocol", 16, "named", symbols.ETHER_TYPE, hexadecimal=True),
    Datatype("nf_proto", "netfilter protocol", 8, "named", symbols.NF_PROTO, "Could not parse netfilter protocol", 5),
    Datatype("mark", "packet mark", 32, "plain", {}, "Could not parse packet mark", 5, hexadecimal=True),
    Datatype("uid", "user ID", 32, "plain", {"root": 0}, "User does not exist", 5),
    Datatype("gid", "group ID", 32, "plain", {"root": 0}, "Group does not exist", 5),
    Datatype("icmp_type", "ICMP type", 8, "named", symbols.ICMP_TYPE),
    Datatype("icmp_code", "icmp code", 8, "named", symbols.ICMP_CODE),
    Datatype("icmpv6_type", "ICMPv6 type", 8, "named", symbols.ICMPV6_TYPE),
    Datatype("icmpv6_code", "icmpv6 code", 8, "named", symbols.ICMPV6_CODE),
    Datatype("icmpx_code", "icmpx code", 8, "named", symbols.ICMPX_CODE),
    Datatype("arp_op", "ARP operation", 16, "named", symbols.ARP_OP),
    Datatype("pkt_type", "packet type", 8, "named", symbols.PKT_TYPE, per_line=2),
    Datatype("ct_state", "conntrack state", 32, "bitmask", symbols.CT_STATE, per_line=5, hexadecimal=True),
    Datatype("ct_status", "conntrack status", 32, "bitmask", symbols.CT_STATUS, per_line=5, hexadecimal=True),
    Datatype("ct_dir", "conntrack direction", 8, "named", symbols.CT_DIR),
    Datatype("tcp_flag", "TCP flag", 8, "bitmask", symbols.TCP_FLAG, per_line=5, hexadecimal=True),
    Datatype("dscp", "Differentiated Services Code Point", 6, "named", symbols.DSCP, hexadecimal=True),
    Datatype("ecn", "Explicit Congestion Notification", 2, "named", symbols.ECN, hexadecimal=True),
    Datatype("boolean", "boolean type", 1, "named", symbols.BOOLEAN),
)  # fmt: skip

DATATYPES: Mapping[str, Datatype] = {entry.name: entry for entry in _ALL}
_NAMES: dict[str, dict[int, str]] = {}
for _entry in _ALL:
    _table = _NAMES.setdefault(_entry.name, {})
    for _name, _number in _entry.symbols.items():
        _table.setdefault(_number, _name)
_NAMES["inet_proto"][58] = "ipv6-icmp"
for _port in (1883, 8883):  # read, but not printed: Debian's /etc/services does not have them
    del _NAMES["inet_service"][_port]
_NAMES["mark"] = _NAMES["uid"] = _NAMES["gid"] = {}

_INTEGERS: dict[int, Datatype] = {}


def integer(bits: int) -> Datatype:
    """The datatype `integer` of a field of this width."""
    if bits not in _INTEGERS:
        _INTEGERS[bits] = Datatype("integer", "integer", bits, "plain", {}, "Could not parse integer")
    return _INTEGERS[bits]


def datatype(name: str) -> Datatype | None:
    """The datatype of this name, or None."""
    return DATATYPES.get(name)

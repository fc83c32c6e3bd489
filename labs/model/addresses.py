"""Addresses as small integers that print themselves.

`Mac`, `IPv4` and `IPv6` are subclasses of `int`: they compare, hash and mask as fast as integers, and `str()` gives the
text that the tools print. A value of these types is always legal; parsing is the only place where text is judged.

Before changing this file read RFC 4291 §2.2, RFC 5952 and IEEE 802 clause 8.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Self

__all__ = ["Address", "IPv4", "IPv6", "InterfaceAddress", "Mac", "Network", "parse_address"]

_MAC = re.compile(r"[0-9A-Fa-f]{1,2}(:[0-9A-Fa-f]{1,2}){5}")
_OCTET = re.compile(r"0|[1-9][0-9]{0,2}")


class Mac(int):
    """A 48-bit IEEE 802 address."""

    __slots__ = ()

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `02:4e:00:00:00:05`. Raises ValueError for anything else."""
        if not _MAC.fullmatch(text):
            message = f'"{text}" is not a MAC address (six hexadecimal pairs such as 02:4e:00:00:00:05)'
            raise ValueError(message)
        value = 0
        for part in text.split(":"):
            value = value << 8 | int(part, 16)
        return cls(value)

    def __str__(self) -> str:
        return ":".join(f"{int(self) >> shift & 0xFF:02x}" for shift in (40, 32, 24, 16, 8, 0))

    def __repr__(self) -> str:
        return f"Mac({str(self)!r})"

    @property
    def is_group(self) -> bool:
        """True for multicast and broadcast (the I/G bit)."""
        return bool(int(self) >> 40 & 1)


class IPv4(int):
    """A 32-bit IPv4 address."""

    __slots__ = ()
    bits = 32
    version = 4

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read dotted quad. Raises ValueError."""
        parts = text.split(".")
        value = 0
        if len(parts) == 4:
            for part in parts:
                if not _OCTET.fullmatch(part) or int(part) > 255:
                    break
                value = value << 8 | int(part)
            else:
                return cls(value)
        message = f'"{text}" is not an IPv4 address (four numbers from 0 to 255, such as 192.168.1.20)'
        raise ValueError(message)

    def __str__(self) -> str:
        value = int(self)
        return f"{value >> 24}.{value >> 16 & 255}.{value >> 8 & 255}.{value & 255}"

    def __repr__(self) -> str:
        return f"IPv4({str(self)!r})"

    @property
    def is_multicast(self) -> bool:
        """True inside 224.0.0.0/4."""
        return int(self) >> 28 == 0xE

    @property
    def is_loopback(self) -> bool:
        """True inside 127.0.0.0/8."""
        return int(self) >> 24 == 127


class IPv6(int):
    """A 128-bit IPv6 address."""

    __slots__ = ()
    bits = 128
    version = 6

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read any RFC 4291 form, without a zone. Raises ValueError."""
        try:
            return cls(int(ipaddress.IPv6Address(text.replace("%", " "))))
        except ValueError:
            message = f'"{text}" is not an IPv6 address (such as fe80::1)'
            raise ValueError(message) from None

    def __str__(self) -> str:
        if int(self) >> 32 == 0xFFFF:  # RFC 5952 §5: an IPv4 address inside shows as one
            return f"::ffff:{IPv4(int(self) & 0xFFFFFFFF)}"
        return str(ipaddress.IPv6Address(int(self)))

    def __repr__(self) -> str:
        return f"IPv6({str(self)!r})"

    @property
    def is_multicast(self) -> bool:
        """True inside ff00::/8."""
        return int(self) >> 120 == 0xFF

    @property
    def is_link_local(self) -> bool:
        """True inside fe80::/10."""
        return int(self) >> 118 == 0x3FA

    @property
    def is_loopback(self) -> bool:
        """True for ::1 alone."""
        return int(self) == 1


Address = IPv4 | IPv6


def parse_address(text: str) -> Address:
    """Read an IPv4 or IPv6 address. Raises ValueError."""
    return IPv6.parse(text) if ":" in text else IPv4.parse(text)


def _split(text: str) -> tuple[Address, int]:
    head, slash, tail = text.partition("/")
    address = parse_address(head)
    if not slash:
        return address, address.bits
    if tail.isdecimal() and int(tail) <= address.bits:
        return address, int(tail)
    message = f'"{text}" is not a prefix: the part after "/" is a number from 0 to {address.bits}'
    raise ValueError(message)


@dataclass(frozen=True, slots=True)
class Network:
    """A prefix whose host bits are zero, such as `192.168.1.0/24`.

    Examples
    --------
    >>> IPv4.parse("192.168.1.77") in Network.parse("192.168.1.0/24")
    True
    """

    address: Address
    length: int

    def __post_init__(self) -> None:
        if not 0 <= self.length <= self.address.bits:
            message = f"prefix length {self.length} is not between 0 and {self.address.bits}"
            raise ValueError(message)
        if int(self.address) & (1 << self.address.bits - self.length) - 1:
            network = self.of(self.address, self.length)
            message = f'"{self.address}/{self.length}" has host bits set; the network is {network}'
            raise ValueError(message)

    @classmethod
    def of(cls, address: Address, length: int) -> Self:
        """The network of this length that holds `address`."""
        shift = address.bits - length
        return cls(type(address)(int(address) >> shift << shift), length)

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `192.168.1.0/24`; a bare address is a host route. Raises ValueError."""
        return cls(*_split(text))

    @property
    def hostmask(self) -> Address:
        """The bits that are free within the network."""
        return type(self.address)((1 << self.address.bits - self.length) - 1)

    @property
    def netmask(self) -> Address:
        """The bits that are fixed, as an address: 255.255.255.0."""
        return type(self.address)(((1 << self.address.bits) - 1) ^ int(self.hostmask))

    @property
    def broadcast(self) -> Address:
        """The highest address of the network."""
        free = (1 << self.address.bits - self.length) - 1
        return type(self.address)(int(self.address) | free)

    def host(self, number: int) -> Address:
        """The address `number` places after the network address. Raises ValueError outside the network."""
        if not 0 <= number <= int(self.hostmask):
            message = f"{self} has no host .{number}"
            raise ValueError(message)
        return type(self.address)(int(self.address) + number)

    def __contains__(self, address: object) -> bool:
        if type(address) is not type(self.address):
            return False
        shift = self.address.bits - self.length
        return int(address) >> shift == int(self.address) >> shift

    def overlaps(self, other: Network) -> bool:
        """True where the two share an address."""
        return self.address in other or other.address in self

    def __str__(self) -> str:
        return f"{self.address}/{self.length}"


@lru_cache(maxsize=4096, typed=True)
def _network_of(address: Address, length: int) -> Network:
    return Network.of(address, length)


@dataclass(frozen=True, slots=True)
class InterfaceAddress:
    """An address with the prefix length it was configured with, such as `192.168.1.20/24`."""

    address: Address
    length: int

    def __post_init__(self) -> None:
        if not 0 <= self.length <= self.address.bits:
            message = f"prefix length {self.length} is not between 0 and {self.address.bits}"
            raise ValueError(message)

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `192.168.1.20/24`. Raises ValueError."""
        return cls(*_split(text))

    @property
    def network(self) -> Network:
        """The network that this address is on."""
        return _network_of(self.address, self.length)

    def __str__(self) -> str:
        return f"{self.address}/{self.length}"

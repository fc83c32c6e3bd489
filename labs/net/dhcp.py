"""DHCP messages as bytes, and the choice of an address for a client.

Before changing this file read RFC 2131 §2-4 and RFC 2132; the choice of an address follows dnsmasq (address_allocate).
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Iterator
from enum import IntEnum
from typing import NamedTuple

from labs.model.addresses import IPv4, Mac

__all__ = ["CLIENT_PORT", "SERVER_PORT", "DhcpMessage", "MessageType", "Option", "candidates", "decode", "encode"]

SERVER_PORT = 67  # RFC 2131 §4.1
CLIENT_PORT = 68
BOOTREQUEST, BOOTREPLY = 1, 2
BROADCAST_FLAG = 0x8000  # RFC 2131 §2, figure 2
MAGIC = b"\x63\x82\x53\x63"  # RFC 2131 §3
FIXED = struct.Struct("!4BIHH4s4s4s4s16s64s128s")
MIN_BYTES = 300  # RFC 951: a BOOTP message
ZERO = IPv4(0)
FOREVER = 0xFFFFFFFF  # RFC 2131 §3.3


class MessageType(IntEnum):
    """Values of option 53 (RFC 2132 §9.6)."""

    DISCOVER = 1
    OFFER = 2
    REQUEST = 3
    DECLINE = 4
    ACK = 5
    NAK = 6
    RELEASE = 7
    INFORM = 8


class Option(IntEnum):
    """Option codes of RFC 2132, RFC 3397 and RFC 3442 that are used here."""

    PAD = 0
    NETMASK = 1
    ROUTER = 3
    DNS_SERVER = 6
    HOSTNAME = 12
    DOMAIN_NAME = 15
    MTU = 26
    BROADCAST = 28
    NTP_SERVER = 42
    REQUESTED_ADDRESS = 50
    LEASE_TIME = 51
    MESSAGE_TYPE = 53
    SERVER_IDENTIFIER = 54
    PARAMETER_LIST = 55
    MESSAGE = 56
    MAXIMUM_SIZE = 57
    RENEWAL_TIME = 58
    REBINDING_TIME = 59
    VENDOR_CLASS = 60
    CLIENT_IDENTIFIER = 61
    DOMAIN_SEARCH = 119
    CLASSLESS_ROUTES = 121
    END = 255


class DhcpMessage(NamedTuple):
    """One message. `options` keeps their order; values are bytes, read with `address`, `number` and `text`."""

    operation: int
    xid: int
    chaddr: Mac
    options: tuple[tuple[int, bytes], ...] = ()
    ciaddr: IPv4 = ZERO
    yiaddr: IPv4 = ZERO
    siaddr: IPv4 = ZERO
    giaddr: IPv4 = ZERO
    seconds: int = 0
    broadcast: bool = False
    hops: int = 0

    def get(self, option: int) -> bytes | None:
        """The value of an option, or None."""
        return next((value for code, value in self.options if code == option), None)

    @property
    def type(self) -> MessageType | None:
        """The message type, or None for plain BOOTP and for unknown types."""
        value = self.get(Option.MESSAGE_TYPE)
        return MessageType(value[0]) if value and value[0] in MessageType.__members__.values() else None

    def addresses(self, option: int) -> tuple[IPv4, ...]:
        """The addresses of an option; empty where it is missing."""
        value = self.get(option) or b""
        return tuple(IPv4(int.from_bytes(value[i : i + 4], "big")) for i in range(0, len(value) - 3, 4))

    def address(self, option: int) -> IPv4 | None:
        """The first address of an option."""
        return next(iter(self.addresses(option)), None)

    def number(self, option: int, default: int = 0) -> int:
        """The value of an option as a number."""
        value = self.get(option)
        return default if value is None else int.from_bytes(value, "big")

    def text(self, option: int) -> str:
        """The value of an option as text."""
        return (self.get(option) or b"").rstrip(b"\0").decode("utf-8", "replace")


def pack_addresses(*addresses: IPv4) -> bytes:
    """The value of an option that holds addresses."""
    return b"".join(int(address).to_bytes(4, "big") for address in addresses)


def pack_number(value: int, size: int = 4) -> bytes:
    """The value of an option that holds a number."""
    return value.to_bytes(size, "big")


def encode(message: DhcpMessage) -> bytes:
    """The bytes of a message, padded to the BOOTP minimum of 300."""
    data = bytearray(
        FIXED.pack(
            message.operation,
            1,  # Ethernet, RFC 1700
            6,
            message.hops,
            message.xid,
            message.seconds,
            BROADCAST_FLAG if message.broadcast else 0,
            *(pack_addresses(a) for a in (message.ciaddr, message.yiaddr, message.siaddr, message.giaddr)),
            int(message.chaddr).to_bytes(6, "big"),
            b"",
            b"",
        )
    )
    data += MAGIC
    for code, value in message.options:
        for start in range(0, max(len(value), 1), 255):  # RFC 3396 §5
            part = value[start : start + 255]
            data += bytes([code, len(part)]) + part
    data.append(Option.END)
    return bytes(data).ljust(MIN_BYTES, b"\0")


def decode(data: bytes) -> DhcpMessage:
    """Read a message. Raises ValueError where the bytes are none."""
    if len(data) < FIXED.size + 4 or data[FIXED.size : FIXED.size + 4] != MAGIC:
        message = "not a DHCP message"
        raise ValueError(message)
    operation, kind, size, hops, xid, seconds, flags, *addresses, chaddr, _, _ = FIXED.unpack_from(data)
    if operation not in (BOOTREQUEST, BOOTREPLY) or kind != 1 or size != 6:
        message = "not a DHCP message for Ethernet"
        raise ValueError(message)
    options: dict[int, bytes] = {}
    for code, value in _options(data[FIXED.size + 4 :]):
        options[code] = options.get(code, b"") + value
    ciaddr, yiaddr, siaddr, giaddr = (IPv4(int.from_bytes(raw, "big")) for raw in addresses)
    mac = Mac(int.from_bytes(chaddr[:6], "big"))
    broadcast = bool(flags & BROADCAST_FLAG)
    known = tuple(options.items())
    return DhcpMessage(operation, xid, mac, known, ciaddr, yiaddr, siaddr, giaddr, seconds, broadcast, hops)


def _options(data: bytes) -> Iterator[tuple[int, bytes]]:
    at = 0
    while at < len(data) and data[at] != Option.END:
        if data[at] == Option.PAD:
            at += 1
            continue
        if at + 1 >= len(data) or at + 2 + data[at + 1] > len(data):
            message = "an option is longer than the message"
            raise ValueError(message)
        yield data[at], data[at + 2 : at + 2 + data[at + 1]]
        at += 2 + data[at + 1]


def hash_of(mac: Mac) -> int:
    """The SDBM hash over the bytes of a MAC address with which dnsmasq picks a starting point."""
    value = 0
    for byte in int(mac).to_bytes(6, "big"):
        value = (byte + (value << 6) + (value << 16) - value) & 0xFFFFFFFF
    return value or 1


def candidates(
    mac: Mac, start: IPv4, end: IPv4, free: Callable[[IPv4], bool], *, epoch: int = 0, after: IPv4 | None = None
) -> Iterable[IPv4]:
    """The free addresses of a pool in the order in which they are tried for a client.

    The first is picked by the hash of the MAC address, moved by `epoch`; or, in sequential mode, the one `after` the
    highest lease. Addresses of class C networks that end in .0 or .255 are skipped, as dnsmasq does.
    """
    size = int(end) - int(start) + 1
    offset = (hash_of(mac) + epoch) % size if after is None else (int(after) - int(start)) % size
    for step in range(size):
        address = IPv4(int(start) + (offset + step) % size)
        if address >> 29 == 0b110 and address & 0xFF in (0, 255):
            continue
        if free(address):
            yield address

"""Values of DHCP options: lists of domains and of routes as bytes, and each option as dhclient writes it down.

Before changing this file read RFC 2132, RFC 3397 §2, RFC 3442 and dhcp-options(5).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from labs.model.addresses import IPv4, Network
from labs.net.dhcp import Option

__all__ = ["lease_lines", "pack_domains", "pack_routes", "unpack_domains", "unpack_routes"]

POINTER = 0xC0  # RFC 1035 §4.1.4
BUCKETS = 17  # OPTION_HASH_SIZE, and compute_option_hash, in ISC's includes/tree.h
ADDRESSES = {
    1: "subnet-mask", 3: "routers", 6: "domain-name-servers", 28: "broadcast-address", 42: "ntp-servers",
    44: "netbios-name-servers", 54: "dhcp-server-identifier",
}  # fmt: skip
TEXTS = {12: "host-name", 15: "domain-name", 47: "netbios-scope"}
NUMBERS = {
    2: "time-offset", 26: "interface-mtu", 51: "dhcp-lease-time", 53: "dhcp-message-type", 58: "dhcp-renewal-time",
    59: "dhcp-rebinding-time",
}  # fmt: skip


def pack_domains(names: Iterable[str]) -> bytes:
    """Domain names one after the other (option 119), without compression."""
    data = b""
    for name in names:
        for label in name.strip(".").split("."):
            data += bytes([min(len(label), 63)]) + label[:63].encode()
        data += b"\0"
    return data


def unpack_domains(data: bytes) -> tuple[str, ...]:
    """The names in option 119, each with its last dot; what is damaged ends the list."""
    names = []
    at = 0
    while at < len(data):
        labels: list[str] = []
        here, end = at, 0
        for _ in range(len(data)):
            size = data[here] if here < len(data) else 0
            if size & POINTER == POINTER and here + 1 < len(data):
                end = end or here + 2
                here = (size & ~POINTER) << 8 | data[here + 1]
            elif size:
                labels.append(data[here + 1 : here + 1 + size].decode("ascii", "replace"))
                here += 1 + size
            else:
                break
        names.append(".".join(labels) + ".")
        at = end or here + 1
    return tuple(names)


def pack_routes(words: Sequence[str]) -> bytes:
    """Option 121 of `network/length, router` in turn: length, the octets that it covers, the router."""
    data = b""
    for word, router in zip(words[::2], words[1::2], strict=False):
        address, _, length = word.partition("/")
        bits = int(length or 32)
        data += bytes([bits]) + int(IPv4.parse(address)).to_bytes(4, "big")[: (bits + 7) // 8]
        data += int(IPv4.parse(router)).to_bytes(4, "big")
    return data


def unpack_routes(data: bytes) -> Iterator[tuple[Network, IPv4]]:
    """The routes of option 121 with their routers; what is damaged ends them."""
    at = 0
    while at < len(data):
        bits = data[at]
        octets = (bits + 7) // 8
        if bits > IPv4.bits or at + 1 + octets + 4 > len(data):
            return
        address = IPv4(int.from_bytes(data[at + 1 : at + 1 + octets].ljust(4, b"\0"), "big"))
        at += 1 + octets + 4
        yield Network.of(address, bits), IPv4(int.from_bytes(data[at - 4 : at], "big"))


def lease_lines(options: Sequence[tuple[int, bytes]]) -> list[str]:
    """Options as they stand in dhclient.leases(5), in its order: by their hash, the last that came first."""
    buckets: list[list[str]] = [[] for _ in range(BUCKETS)]
    for code, value in options:
        buckets[((code & 31) + (code >> 5 & 31)) % BUCKETS].insert(0, _line(code, value))
    return [line for bucket in buckets for line in bucket if line]


def _line(code: int, value: bytes) -> str:
    if code in ADDRESSES:
        parts = (IPv4(int.from_bytes(value[at : at + 4], "big")) for at in range(0, len(value) - 3, 4))
        return f"option {ADDRESSES[code]} {','.join(map(str, parts))};"
    if code in TEXTS:
        return f'option {TEXTS[code]} "{value.decode("utf-8", "replace")}";'
    if code in NUMBERS:
        return f"option {NUMBERS[code]} {int.from_bytes(value, 'big')};"
    if code == Option.DOMAIN_SEARCH:
        return "option domain-search " + ", ".join(f'"{name}"' for name in unpack_domains(value)) + ";"
    if code == Option.CLASSLESS_ROUTES:
        return f"option rfc3442-classless-static-routes {','.join(map(str, value))};"
    return ""

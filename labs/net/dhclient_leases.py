"""What a DHCP client was granted, and the file in which dhclient remembers it (dhclient.leases(5))."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime

from labs.model.addresses import InterfaceAddress, IPv4
from labs.net import dhcp
from labs.net.dhcp import DhcpMessage, Option
from labs.net.dhcp_options import lease_lines, unpack_domains

__all__ = ["Lease", "lease_of", "lease_text", "read_lease", "spread", "with_released", "without_leases"]

SECOND = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Lease:
    """What a server granted. Times are nanoseconds of simulated time; `until_ns` None means for ever."""

    address: IPv4
    netmask: IPv4
    server: IPv4
    routers: tuple[IPv4, ...] = ()
    name_servers: tuple[IPv4, ...] = ()
    domain: str = ""
    search: tuple[str, ...] = ()
    broadcast: IPv4 | None = None
    mtu: int = 0
    lease_s: int = 3600
    renew_ns: int = 0
    rebind_ns: int = 0
    until_ns: int | None = None
    options: tuple[tuple[int, bytes], ...] = ()
    """All that came with it, in the order of the message."""

    def option(self, code: int) -> bytes:
        """The value of an option, or nothing."""
        return next((value for number, value in self.options if number == code), b"")

    @property
    def interface_address(self) -> InterfaceAddress:
        """The address with its prefix length."""
        return InterfaceAddress(self.address, int(self.netmask).bit_count())


def lease_of(message: DhcpMessage, now: int) -> Lease:
    """Read an offer or acknowledgement."""
    lease_s = message.number(Option.LEASE_TIME, 3600)
    renew_s = message.number(Option.RENEWAL_TIME, lease_s // 2)  # RFC 2131 §4.4.5
    rebind_s = message.number(Option.REBINDING_TIME, lease_s * 7 // 8)
    renew_s = renew_s * 3 // 4 + spread(int(message.chaddr) + message.xid, renew_s // 4 + 1)
    return Lease(
        message.yiaddr,
        message.address(Option.NETMASK) or _class_mask(message.yiaddr),
        message.address(Option.SERVER_IDENTIFIER) or message.siaddr,
        message.addresses(Option.ROUTER),
        message.addresses(Option.DNS_SERVER),
        message.text(Option.DOMAIN_NAME),
        unpack_domains(message.get(Option.DOMAIN_SEARCH) or b""),
        message.address(Option.BROADCAST),
        message.number(Option.MTU),
        lease_s,
        now + renew_s * SECOND,
        now + rebind_s * SECOND,
        None if lease_s == dhcp.FOREVER else now + lease_s * SECOND,
        message.options,
    )


def _class_mask(address: IPv4) -> IPv4:
    """The mask that is assumed without option 1 (RFC 950 §2.1)."""
    return IPv4(0xFF000000 if address >> 31 == 0 else 0xFFFF0000 if address >> 30 == 2 else 0xFFFFFF00)


def spread(seed: int, size: int) -> int:
    """A number below `size` that looks drawn and is the same in every replay."""
    return (seed * 2_654_435_761 >> 7) % 65_521 % max(size, 1)


_BLOCK = re.compile(r"lease \{(.*?)\n\}", re.DOTALL)
_DATE = re.compile(r"\b(renew|rebind|expire) [^;]*;")
_LINE = re.compile(r"\s*(interface|fixed-address|option ([a-z0-9-]+)|renew|rebind|expire) (.*);")


def read_lease(text: str, interface: str, wall_s: float, now: int) -> Lease | None:
    """The newest lease of an interface in a lease file, unless it has expired."""
    for block in reversed(_BLOCK.findall(text)):
        values = {(m[2] or m[1]): m[3].strip('"') for m in map(_LINE.fullmatch, block.splitlines()) if m}
        if values.get("interface") == interface:
            return _lease_from(values, wall_s, now)
    return None


def _lease_from(values: dict[str, str], wall_s: float, now: int) -> Lease | None:
    def addresses(key: str) -> tuple[IPv4, ...]:
        return tuple(IPv4.parse(part.strip()) for part in values.get(key, "").split(",") if part.strip())

    def when(key: str) -> int | None:
        if values.get(key) == "never":
            return None
        date = datetime.strptime(values[key].partition(" ")[2], "%Y/%m/%d %H:%M:%S").replace(tzinfo=UTC)
        return now + int((date.timestamp() - wall_s) * SECOND)

    try:
        until = when("expire")
        lease = Lease(
            addresses("fixed-address")[0],
            next(iter(addresses("subnet-mask")), _class_mask(addresses("fixed-address")[0])),
            addresses("dhcp-server-identifier")[0],
            addresses("routers"),
            addresses("domain-name-servers"),
            values.get("domain-name", ""),
            (),
            next(iter(addresses("broadcast-address")), None),
            int(values.get("interface-mtu", "0")),
            int(values.get("dhcp-lease-time", "3600")),
            when("renew") or now,
            when("rebind") or now,
            until,
        )
    except (ValueError, KeyError, IndexError):
        return None
    return lease if until is None or until > now else None


def lease_text(interface: str, lease: Lease, wall_s: float, now: int) -> str:
    """One block of the lease file."""

    def date(at_ns: int | None) -> str:
        if at_ns is None:
            return "never"
        moment = datetime.fromtimestamp(wall_s + (at_ns - now) / SECOND, tz=UTC)
        return f"{moment.isoweekday() % 7} {moment:%Y/%m/%d %H:%M:%S}"

    lines = [f'interface "{interface}";', f"fixed-address {lease.address};", *lease_lines(lease.options)]
    lines += [f"renew {date(lease.renew_ns)};", f"rebind {date(lease.rebind_ns)};", f"expire {date(lease.until_ns)};"]
    return "lease {\n" + "".join(f"  {line}\n" for line in lines) + "}\n"


def with_released(text: str, interface: str, wall_s: float) -> str:
    """A lease file to which the newest lease of an interface was added again, as one that ends now."""
    blocks = [block for block in _BLOCK.findall(text) if f'interface "{interface}"' in block]
    if not blocks:
        return text
    moment = datetime.fromtimestamp(wall_s, tz=UTC)
    ended = _DATE.sub(rf"\g<1> {moment.isoweekday() % 7} {moment:%Y/%m/%d %H:%M:%S};", blocks[-1])
    return f"{text}lease {{{ended}\n}}\n"


def without_leases(text: str, interface: str) -> str:
    """A lease file without the leases of an interface."""
    kept = [block for block in _BLOCK.findall(text) if f'interface "{interface}"' not in block]
    return "".join(f"lease {{{block}\n}}\n" for block in kept)

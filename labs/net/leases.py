"""The leases of a DHCP server and the file in which dnsmasq keeps them."""

from __future__ import annotations

from typing import NamedTuple

from labs.model.addresses import IPv4, Mac

__all__ = ["LeaseTable", "ServerLease", "parse_leases", "render_leases"]


class ServerLease(NamedTuple):
    """One lease. `expires_s` is Unix time, 0 for ever; `name` is the host name of the client or empty."""

    expires_s: int
    mac: Mac
    address: IPv4
    name: str = ""
    client_id: str = "*"


def parse_leases(text: str) -> list[ServerLease]:
    """Read a lease file; damaged lines are skipped."""
    leases = []
    for line in text.splitlines():
        words = line.split()
        try:
            expires_s, mac, address, name = int(words[0]), Mac.parse(words[1]), IPv4.parse(words[2]), words[3]
        except (IndexError, ValueError):
            continue
        leases.append(ServerLease(expires_s, mac, address, "" if name == "*" else name, (words[4:] or ["*"])[0]))
    return leases


def render_leases(leases: list[ServerLease]) -> str:
    """The lease file."""
    return "".join(f"{x.expires_s} {x.mac} {x.address} {x.name or '*'} {x.client_id}\n" for x in leases)


class LeaseTable:
    """Leases in the order of dnsmasq's file: the newest first."""

    def __init__(self, leases: list[ServerLease]) -> None:
        self.leases = leases

    def of(self, mac: Mac) -> ServerLease | None:
        """The lease of a client."""
        return next((lease for lease in self.leases if lease.mac == mac), None)

    def at(self, address: IPv4) -> ServerLease | None:
        """The lease on an address."""
        return next((lease for lease in self.leases if lease.address == address), None)

    def named(self, name: str) -> ServerLease | None:
        """The lease of a client with this host name."""
        return next((lease for lease in self.leases if lease.name and lease.name.lower() == name.lower()), None)

    def put(self, lease: ServerLease) -> None:
        """Grant or extend; an extended lease keeps its place."""
        for index, old in enumerate(self.leases):
            if old.address == lease.address:
                self.leases[index] = lease
                return
        self.leases.insert(0, lease)

    def remove(self, lease: ServerLease) -> None:
        """Take a lease away."""
        if lease in self.leases:
            self.leases.remove(lease)

    def expire(self, now_s: float) -> bool:
        """Forget what has run out; True where something had."""
        kept = [lease for lease in self.leases if not lease.expires_s or lease.expires_s > now_s]
        changed = len(kept) != len(self.leases)
        self.leases = kept
        return changed

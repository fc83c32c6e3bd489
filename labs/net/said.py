"""What a device says of a packet in words of ours: a phrase of a closed list, and the names and numbers in it.

Nothing here knows a language. `str()` is the English of commands; who shows a phrase to people translates it there.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

__all__ = ["Ground", "Said", "said"]


class Ground(StrEnum):
    """What decided, where it is nothing that a device prints. The value is how it is said, names in braces."""

    ROUTE = "route {route}"
    NO_ROUTE = "no route covers {address}"
    TRACKING = "connection tracking"
    CONNECTION = "the connection it belongs to"
    OWN_ADDRESS = "{address} is an address of {device} itself"
    REVERSE_PATH = "rp_filter on {interface}"
    HOP_LIMIT = "hop limit is not 255"
    LINK_LOCAL = "a link-local address is never routed"
    TUNNEL_SOURCE = "{interface}: {address} is no address of this device"
    TUNNEL_ROUTE = "{interface}: no route to {address}"
    TUNNEL_ITSELF = "{interface}: the route to the other end leads into the tunnel itself"
    TUNNEL_UNKNOWN = "{mode} from {source} to {target}"
    CHECKSUM = "{interface}: checksum"
    NO_PEER = "{interface}: no peer has this address allowed"
    NO_ENDPOINT = "{interface}: the peer has no endpoint"
    WRONG_KEY = "{interface}: wrong key"
    SOURCE_NOT_ALLOWED = "{interface}: source not allowed"


@dataclass(frozen=True, slots=True)
class Said:
    """A phrase and its values: names, addresses, numbers, words of a device, or further phrases."""

    phrase: StrEnum
    values: tuple[tuple[str, object], ...] = ()

    def value(self, name: str) -> object:
        """One of the values; None where the phrase has no such name."""
        return next((value for key, value in self.values if key == name), None)

    def __str__(self) -> str:
        return self.phrase.value.format_map(dict(self.values))


def said(phrase: StrEnum, /, **values: object) -> Said:
    """A phrase with its values."""
    return Said(phrase, tuple(values.items()))

"""What a routing decision comes to."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, Any, NamedTuple

from labs.net.ipv4 import ANY

if TYPE_CHECKING:
    from labs.model.state import Route
    from labs.net.interface import Interface

__all__ = ["Fate", "Way"]


class Fate(Enum):
    """What a routing decision comes to."""

    MARTIAN = "the source cannot be real"
    LOCAL = "for this device"
    NOT_FORWARDING = "this device is no router"
    OF_A_LINK = "a link-local address is never routed"
    REFUSED = "no route, or one that refuses"
    FORWARD = "to be passed on"


class Way(NamedTuple):
    """A routing decision: the fate of packets of one source to one destination that come in over one interface."""

    fate: Fate
    route: Route | None = None
    outgoing: Interface | None = None
    next_hop: Any = ANY  # an address of the version of the packet
    mtu: int = 0
    """That of the route, 0 for none."""
    detour: bool = False
    """The sender could have asked the next hop itself: it is told so."""

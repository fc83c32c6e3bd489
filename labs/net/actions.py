"""What a device asks for (an *Action* is a request to the engine) and reports (a *Note* is a fact for the trace)."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from labs.model.addresses import Address
    from labs.net.ethernet import Frame
    from labs.net.ipv4 import Ipv4Packet
    from labs.net.ipv6 import Ipv6Packet
    from labs.net.radio import Modulation
    from labs.net.said import Said
    from labs.net.serial import SerialSettings
    from labs.net.zigbee import ZigbeeFrame

__all__ = [
    "Accepted",
    "Action",
    "Delivered",
    "DropReason",
    "Dropped",
    "Forwarded",
    "Note",
    "PolicyVerdict",
    "PowerDown",
    "RadioSend",
    "SerialSend",
    "SetLink",
    "Storm",
    "Transmit",
    "WifiAsk",
    "ZigbeeSend",
]


class DropReason(StrEnum):
    """Why a packet died. Closed: a device drops for one of these and says which."""

    ADMIN_DOWN = "the interface is down"
    NO_CARRIER = "no link on the port"
    NOT_FOR_ME = "the frame is addressed to another machine"
    NO_ROUTE = "no route to the destination"
    NOT_FORWARDING = "ip_forward is off"
    NOT_LOCAL = "the destination is not an address of this device"
    TTL_EXCEEDED = "the TTL ran out"
    NEIGHBOUR_FAILED = "nobody answered ARP for the next hop"
    NEIGHBOUR_QUEUE = "too many packets waiting for ARP"
    POLICY = "a firewall rule or policy"
    INVALID_SOURCE = "the source address cannot be real (martian)"
    NO_LISTENER = "nothing listens on the port"
    NO_PROTOCOL = "the protocol is not spoken here"
    BRIDGE_SAME_PORT = "the bridge would send it back where it came from"
    BRIDGE_PORT_STATE = "the bridge port does not forward"
    STORM = "a switching loop"
    VLAN = "the VLAN is not allowed on the port"
    QUEUE_FULL = "the queue of the link is full"
    LINK_LOSS = "lost on the link"
    COLLISION = "it collided with a frame from the other end of the lead"
    UNPLUGGED = "no lead in the port"
    POWERED_OFF = "the device has no power"
    TOO_BIG = "the packet is larger than the MTU"
    CHECKSUM = "damaged on the way"
    FRAGMENTS = "the other fragments of the packet are missing"
    TUNNEL = "no tunnel of this device takes the packet"


class Transmit(NamedTuple):
    """Please send this frame out of this port."""

    port: str
    frame: Frame
    length: int = 0
    """Bytes on the wire, where they are known already."""
    size: int = 0
    """Bytes of the packet in it, where they are known already."""


class SetLink(NamedTuple):
    """Please switch the transceiver of this port on or off (`ip link set … up|down`)."""

    port: str
    up: bool


class PowerDown(NamedTuple):
    """Please switch this device off, and on again where `restart` (`poweroff`, `reboot`)."""

    restart: bool


class Storm(NamedTuple):
    """Frames go round in a loop: the lead in this port is full of them until then, and `frame` comes by again.

    `frame` is None on the other ports of the bridge. `passing` leaves by this port `frames` times, or is None.
    """

    port: str
    until_ns: int
    frame: Frame | None
    passing: Frame | None = None
    frames: int = 0


class SerialSend(NamedTuple):
    """Please send these bytes out of a serial port, as characters of these settings."""

    port: str
    data: bytes
    settings: SerialSettings


class RadioSend(NamedTuple):
    """Please send this LoRa frame."""

    data: bytes
    how: Modulation


class WifiAsk(NamedTuple):
    """A Wi-Fi daemon wants something of the air: scan, join, leave, up or down."""

    what: str
    value: Any


class ZigbeeSend(NamedTuple):
    """Please send this Zigbee frame."""

    frame: ZigbeeFrame


Action = Transmit | SetLink | PowerDown | Storm | SerialSend | RadioSend | WifiAsk | ZigbeeSend


class Dropped(NamedTuple):
    """A packet or frame died here. `by` is what decided: a rule, route or setting as it is printed, or a Ground."""

    reason: DropReason
    interface: str
    frame: Frame | None
    packet: Ipv4Packet | Ipv6Packet | None
    by: str | Said = ""


class Forwarded(NamedTuple):
    """A router passed a packet on. `by` is the route that decided, as `ip route` prints it."""

    packet: Ipv4Packet | Ipv6Packet
    incoming: str
    outgoing: str
    next_hop: Address
    by: str


class Delivered(NamedTuple):
    """A packet reached an address of this device."""

    packet: Ipv4Packet | Ipv6Packet
    interface: str


class Accepted(NamedTuple):
    """A packet left a program of this device for the network."""

    packet: Ipv4Packet | Ipv6Packet
    interface: str
    by: str


class PolicyVerdict(NamedTuple):
    """A base chain decided about a packet: `verdict` accept, drop or reject; `by` the rule or policy in nft's words."""

    packet: Ipv4Packet | Ipv6Packet
    hook: str
    verdict: str
    by: str


Note = Dropped | Forwarded | Delivered | Accepted | PolicyVerdict

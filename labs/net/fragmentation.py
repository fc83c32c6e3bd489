"""Cutting packets into fragments and putting them together again.

Before changing this file read RFC 791 §3.2, RFC 815 and RFC 5722 §4. Limits follow Linux (net/ipv4/ip_fragment.c).
"""

from __future__ import annotations

from dataclasses import dataclass, field

from labs.model.addresses import IPv4
from labs.net.ipv4 import Fragment, Ipv4Packet

__all__ = ["REASSEMBLY_NS", "Reassembler", "fragments"]

HEADER_BYTES = 20
UNIT = 8  # offsets count in units of eight bytes
REASSEMBLY_NS = 30_000_000_000  # net.ipv4.ipfrag_time
MAX_QUEUES = 1024
LARGEST = 65_535

Key = tuple[IPv4, IPv4, int, int]


def fragments(packet: Ipv4Packet, mtu: int) -> list[Ipv4Packet]:
    """The pieces of at most `mtu` bytes that a packet travels in; a fragment is cut again where it has to be."""
    payload = packet.payload
    if isinstance(payload, Fragment):
        whole, start, size, more = payload
    else:
        whole, start, size, more = payload, 0, payload.length, False
    room = max(UNIT, (mtu - HEADER_BYTES) // UNIT * UNIT)
    pieces = []
    for offset in range(0, size, room):
        length = min(room, size - offset)
        last = offset + length == size
        pieces.append(packet._replace(payload=Fragment(whole, start + offset, length, more or not last)))
    return pieces


@dataclass(slots=True)
class _Queue:
    """What has come of one packet: pieces by offset, and the end once it is known."""

    serial: int
    pieces: dict[int, int] = field(default_factory=dict)
    end: int | None = None
    first: Ipv4Packet | None = None


class Reassembler:
    """The fragments that a device holds until their packet is whole."""

    def __init__(self) -> None:
        self._queues: dict[Key, _Queue] = {}
        self._serial = 0

    @staticmethod
    def key(packet: Ipv4Packet) -> Key:
        """What the fragments of one packet have in common (RFC 791 §3.2)."""
        return (packet.src, packet.dst, packet.identification, packet.protocol)

    def add(self, packet: Ipv4Packet) -> Ipv4Packet | int | None:
        """Take a fragment: the whole packet when this was the last that was missing, else None.

        The first piece of a packet is answered with a serial number, for `expire` 30 s later.
        """
        piece = packet.payload
        assert isinstance(piece, Fragment)
        key = self.key(packet)
        queue = self._queues.get(key)
        begun = queue is None
        if queue is None:
            if len(self._queues) >= MAX_QUEUES:
                del self._queues[next(iter(self._queues))]
            self._serial += 1
            queue = self._queues[key] = _Queue(self._serial)
        if not self._fits(queue, piece, packet):
            del self._queues[key]
            return None
        if self._complete(queue):
            del self._queues[key]
            first = queue.first
            assert first is not None
            assert isinstance(first.payload, Fragment)
            return first._replace(payload=first.payload.whole)
        return queue.serial if begun else None

    @staticmethod
    def _fits(queue: _Queue, piece: Fragment, packet: Ipv4Packet) -> bool:
        """Enter a piece; False where it overlaps another one, and then all are thrown away (RFC 5722 §4)."""
        end = piece.offset + piece.size
        if queue.pieces.get(piece.offset) == end:
            return True
        if end > LARGEST or any(piece.offset < e and start < end for start, e in queue.pieces.items()):
            return False
        if queue.end is not None and (end > queue.end or not piece.more):
            return False
        queue.pieces[piece.offset] = end
        if not piece.more:
            queue.end = end
        if piece.offset == 0:
            queue.first = packet
        return True

    @staticmethod
    def _complete(queue: _Queue) -> bool:
        """True where the pieces leave no hole."""
        if queue.end is None or queue.first is None:
            return False
        return sum(end - start for start, end in queue.pieces.items()) == queue.end

    def expire(self, key: Key, serial: int) -> tuple[bool, Ipv4Packet | None]:
        """Time is up: whether the packet was still waited for, and its first fragment if that came."""
        queue = self._queues.get(key)
        if queue is None or queue.serial != serial:
            return False, None
        del self._queues[key]
        return True, queue.first

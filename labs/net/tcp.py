"""TCP: segments, and one connection as a machine without I/O.

Before changing this file read RFC 9293 §3 and RFC 6298. Left out on purpose: congestion control, urgent data, selective
acknowledgement, window scaling; a connection keeps at most `WINDOW` bytes in flight.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from labs.model.addresses import Address, IPv4
from labs.net.process import Signal
from labs.net.segment import ACK, FIN, PSH, RECEIVE_WINDOW, RST, SYN, TcpSegment

if TYPE_CHECKING:
    from labs.net.interface import Interface
    from labs.net.linux.ends import Departure

__all__ = [
    "ACK",
    "FIN",
    "HEADERS6_BYTES",
    "HEADERS_BYTES",
    "PSH",
    "RST",
    "SYN",
    "TcpConnection",
    "TcpSegment",
    "TcpState",
]

HEADERS_BYTES = 40  # IPv4 and TCP without options: what MSS leaves out (RFC 9293 §3.7.1)
HEADERS6_BYTES = 60  # IPv6 and TCP
TIMESTAMPS_BYTES = 12  # RFC 7323 §3.2, padded: what Linux puts into every segment
DEFAULT_MSS = 536  # RFC 9293 §3.7.1: of a peer that offers none
MIN_MSS = 48  # Linux TCP_MIN_SND_MSS
WINDOW = 14_480  # ten segments of 1448 bytes (RFC 6928); we never grow it
PLAIN = ACK | PSH
BARE_BYTES = 20 + TIMESTAMPS_BYTES  # a segment without data
SECOND = 1_000_000_000
INITIAL_RTO_NS = SECOND  # RFC 6298 §2.1
MIN_RTO_NS = SECOND // 5  # Linux TCP_RTO_MIN
MAX_RTO_NS = 120 * SECOND  # Linux TCP_RTO_MAX
SYN_RETRIES = 6  # net.ipv4.tcp_syn_retries
SYNACK_RETRIES = 5  # net.ipv4.tcp_synack_retries
RETRIES = 15  # net.ipv4.tcp_retries2
TIME_WAIT_NS = 60 * SECOND  # Linux TCP_TIMEWAIT_LEN
MAX_BUFFER = 1 << 20


class TcpState(StrEnum):
    """RFC 9293 §3.3.2, in the spelling of `ss`."""

    LISTEN = "LISTEN"
    SYN_SENT = "SYN-SENT"
    SYN_RECEIVED = "SYN-RECV"
    ESTABLISHED = "ESTAB"
    FIN_WAIT_1 = "FIN-WAIT-1"
    FIN_WAIT_2 = "FIN-WAIT-2"
    CLOSE_WAIT = "CLOSE-WAIT"
    CLOSING = "CLOSING"
    LAST_ACK = "LAST-ACK"
    TIME_WAIT = "TIME-WAIT"
    CLOSED = "CLOSED"


ESTABLISHED, CLOSED = TcpState.ESTABLISHED, TcpState.CLOSED  # a global is found ten times faster
SENDING = frozenset({TcpState.ESTABLISHED, TcpState.CLOSE_WAIT})
# Which state the arrival of the peer's FIN leads to (RFC 9293 §3.10.7.4, eighth step).
AFTER_PEER_FIN = {
    TcpState.SYN_RECEIVED: TcpState.CLOSE_WAIT,
    TcpState.ESTABLISHED: TcpState.CLOSE_WAIT,
    TcpState.FIN_WAIT_1: TcpState.CLOSING,
    TcpState.FIN_WAIT_2: TcpState.TIME_WAIT,
}
# Which state the acknowledgement of our FIN leads to (fifth step).
AFTER_FIN_ACKED = {
    TcpState.FIN_WAIT_1: TcpState.FIN_WAIT_2,
    TcpState.CLOSING: TcpState.TIME_WAIT,
    TcpState.LAST_ACK: TcpState.CLOSED,
}
# Which state our own close leads to (§3.10.4).
AFTER_CLOSE = {
    TcpState.SYN_RECEIVED: TcpState.FIN_WAIT_1,
    TcpState.ESTABLISHED: TcpState.FIN_WAIT_1,
    TcpState.CLOSE_WAIT: TcpState.LAST_ACK,
}


class _Sent(NamedTuple):
    """A segment on its way, not yet acknowledged: it takes the numbers from `sequence` up to `end`."""

    sequence: int
    end: int
    flags: int
    data: bytes
    at_ns: int


_MAKE = tuple.__new__  # a NamedTuple made by its own name takes twice as long


def _before(a: int, b: int) -> bool:
    """Sequence number comparison modulo 2**32 (RFC 9293 §3.4)."""
    return (a - b) & 0xFFFFFFFF > 0x7FFFFFFF


class TcpConnection:
    """One end of a connection.

    `emit` sends a segment, `call_at` asks to be called at a time, and `cancel` not to be called after all, with what
    `call_at` returned; all three belong to the device. `signal` fires whenever something a program may wait for has
    changed: state, data, error. `path_mtu` is asked before many bytes are sent; `offer` is the MSS of the SYN.
    """

    def __init__(
        self,
        local: tuple[Address, int],
        remote: tuple[Address, int],
        *,
        sequence: int,
        emit: Callable[[TcpConnection, TcpSegment], None],
        call_at: Callable[[int, Callable[[], None]], int | None],
        ended: Callable[[TcpConnection], None],
        cancel: Callable[[int], None] | None = None,
        path_mtu: Callable[[Address], int] = lambda _: 1500,
        offer: int = 1460,
    ) -> None:
        self.local = local
        self.remote = remote
        self._ports = local[1], remote[1]
        self.state = TcpState.CLOSED
        self.signal = Signal()
        self.error: str | None = None
        self.inbox = bytearray()
        self.peer_done = False
        self.wakes_when_acknowledged = True
        """False where the program does not care how far its own data has come; `signal` then leaves that out."""
        self.departure: Departure | None = None
        """The way of its segments out of the device, where that is known."""
        self.tag = 0
        self.program = ""
        self.interface: Interface | None = None
        """Where a peer with a link-local address is."""
        self.opened: Callable[[], None] | None = None
        """Called once when a passive open is complete."""
        self._emit = emit
        self._call_at = call_at
        self._cancel = cancel
        self._alarm: int | None = None
        self._ended = ended
        self._now = 0
        self._send_next = sequence
        self._send_unacked = sequence
        self._receive_next = 0
        self._unsent = bytearray()
        self._flight: list[_Sent] = []
        self._fin_queued = False
        self._rto_ns = INITIAL_RTO_NS
        self._smoothed_ns = 0  # SRTT and RTTVAR of RFC 6298
        self._variation_ns = 0
        self._retries = 0
        self._timer = 0
        self._out_of_order: dict[int, TcpSegment] = {}
        self._path_mtu = path_mtu
        self._offer = offer
        self._peer_mss = DEFAULT_MSS

    # What programs do

    def open(self, now: int) -> None:
        """Active open: send SYN."""
        self._now = now
        self.state = TcpState.SYN_SENT
        self._queue(SYN, b"")

    def accept(self, segment: TcpSegment, now: int) -> None:
        """Passive open: answer a SYN."""
        self._now = now
        self.state = TcpState.SYN_RECEIVED
        self._receive_next = segment.seq + 1 & 0xFFFFFFFF
        self._peer_mss = segment.mss or DEFAULT_MSS
        self._queue(SYN | ACK, b"")

    def send(self, data: bytes, now: int) -> bool:
        """Queue bytes; False where the connection cannot send any more."""
        self._now = now
        if self.state not in SENDING or self._fin_queued or len(self._unsent) + len(data) > MAX_BUFFER:
            return False
        if data and not self._unsent and not self._flight and self.departure is not None:
            mss = self.departure.mtu() - HEADERS_BYTES
            if len(data) + TIMESTAMPS_BYTES <= (mss if mss < self._peer_mss else self._peer_mss):  # noqa: FURB136
                self._queue(PLAIN, bytes(data))  # as _push would, without the detour
                return True
        self._unsent += data
        self._push()
        return True

    def receive(self) -> bytes:
        """Everything that arrived since the last call."""
        data = bytes(self.inbox)
        self.inbox.clear()
        return data

    def close(self, now: int) -> None:
        """No more data from this side; what is queued is still delivered."""
        self._now = now
        if self.state is TcpState.SYN_SENT:
            self._end(None)
        elif self.state in AFTER_CLOSE and not self._fin_queued:
            self._fin_queued = True
            self._push()

    def abort(self, now: int) -> None:
        """Reset the connection."""
        self._now = now
        if self.state not in (TcpState.CLOSED, TcpState.SYN_SENT, TcpState.TIME_WAIT):
            self._emit(self, self._segment(self._send_next, RST | ACK, b""))
        self._end(None)

    def release(self, now: int) -> None:
        """What happens when the program has gone: a reset where it left data unread (RFC 2525 §2.17), else a close."""
        if self.inbox:
            self.abort(now)
        else:
            self.close(now)

    @property
    def unsent_bytes(self) -> int:
        """Send-Q of `ss`."""
        return len(self._unsent) + sum(len(sent.data) for sent in self._flight)

    # What the network does

    def arrived(self, segment: TcpSegment, now: int) -> None:
        """Take one segment of this connection (RFC 9293 §3.10.7)."""
        self._now = now
        if (
            self.state is ESTABLISHED
            and segment[4] | PSH == PLAIN
            and (segment[2] == self._receive_next or not segment[5])
            and not self._out_of_order
            and len(self.inbox) + len(segment[5]) <= MAX_BUFFER
        ):
            # An acknowledgement, and perhaps the data that is expected next: what most segments are
            if segment[3] != self._send_unacked:
                self._acknowledged(segment[3])
            data = segment[5]
            if data:
                self.inbox += data
                self._receive_next = self._receive_next + len(data) & 0xFFFFFFFF
                if len(self.inbox) > MAX_BUFFER - RECEIVE_WINDOW:
                    bare = self._segment(self._send_next, ACK, b"")
                else:
                    known = *self._ports, self._send_next, self._receive_next, ACK, b"", RECEIVE_WINDOW, 0
                    bare = _MAKE(TcpSegment, known)
                departure = self.departure
                if departure is None or not departure.send(bare, BARE_BYTES):
                    self._emit(self, bare)
                self.signal.fire()
        elif self.state is TcpState.SYN_SENT:
            self._arrived_syn_sent(segment)
        elif segment.flags & RST:
            if segment.seq == self._receive_next:
                self._end("Connection refused" if self.state is TcpState.SYN_RECEIVED else "Connection reset by peer")
            elif _before(self._receive_next, segment.seq):
                self._acknowledge()  # RFC 5961 §3.2: who really reset answers this with the right number
        elif segment.flags & SYN:
            self._retransmit_answer()
        else:
            self._arrived_synchronised(segment)

    def _arrived_syn_sent(self, segment: TcpSegment) -> None:
        acceptable = segment.flags & ACK and segment.ack == self._send_next
        if segment.flags & RST:
            if acceptable:
                self._end("Connection refused")
            return
        if segment.flags & SYN and acceptable:
            self._receive_next = segment.seq + 1 & 0xFFFFFFFF
            self._peer_mss = segment.mss or DEFAULT_MSS
            self._acknowledged(segment.ack)
            self.state = TcpState.ESTABLISHED
            self._acknowledge()
            self.signal.fire()

    def _arrived_synchronised(self, segment: TcpSegment) -> None:
        if segment.flags & ACK:
            if self.state is TcpState.SYN_RECEIVED and segment.ack == self._send_next:
                self.state = TcpState.ESTABLISHED
                if self.opened is not None:
                    self.opened()
                self.signal.fire()
            self._acknowledged(segment.ack)
        if not segment.data and not segment.flags & FIN:
            return
        if segment.seq != self._receive_next:
            if _before(self._receive_next, segment.seq) and len(self._out_of_order) < 64:
                self._out_of_order[segment.seq] = segment
            self._acknowledge()
            return
        current: TcpSegment | None = segment
        while current is not None:
            if len(self.inbox) + len(current.data) > MAX_BUFFER:
                break  # the program does not read: what is not acknowledged will come again
            self._take(current)
            current = self._out_of_order.pop(self._receive_next, None)
        if self.state is not TcpState.CLOSED:
            self._acknowledge()
        self.signal.fire()

    def _take(self, segment: TcpSegment) -> None:
        if segment.data and not self.peer_done:
            self.inbox += segment.data
        self._receive_next = self._receive_next + len(segment.data) & 0xFFFFFFFF
        if segment.flags & FIN and not self.peer_done:
            self.peer_done = True
            self._receive_next = self._receive_next + 1 & 0xFFFFFFFF
            self.state = AFTER_PEER_FIN.get(self.state, self.state)
            if self.state is TcpState.TIME_WAIT:
                self._wait_out()

    def _acknowledged(self, ack: int) -> None:
        if len(self._flight) == 1 and self._flight[0].end == ack:
            arrived, self._flight = self._flight, []
            self._send_unacked = ack
        else:
            if not _before(self._send_unacked, ack) or _before(self._send_next, ack):
                return
            self._send_unacked = ack
            flight = [sent for sent in self._flight if _before(ack, sent.end)]
            arrived = self._flight[: len(self._flight) - len(flight)]
            self._flight = flight
        if arrived and not self._retries:  # of a segment sent twice nobody knows which one was answered (Karn)
            self._measured(self._now - arrived[-1][4])
        self._retries = 0
        steady = 4 * self._variation_ns
        self._rto_ns = self._smoothed_ns + (steady if steady > MIN_RTO_NS else MIN_RTO_NS)  # noqa: FURB136
        if self._flight:
            self._arm()
        else:
            self._disarm()
        if arrived and arrived[-1][2] & FIN:
            self.state = AFTER_FIN_ACKED.get(self.state, self.state)
            if self.state is TcpState.TIME_WAIT:
                self._wait_out()
            elif self.state is TcpState.CLOSED:
                self._end(None)
        if self._unsent or self._fin_queued:
            self._push()
        if self.wakes_when_acknowledged or self.state is not ESTABLISHED:
            self.signal.fire()

    def _measured(self, round_trip_ns: int) -> None:
        """RFC 6298 §2.2 and §2.3."""
        if not self._smoothed_ns:
            self._smoothed_ns, self._variation_ns = round_trip_ns, round_trip_ns // 2
            return
        deviation = abs(self._smoothed_ns - round_trip_ns)
        self._variation_ns = (3 * self._variation_ns + deviation) // 4
        self._smoothed_ns = (7 * self._smoothed_ns + round_trip_ns) // 8

    def mtu_reduced(self, now: int) -> None:
        """The path takes less than was thought: what is too big goes again in smaller segments (tcp_v4_mtu_reduced)."""
        self._now = now
        room = self._room()
        large = [sent for sent in self._flight if len(sent.data) > room]
        if not large or self.state is TcpState.CLOSED:
            return
        first, last = large[0].sequence, large[-1].end
        self._cut(room)
        self._arm()
        for sent in list(self._flight):
            if not _before(sent.sequence, first) and not _before(last, sent.end):
                self._emit(self, self._segment(sent.sequence, sent.flags, sent.data))

    def _cut(self, room: int) -> None:
        """Cut what is in flight into segments of at most `room` bytes (tcp_fragment)."""
        flight: list[_Sent] = []
        for sent in self._flight:
            start = 0
            while len(sent.data) - start > room:
                sequence = sent.sequence + start & 0xFFFFFFFF
                piece = sent.data[start : start + room]
                flags = sent.flags & ~(PSH | FIN)
                flight.append(_Sent(sequence, sequence + room & 0xFFFFFFFF, flags, piece, sent.at_ns))
                start += room
            sequence = sent.sequence + start & 0xFFFFFFFF
            flight.append(_Sent(sequence, sent.end, sent.flags, sent.data[start:], sent.at_ns))
        self._flight = flight

    def unreachable(self, error: str, now: int) -> None:
        """An ICMP error arrived: fatal while connecting, a hint later (RFC 5461)."""
        self._now = now
        if self.state in (TcpState.SYN_SENT, TcpState.SYN_RECEIVED):
            self._end(error)

    # Sending

    def _segment(self, sequence: int, flags: int, data: bytes) -> TcpSegment:
        ack = self._receive_next if flags & ACK else 0
        window = RECEIVE_WINDOW
        if len(self.inbox) > MAX_BUFFER - RECEIVE_WINDOW:
            window = max(0, MAX_BUFFER - len(self.inbox))
        mss = self._offer if flags & SYN else 0
        return _MAKE(TcpSegment, (*self._ports, sequence, ack, flags, data, window, mss))

    def _room(self) -> int:
        """How many bytes of data a segment may carry now (tcp_sync_mss)."""
        headers = HEADERS_BYTES if isinstance(self.remote[0], IPv4) else HEADERS6_BYTES
        mtu = self.departure.mtu() if self.departure is not None else 0
        mss = min(self._peer_mss, (mtu or self._path_mtu(self.remote[0])) - headers)
        return max(mss, MIN_MSS) - TIMESTAMPS_BYTES

    def _acknowledge(self) -> None:
        self._emit(self, self._segment(self._send_next, ACK, b""))

    def _retransmit_answer(self) -> None:
        if self.state is TcpState.SYN_RECEIVED and self._flight:
            self._repeat()
        else:
            self._acknowledge()

    def _repeat(self) -> None:
        """Send the oldest segment again, with the acknowledgement of today."""
        if len(self._flight[0].data) > DEFAULT_MSS - TIMESTAMPS_BYTES:
            self._cut(self._room())
        oldest = self._flight[0]
        self._emit(self, self._segment(oldest.sequence, oldest.flags, oldest.data))

    def _queue(self, flags: int, data: bytes) -> None:
        sequence = self._send_next
        self._send_next = self._send_next + len(data) + (flags & (SYN | FIN) != 0) & 0xFFFFFFFF
        self._flight.append(_MAKE(_Sent, (sequence, self._send_next, flags, data, self._now)))
        if len(self._flight) == 1:
            self._arm()
        segment, departure = self._segment(sequence, flags, data), self.departure
        if departure is None or not departure.send(segment, segment.length):
            self._emit(self, segment)  # an error here is a loss: the timer tries again

    def _push(self) -> None:
        room = self._room() if self._unsent else 0
        while self._unsent and (self._send_next - self._send_unacked & 0xFFFFFFFF) < WINDOW:
            data = bytes(self._unsent[:room])
            del self._unsent[:room]
            self._queue(ACK if self._unsent else ACK | PSH, data)
        if self._fin_queued and not self._unsent and self.state in AFTER_CLOSE:
            self.state = AFTER_CLOSE[self.state]
            self._queue(FIN | ACK, b"")

    def _arm(self) -> None:
        self._disarm()
        if self._flight:
            self._alarm = self._call_at(self._now + self._rto_ns, partial(self._expired, self._timer))

    def _disarm(self) -> None:
        self._timer += 1
        if self._alarm is not None and self._cancel is not None:
            self._cancel(self._alarm)
        self._alarm = None

    def _expired(self, token: int) -> None:
        if token != self._timer or not self._flight or self.state is CLOSED:
            return
        self._alarm = None
        self._now += self._rto_ns
        limits = {TcpState.SYN_SENT: SYN_RETRIES, TcpState.SYN_RECEIVED: SYNACK_RETRIES}
        if self._retries >= limits.get(self.state, RETRIES):
            self._end("Connection timed out")
            return
        self._retries += 1
        self._rto_ns = min(2 * self._rto_ns, MAX_RTO_NS)
        self._arm()
        self._repeat()

    def _wait_out(self) -> None:
        self._disarm()
        self._flight.clear()
        self._call_at(self._now + TIME_WAIT_NS, lambda: self._end(None))

    def _end(self, error: str | None) -> None:
        if self.state is TcpState.CLOSED:
            return
        self.state = TcpState.CLOSED
        self.error = self.error or error
        self.peer_done = True
        self._disarm()
        self._flight.clear()
        self._unsent.clear()
        self._ended(self)
        self.signal.fire()

"""Frames between devices, and the express way through devices that only pass them on.

A frame that arrives goes through the layers of the device (`LinuxNode.receive`). Where it only came out again at
another port, the device worked out a `Transit`; from then on packets that look the same take that, hop after hop,
without being taken apart and put together again. Each hop still happens at its own time and in the same order as
before, so queues, counters and races are the same; only where nothing else on the site happens before a packet reaches
the next device, it goes on at once instead of through the queue of events.
"""

from __future__ import annotations

from collections.abc import Callable
from heapq import heappush
from typing import TYPE_CHECKING, Any

from simpy.events import NORMAL

from labs.engines.sim.wakes import NEVER
from labs.engines.sim.wire import OVERHEAD_BYTES
from labs.net.actions import DropReason, Transmit
from labs.net.arp import ArpPacket
from labs.net.ethernet import ETHERTYPE_IPV4, Frame
from labs.net.ipv4 import Ipv4Packet
from labs.net.linux.ends import Arrival, arrival
from labs.net.linux.transit import Look, Transit, look_of, transit
from labs.net.tcp import TcpSegment
from labs.net.udp import UdpDatagram

if TYPE_CHECKING:
    from labs.engines.sim.clock import SimClock
    from labs.engines.sim.wakes import Wakes
    from labs.engines.sim.wire import Lane
    from labs.net.actions import Action, Note
    from labs.net.linux.node import LinuxNode

__all__ = ["Express", "Hop", "Transits"]

MAX_TRANSITS = 4096  # remembered per lane
MISSES = 8  # after so many packets of a flow have ended at a device, the next one is not looked up
ENDING = (TcpSegment, UdpDatagram)  # what may have an `Arrival`
_MAKE = tuple.__new__  # a NamedTuple made by its own name takes twice as long


class Hop:
    """One flow at one device: it comes in by a lane and goes out by another. `next` is the device after it."""

    __slots__ = ("arrival", "lane", "look", "misses", "next", "out", "take", "transit")

    def __init__(self, lane: Lane, look: Look) -> None:
        self.lane = lane
        self.look = look
        self.out: Lane
        self.take: Callable[[int, int], int]
        self.transit: Transit
        self.next: Hop | None = None
        self.misses = 0
        self.arrival: Arrival | None = None
        """What is done with it where it ends."""

    def follow(self, made: Transit, out: Lane) -> None:
        """From now on it goes this way."""
        self.transit, self.take, self.out = made, made.take, out
        self.next, self.misses, self.arrival = None, 0, None


Transits = dict[Look, Hop]
Perform = Callable[["LinuxNode", "list[Action | Note]"], None]
Flight = list[Any]
"""Hop, bytes of the packet, payload, identification, a packet of the flow; one list for the whole way."""


def seen_as(flight: Flight, look: Look) -> Frame:
    """The frame that a packet would be in, where somebody has to look at it."""
    packet: Ipv4Packet = flight[4]
    source, destination, ttl = look[4:]
    known = source, destination, packet[2], flight[2], ttl, flight[3], *packet[6:]
    return Frame(look.dst, look.src, ETHERTYPE_IPV4, _MAKE(Ipv4Packet, known), look.vlan, look.hops)


class Launch:
    """Where the packets of one flow enter their first lead: no frame is built for a device that knows the flow."""

    __slots__ = ("_clock", "_eid", "_hop", "_lane", "_look", "_packet", "_pass", "_queue")

    def __init__(self, express: Express, lane: Lane, look: Look, packet: Ipv4Packet) -> None:
        clock = express._clock  # noqa: SLF001
        self._queue: list[Any] = clock._queue  # noqa: SLF001
        self._eid = clock._eid  # noqa: SLF001
        self._pass = express._pass  # noqa: SLF001
        self._lane = lane
        self._look = look
        self._packet = packet
        self._hop: Hop | None = None

    def send(self, payload: TcpSegment | UdpDatagram, number: int, length: int, size: int, now: int) -> bool:
        """See `labs.net.linux.ends.Launch`; the same as `Express.transmit`."""
        hop, lane = self._hop, self._lane
        if hop is None:
            hop = self._hop = lane.transits.get(self._look)
            if hop is None:
                return False
        wire = lane.wire
        if lane.plain and wire.up and now >= wire.storm_until_ns:  # Lane.send, as in Express._pass
            free = lane.free
            if free <= now:
                free = now
            elif free - now > lane.queue_ns:
                return True
            lane.free = free = free + (length + OVERHEAD_BYTES) * lane.ns_per_byte
            arrival = free + lane.delay_ns
        else:
            sent = lane.send(length, now)
            if isinstance(sent, DropReason):
                return True
            arrival = sent
        flight = [hop, size, payload, number, self._packet]
        heappush(self._queue, (arrival, NORMAL, next(self._eid), self._pass, flight))
        return True


class Express:
    """Carries frames. `perform` does what a device wants."""

    def __init__(self, clock: SimClock, perform: Perform, wakes: Wakes, *, enabled: bool) -> None:
        self._clock = clock
        self._perform = perform
        self._woken = wakes.at
        self.lanes: dict[str, dict[str, Lane]] = {}
        """The way out of each port of each device."""
        self.enabled = enabled

    def outlet(self, name: str) -> Callable[[str, Look, Ipv4Packet], Launch | None]:
        """How the packets of a device leave, for its programs."""
        lanes = self.lanes[name]

        def launch(port: str, look: Look, packet: Ipv4Packet) -> Launch | None:
            lane = lanes.get(port)
            return None if lane is None else Launch(self, lane, look, packet)

        return launch

    def transmit(self, name: str, port: str, frame: Frame, length: int, size: int = 0) -> DropReason | None:
        """A device sends a frame; why it went nowhere, or None."""
        lane = self.lanes[name].get(port)
        if lane is None:
            return DropReason.UNPLUGGED
        clock = self._clock
        now: int = clock._now  # type: ignore[assignment]  # noqa: SLF001 - a property costs a call
        length = length or frame.length
        if lane.plain and lane.wire.up and now >= lane.wire.storm_until_ns:  # Lane.send, as in _pass
            free = lane.free
            if free <= now:
                free = now
            elif free - now > lane.queue_ns:
                return DropReason.QUEUE_FULL
            lane.free = free = free + (length + OVERHEAD_BYTES) * lane.ns_per_byte
            arrival = free + lane.delay_ns
        else:
            sent = lane.send(length, now)
            if isinstance(sent, DropReason):
                return sent
            arrival = sent
        packet = frame.payload
        if type(packet) is Ipv4Packet and lane.transits:
            look = frame.dst, frame.src, frame.vlan, frame.hops, packet.src, packet.dst, packet.ttl
            hop = lane.transits.get(look)  # type: ignore[call-overload]
            if hop is not None:
                flight = [hop, size or packet.length, packet.payload, packet.identification, packet]
                heappush(clock._queue, (arrival, NORMAL, next(clock._eid), self._pass, flight))  # type: ignore[misc]  # noqa: SLF001
                return None
        clock.call_at(arrival, self.arrive, (lane, frame, None))
        return None

    def flood(self, name: str, items: list[Action | Note]) -> bool:
        """A bridge sends one question by ARP out of many ports; False, and nothing done, where that is not all it does.

        What arrives at one moment, sent in a row, is one event: nothing can come in between.
        """
        frame = items[0].frame if type(items[0]) is Transmit else None
        if frame is None or type(frame.payload) is not ArpPacket:
            return False
        if any(type(item) is not Transmit or item.frame is not frame for item in items):
            return False
        lanes, now = self.lanes[name], self._clock._now  # noqa: SLF001
        last = -1
        together: list[tuple[Lane, Frame, Hop | None]] = []
        for item in items:
            lane = lanes.get(item.port)  # type: ignore[union-attr]
            arrival = None if lane is None else lane.send(frame.length, now)  # type: ignore[arg-type]
            if lane is None or type(arrival) is not int:
                continue
            if arrival != last:
                last, together = arrival, []
                self._clock.call_at(arrival, self._arrive_together, together)
            together.append((lane, frame, None))
        return True

    def _arrive_together(self, arguments: list[tuple[Lane, Frame, Hop | None]]) -> None:
        for argument in arguments:
            self.arrive(argument)

    def arrive(self, argument: tuple[Lane, Frame, Hop | None]) -> None:
        """A frame reaches the end of a lead."""
        lane, frame, before = argument
        packet = frame.payload
        if type(packet) is Ipv4Packet and lane.transits:
            look = frame.dst, frame.src, frame.vlan, frame.hops, packet.src, packet.dst, packet.ttl
            hop = lane.transits.get(look)  # type: ignore[call-overload]
            if hop is not None:
                if before is not None:
                    before.next = hop
                self._pass([hop, packet.length, packet.payload, packet.identification, packet])
                return
        elif (
            type(packet) is ArpPacket
            and self.enabled
            and lane.wire.up
            and not lane.spoiled
            and lane.node.link.bystander.overhears(lane.port, frame, self._clock._now)  # type: ignore[arg-type]  # noqa: SLF001
        ):
            return
        self._receive(argument)

    def _receive(self, argument: tuple[Lane, Frame, Hop | None]) -> None:
        """The device looks at a frame itself."""
        lane, frame, before = argument
        if not lane.wire.up:
            return
        node = lane.node
        if lane.spoiled and self._clock._now in lane.spoiled:  # noqa: SLF001
            self._spoiled(lane, frame)
            return
        items = node.receive(lane.port, frame, self._clock._now)  # type: ignore[arg-type]  # noqa: SLF001
        if type(frame.payload) is Ipv4Packet and self.enabled and not lane.wire.half:  # frames there may collide
            if len(items) == 1 and type(items[0]) is Transmit:
                self._remember(lane, frame, items[0], before)
            if type(frame.payload.payload) in ENDING:
                self._remember_end(lane, frame, before)
            elif before is not None:
                before.misses += 1
        self._perform(node, items)

    def _spoiled(self, lane: Lane, frame: Frame) -> None:
        """A frame that collided comes to its end: it is damaged, or was repeated and comes later."""
        clock = self._clock
        now: int = clock._now  # type: ignore[assignment]  # noqa: SLF001
        if not lane.spoiled.pop(now):
            self._perform(lane.node, lane.node.receive_damaged(lane.port, frame, now))
            return
        arrival = lane.send(frame.length, now)
        if isinstance(arrival, int):
            clock.call_at(arrival, self.arrive, (lane, frame, None))

    def _remember(self, lane: Lane, frame: Frame, sent: Transmit, before: Hop | None) -> None:
        """The device passed a frame on: perhaps it will do the same with the next one."""
        packet, leaving = frame.payload, sent.frame.payload
        assert isinstance(packet, Ipv4Packet)
        if not isinstance(leaving, Ipv4Packet) or leaving.payload is not packet.payload:
            return  # it sent something else
        made = transit(lane.node, lane.port, frame, sent)
        out = self.lanes[lane.node.name].get(sent.port)
        if made is None or out is None:
            return
        hop = self._hop(lane, frame, packet)
        hop.follow(made, out)
        if before is not None:
            before.next = hop

    def _remember_end(self, lane: Lane, frame: Frame, before: Hop | None) -> None:
        """A segment may have ended here: the next one of its connection will do the same."""
        packet = frame.payload
        assert isinstance(packet, Ipv4Packet)
        made = arrival(lane.node, lane.port, frame)
        if made is None:
            if before is not None and before.next is None:
                before.misses += 1
            return
        hop = self._hop(lane, frame, packet)
        hop.arrival = made
        if before is not None:
            before.next = hop

    @staticmethod
    def _hop(lane: Lane, frame: Frame, packet: Ipv4Packet) -> Hop:
        look = look_of(frame, packet)
        if len(lane.transits) >= MAX_TRANSITS:
            lane.transits.clear()
        hop = lane.transits.get(look)
        if hop is None:
            hop = lane.transits[look] = Hop(lane, look)
        return hop

    def _taken(self, node: LinuxNode) -> None:
        """A device has taken the payload of a known flow: what its programs make of it."""
        if node.processes.queue:
            node.processes.run_ready()
        out, timers = node._out, node._timers  # noqa: SLF001 - node._drain(): it knows what time it is
        if out:
            node._out = []  # noqa: SLF001
            self._perform(node, out)
        elif timers and timers[0][0] < self._woken.get(node.name, NEVER):
            self._perform(node, out)

    def _pass(self, flight: Flight) -> None:
        """A packet of a known flow arrives, and goes on."""
        hop, size = flight[0], flight[1]
        clock = self._clock
        queue: list[Any] = clock._queue  # noqa: SLF001 - this and the next: what a call costs, for every hop
        now: int = clock._now  # type: ignore[assignment]  # noqa: SLF001
        while True:
            if hop.arrival is not None:
                if hop.arrival.take(flight[2], size, now):
                    self._taken(hop.lane.node)
                else:
                    self._receive((hop.lane, seen_as(flight, hop.look), None))
                return
            length = hop.take(size, now)
            if not length:
                self._receive((hop.lane, seen_as(flight, hop.look), None))
                return
            lane = hop.out
            if lane.plain and now >= lane.wire.storm_until_ns:  # Lane.send, where nothing is drawn or lost
                free = lane.free
                if free <= now:
                    free = now
                elif free - now > lane.queue_ns:
                    return
                lane.free = free = free + (length + OVERHEAD_BYTES) * lane.ns_per_byte
                arrival = free + lane.delay_ns
            else:
                sent = lane.send(length, now)
                if isinstance(sent, DropReason):
                    return
                arrival = sent
            after = hop.next
            busy = arrival > clock.until or (queue and queue[0][0] <= arrival)
            if after is None:
                on = self.arrive if hop.misses < MISSES else self._receive
                argument = lane, seen_as(flight, hop.transit.after), hop
                if busy:
                    clock.call_at(arrival, on, argument)
                else:
                    clock._now = arrival  # noqa: SLF001
                    on(argument)
                return
            flight[0] = hop = after
            if busy:
                heappush(queue, (arrival, NORMAL, next(clock._eid), self._pass, flight))  # noqa: SLF001
                return
            clock._now = now = arrival  # noqa: SLF001

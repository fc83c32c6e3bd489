"""Packets per second: the simulator beside ns.py and beside bare SimPy timeouts.

One UDP flow from host to host over five routers and six links of 1 Gbit/s. Every contestant sends the same packets at
the same times and must give each packet the same delay, to the nanosecond; so they all did the same work.
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from time import process_time
from typing import ClassVar

import simpy
from ns.packet.dist_generator import DistPacketGenerator
from ns.packet.sink import PacketSink
from ns.port.port import Port as NsPort
from ns.port.wire import Wire as NsWire

from benchmarks.common import Case, heading, measure, table
from benchmarks.common import seconds as wall_seconds
from labs.engines.sim import SimEngine
from labs.engines.sim.clock import SimClock
from labs.engines.sim.wire import OVERHEAD_BYTES, Wire
from labs.model.addresses import IPv4, Mac
from labs.model.site import Device, Endpoint, Kind, Link, Port, Site
from labs.net.actions import Action, DropReason, Note
from labs.net.ethernet import ETHERTYPE_IPV4, HEADER_BYTES, MIN_FRAME_BYTES, Frame
from labs.net.ipv4 import PROTO_UDP, Ipv4Packet
from labs.net.linux.units import enabled_path
from labs.net.process import Process, Routine, Wait
from labs.net.udp import UdpDatagram

PACKETS = 5_000
ROUTERS = 5
LINKS = ROUTERS + 1
RATE_BPS = 1_000_000_000
DELAY_NS = 5_000
MEAN_GAP_NS = 9_000  # about three quarters of the capacity, so that queues form
UDP_PORT = 9  # discard, RFC 863
SECOND = 1_000_000_000


def flow() -> list[tuple[int, int]]:
    """When each datagram leaves (nanoseconds from the start) and how many bytes of data it carries."""
    random = Random("flow")
    at, packets = 0, []
    for _ in range(PACKETS):
        at += 1 + int(random.expovariate(1 / MEAN_GAP_NS))
        packets.append((at, random.randrange(18, 1472)))
    return packets


FLOW = flow()
FRAMES = [max(MIN_FRAME_BYTES, HEADER_BYTES + 28 + size) for _, size in FLOW]
delays: dict[str, list[int]] = {}


def seconds(work: Callable[[], object]) -> float:
    """Of the processor: a busy machine hits all contestants alike."""
    return wall_seconds(work, process_time)


def keep(name: str, arrivals: list[int], start: int = 0) -> None:
    """Remember the delay of each packet, to be compared in the end."""
    delays[name] = [arrival - start - at for arrival, (at, _) in zip(arrivals, FLOW, strict=True)]


def with_ns_py() -> float:
    """ns.py as its examples use it; its unit of time is taken as one nanosecond, so its floats are exact."""
    environment = simpy.Environment()
    gaps = iter([at - before for (at, _), (before, _) in zip(FLOW, [(0, 0), *FLOW], strict=False)] + [1 << 62])
    sizes = iter([frame + OVERHEAD_BYTES for frame in FRAMES] + [0])
    source = DistPacketGenerator(
        environment,
        "source",
        lambda: next(gaps),
        lambda: next(sizes),
        size=sum(FRAMES) + OVERHEAD_BYTES * PACKETS,
    )
    sink = PacketSink(environment)
    before = source
    for _ in range(LINKS):
        port = NsPort(environment, RATE_BPS / SECOND)
        wire = NsWire(environment, lambda: DELAY_NS)
        before.out, port.out, before = port, wire, wire
    before.out = sink
    taken = seconds(environment.run)
    keep("ns.py", [int(time) for time in sink.arrivals[0][::2]])  # the sink notes each arrival twice
    return taken


def wires() -> list[tuple[Wire, Endpoint]]:
    """The six leads of the chain, each with the end that the flow enters."""
    chain = []
    for number in range(LINKS):
        link = Link(Endpoint(f"n{number}", "right"), Endpoint(f"n{number + 1}", "left"), delay_ns=DELAY_NS)
        wire = Wire(link, RATE_BPS, "0")
        wire.up = True
        chain.append((wire, link.a))
    return chain


def carried(wire: Wire, end: Endpoint, frame_bytes: int, now: int) -> int:
    """When a frame arrives; no frame of this flow is lost."""
    arrival = wire.send(end, frame_bytes, now)
    assert not isinstance(arrival, DropReason), arrival
    return arrival


def with_simpy_timeouts() -> float:
    """Our leads with a SimPy timeout for each hop."""
    environment = simpy.Environment()
    chain = wires()
    arrivals = [0] * PACKETS

    def hop(event: simpy.Event) -> None:
        packet, number = event.value  # type: ignore[misc]
        if number == LINKS:
            arrivals[packet] = int(environment.now)
            return
        wire, end = chain[number]
        arrival = carried(wire, end, FRAMES[packet], int(environment.now))
        timeout = environment.timeout(arrival - environment.now, (packet, number + 1))
        timeout.callbacks.append(hop)

    for packet, (at, _) in enumerate(FLOW):
        environment.timeout(at, (packet, 0)).callbacks.append(hop)
    taken = seconds(environment.run)
    keep("SimPy timeouts", arrivals)
    return taken


def with_our_queue() -> float:
    """Our leads with our entries in SimPy's queue; no devices."""
    clock = SimClock()
    chain = wires()
    arrivals = [0] * PACKETS

    def hop(argument: tuple[int, int]) -> None:
        packet, number = argument
        now = clock._now  # noqa: SLF001 - as the engine does
        if number == LINKS:
            arrivals[packet] = int(now)
            return
        wire, end = chain[number]
        clock.call_at(carried(wire, end, FRAMES[packet], int(now)), hop, (packet, number + 1))

    for packet, (at, _) in enumerate(FLOW):
        clock.call_at(at, hop, (packet, 0))
    taken = seconds(lambda: clock.advance(3600 * SECOND))
    keep("our queue and leads", arrivals)
    return taken


def chain_site() -> Site:
    """Two hosts and five routers in a row, with static routes; link i is 10.0.i.0/24."""
    devices = {}
    for number in range(LINKS + 1):
        blocks = ["auto lo\niface lo inet loopback"]
        ports = []
        if number > 0:
            ports.append(Port("left", Mac(0x024E00000000 + 2 * number), RATE_BPS))
            back = f"    up ip route add 10.0.0.0/24 via 10.0.{number - 1}.1" if number > 1 else ""
            blocks.append(f"auto left\niface left inet static\n    address 10.0.{number - 1}.2/24\n{back}")
        if number < LINKS:
            ports.append(Port("right", Mac(0x024E00000001 + 2 * number), RATE_BPS))
            ahead = f"    up ip route add 10.0.{LINKS - 1}.0/24 via 10.0.{number}.2" if number < LINKS - 1 else ""
            blocks.append(f"auto right\niface right inet static\n    address 10.0.{number}.1/24\n{ahead}")
        inner = 0 < number < LINKS
        files = {
            "/etc/network/interfaces": "\n\n".join(blocks) + "\n",
            "/etc/sysctl.conf": f"net.ipv4.ip_forward = {int(inner)}\n",
            enabled_path("networking"): "",
        }
        name = f"n{number}"
        devices[name] = Device(name, Kind.ROUTER if inner else Kind.HOST, tuple(ports), files)
    return Site(devices, tuple(wire.link for wire, _ in wires()))


class _Sink:
    """Counts what arrives and does nothing else, as ns.py's sink."""

    name = "sink"
    _timers = ()  # it never wants to be woken
    interfaces: ClassVar[dict[str, object]] = {}  # and nothing is remembered of it

    def __init__(self) -> None:
        self.arrivals: list[int] = []

    def receive(self, port: str, frame: Frame, now: int) -> list[Action | Note]:
        self.arrivals.append(now)
        return []


def with_routers() -> float:
    """Five whole routers between a generator and a sink that are as bare as those of ns.py."""
    engine = SimEngine()
    engine.start(chain_site())
    engine.run("n0", f"ping -c 1 10.0.{LINKS - 1}.2")  # every neighbour is resolved
    express = engine._express  # noqa: SLF001 - the generator puts its frames on the lead itself
    sink = _Sink()
    express.lanes[f"n{ROUTERS}"]["right"].node = sink  # type: ignore[assignment]
    begin = engine.now + SECOND
    macs = engine.node("n1").interfaces["left"].mac, engine.node("n0").interfaces["right"].mac
    source, target = IPv4.parse("10.0.0.1"), IPv4.parse(f"10.0.{LINKS - 1}.2")
    pauses = iter([at - before for (at, _), (before, _) in zip(FLOW, [(0, 0), *FLOW], strict=False)][1:])

    def generate(packet: int) -> None:
        datagram = UdpDatagram(1, UDP_PORT, bytes(FLOW[packet][1]))
        frame = Frame(*macs, ETHERTYPE_IPV4, Ipv4Packet(source, target, PROTO_UDP, datagram))
        express.transmit("n0", "right", frame, FRAMES[packet])
        pause = next(pauses, None)
        if pause is not None:
            engine._clock.call_at(engine.now + pause, generate, packet + 1)  # noqa: SLF001

    engine._clock.call_at(begin + FLOW[0][0], generate, 0)  # noqa: SLF001
    taken = seconds(lambda: engine.wait(FLOW[-1][0] + 2 * SECOND))
    keep("whole routers", sink.arrivals, begin)
    return taken


def with_devices(*, express: bool = True, tracing: bool = False) -> float:
    """The engine itself: programs, sockets, routing, ARP, TTL and counters on seven small Linux machines."""
    engine = SimEngine(express=express)
    engine.start(chain_site())
    target = IPv4.parse(f"10.0.{LINKS - 1}.2")
    begin = engine.now + 10 * SECOND  # after the first datagram has resolved every neighbour
    arrivals: list[int] = []

    def sender(process: Process) -> Routine:
        node = process.node
        socket = node.transport.udp_open(program="sender")
        node.transport.udp_send(socket, target, UDP_PORT, b"first")
        for at, size in FLOW:
            yield Wait((), begin + at)
            node.transport.udp_send(socket, target, UDP_PORT, bytes(size))
        return 0

    def receiver(process: Process) -> Routine:
        socket = process.node.transport.udp_open(UDP_PORT, program="receiver")
        waiting = Wait((socket.signal,))
        while True:
            yield waiting
            for _ in range(len(socket.queue)):
                socket.queue.popleft()
                arrivals.append(process.node.now)

    for name, program in ((f"n{LINKS}", receiver), ("n0", sender)):
        node = engine.node(name)
        node.now = engine.now
        node.spawn([name], program)
        engine._perform(node, node.drain(engine.now))  # noqa: SLF001 - a program of ours, not a typed line
    engine.wait(begin - engine.now)
    if tracing:
        engine._trace = []  # noqa: SLF001 - as the engine does while it follows a probe
        for name in engine.site.devices:
            engine.node(name).tracing = True
            engine.node(name).changed()
    taken = seconds(lambda: engine.wait(FLOW[-1][0] + SECOND))
    name = (
        "... with the trace on" if tracing else "... and hosts with sockets" if express else "... layers at every hop"
    )
    keep(name, arrivals[1:], begin)
    return taken


def events_per_second() -> list[Case]:
    """The queue alone: chains of events that each plan the next."""
    events, chains = 200_000, 50

    def simpy_timeouts() -> float:
        environment = simpy.Environment()
        left = [events]

        def again(_: simpy.Event) -> None:
            left[0] -= 1
            if left[0] >= chains:
                environment.timeout(7).callbacks.append(again)

        for start in range(chains):
            environment.timeout(start).callbacks.append(again)
        return seconds(environment.run)

    def our_entries() -> float:
        clock = SimClock()
        left = [events]

        def again(_: None) -> None:
            left[0] -= 1
            if left[0] >= chains:
                clock.call_at(int(clock._now) + 7, again, None)  # noqa: SLF001 - as the engine does

        for start in range(chains):
            clock.call_at(start, again, None)
        return seconds(lambda: clock.advance(SECOND))

    return [Case("SimPy timeouts", simpy_timeouts, events), Case("our entries", our_entries, events)]


def main() -> None:
    """Measure and print."""
    contestants: dict[str, Callable[[], float]] = {
        "ns.py": with_ns_py,
        "SimPy timeouts": with_simpy_timeouts,
        "our queue and leads": with_our_queue,
        "whole routers": with_routers,
        "... and hosts with sockets": with_devices,
        "... layers at every hop": lambda: with_devices(express=False),
        "... with the trace on": lambda: with_devices(tracing=True),
    }
    cases = [Case(name, run, PACKETS) for name, run in contestants.items()]
    measure(cases)
    heading("Packets per second", f"one UDP flow of {PACKETS} packets, {LINKS} links, {ROUTERS} routers")
    ns_py, timeouts = cases[0], cases[1]
    worst = {name: max(abs(a - b) for a, b in zip(delays[name], delays["ns.py"], strict=True)) for name in contestants}
    table(
        ["", "packets/s", "to ns.py", "to SimPy timeouts", "largest difference of a delay"],
        [
            [
                case.name,
                f"{case.rate:,.0f}",
                f"{case.rate / ns_py.rate:.1f}x",
                f"{case.rate / timeouts.rate:.2f}x",
                f"{worst[case.name]} ns",
            ]
            for case in cases
        ],
    )
    queues = events_per_second()
    measure(queues)
    print()
    table(
        ["", "events/s", "to SimPy timeouts"],
        [[case.name, f"{case.rate:,.0f}", f"{case.rate / queues[0].rate:.2f}x"] for case in queues],
    )


if __name__ == "__main__":
    main()

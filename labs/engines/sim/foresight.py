"""What would happen to a packet, step by step, on a site that notices nothing.

One real packet is sent, but between shadows of the devices (see `shadow`) and over leads without loss or queue.
A shadow is made when the first frame reaches its device.
"""

# ruff: noqa: SLF001 - it works on shadows
from __future__ import annotations

import heapq
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from labs.engines.base import Disposition
from labs.engines.sim.explain import (
    ANSWERED,
    ASKED,
    Explainer,
    error_text,
    error_text6,
    is_answer,
    is_discovery,
)
from labs.engines.sim.probes import SOCKET_ERRORS, disposition_of, made_by_hand, send_by_hand
from labs.engines.sim.shadow import Judged, shadow
from labs.engines.sim.wire import OVERHEAD_BYTES
from labs.model.addresses import Address, IPv4, IPv6
from labs.model.site import Endpoint
from labs.net.actions import (
    Dropped,
    DropReason,
    PowerDown,
    RadioSend,
    SerialSend,
    SetLink,
    Storm,
    Transmit,
    WifiAsk,
    ZigbeeSend,
)
from labs.net.foresight import Answer, Event, Foresight, Question, Step
from labs.net.header_fields import with_fields
from labs.net.ipv4 import ANY, PROTO_UDP, Ipv4Packet
from labs.net.ipv6 import Ipv6Packet
from labs.net.said import Said, said
from labs.net.sockets import IcmpError, SocketError
from labs.net.tcp import TcpState
from labs.net.udp import UdpDatagram

if TYPE_CHECKING:
    from labs.engines.sim.wire import Wire
    from labs.net.actions import Action, Note
    from labs.net.ethernet import Frame
    from labs.net.interface import Interface
    from labs.net.linux.node import LinuxNode

__all__ = ["foresee"]

TAG = 1
SECOND = 1_000_000_000
PATIENCE_NS = 4 * SECOND  # as long as a probe of the grader waits
MAX_EVENTS = 20_000


class Passage(NamedTuple):
    """A bridge that the frame has passed: `known` where it knew the station, False where it flooded."""

    device: str
    incoming: str
    outgoing: str
    known: bool


class _Arrival(NamedTuple):
    at_ns: int
    serial: int
    end: Endpoint
    frame: Frame
    passed: tuple[Passage, ...]


Ending = tuple[Disposition, "str | Said"]


class _Stage:
    """Shadows of the devices, and the frames between them."""

    def __init__(self, nodes: Mapping[str, LinuxNode], wires: Mapping[tuple[str, str], Wire], now: int) -> None:
        self._real = nodes
        self._wires = wires
        self._shadows: dict[str, LinuxNode] = {}
        self._travelling: list[_Arrival] = []
        self._serial = 0
        self._arrival: _Arrival | None = None
        self.now = now
        self.explainer = Explainer()

    def node(self, name: str) -> LinuxNode:
        """The shadow of a device."""
        found = self._shadows.get(name)
        if found is None:
            found = self._shadows[name] = shadow(self._real[name], self.now)
        found.now = self.now
        return found

    def perform(self, node: LinuxNode, items: list[Action | Note]) -> None:
        """Let frames travel, and explain the rest."""
        for item in items:
            if isinstance(item, Transmit):
                self._transmit(node, item)
            elif isinstance(item, SetLink | PowerDown | Storm | SerialSend | RadioSend | WifiAsk | ZigbeeSend):
                continue
            elif self._concerns(item):
                self.explainer.add(node, item, self._passed(item.packet))

    def _passed(self, packet: Ipv4Packet | Ipv6Packet | None) -> tuple[Passage, ...]:
        """The bridges that a packet came through: none for the answer to what has just arrived."""
        arrived = self._arrival.frame.payload if self._arrival is not None else None
        if not isinstance(packet, Ipv4Packet | Ipv6Packet) or not isinstance(arrived, Ipv4Packet | Ipv6Packet):
            return ()
        if self._arrival is None or is_discovery(arrived):
            return ()
        return self._arrival.passed if is_answer(arrived) == is_answer(packet) else ()

    @staticmethod
    def _concerns(item: Note | Judged) -> bool:
        tagged = item.packet is not None and item.packet.tag == TAG
        return tagged or isinstance(item, Dropped) or is_discovery(item.packet)

    def _transmit(self, node: LinuxNode, item: Transmit) -> None:
        end = Endpoint(node.name, item.port)
        wire = self._wires.get(end)
        reason = None
        if wire is None:
            reason = DropReason.UNPLUGGED
        elif not wire.up:
            reason = DropReason.NO_CARRIER
        elif self.now < wire.storm_until_ns:
            reason = DropReason.STORM
        packet = item.frame.payload if isinstance(item.frame.payload, Ipv4Packet | Ipv6Packet) else None
        if reason is not None or wire is None:
            dropped = Dropped(reason or DropReason.UNPLUGGED, item.port, item.frame, packet, str(end))
            self.perform(node, [dropped])
            return
        passed: tuple[Passage, ...] = ()
        arrival = self._arrival
        if arrival is not None and arrival.end.device == node.name and item.frame.src == arrival.frame.src:
            master = node.interfaces[item.port].master
            known = master is not None and master.bridge is not None and master.bridge.knows(item.frame.dst)
            passed = (*arrival.passed, Passage(node.name, arrival.end.port, item.port, known))
        self._serial += 1
        size = item.frame.length + OVERHEAD_BYTES
        at_ns = self.now + size * 8 * SECOND // wire.rate_bps + wire.link.delay_ns
        heapq.heappush(self._travelling, _Arrival(at_ns, self._serial, wire.far[end], item.frame, passed))

    def run(self, done: Callable[[], Ending | None]) -> Ending | None:
        """Let things happen until `done` says how it ended, or patience does."""
        until = self.now + PATIENCE_NS
        for _ in range(MAX_EVENTS):
            ending = done()
            if ending is not None:
                return ending
            wakes = [(when, name) for name, node in self._shadows.items() if (when := node.next_wake()) is not None]
            wake = min(wakes, default=None)
            arrival = self._travelling[0] if self._travelling else None
            if arrival is not None and arrival.at_ns <= until and (wake is None or arrival.at_ns <= wake[0]):
                heapq.heappop(self._travelling)
                self._arrive(arrival)
            elif wake is not None and wake[0] <= until:
                self.now = max(self.now, wake[0])
                node = self.node(wake[1])
                self.perform(node, node.wake(self.now))
            else:
                return None
        self.explainer.steps.append(Step("", said(Event.LOOP)))
        return None

    def _arrive(self, arrival: _Arrival) -> None:
        self.now = arrival.at_ns
        if not self._real[arrival.end.device].powered:
            return
        node = self.node(arrival.end.device)
        self._arrival = arrival
        self.perform(node, node.receive(arrival.end.port, arrival.frame, self.now))
        self._answer_datagrams(node)
        self._arrival = None

    def _answer_datagrams(self, node: LinuxNode) -> None:
        """A program that listens on UDP is taken to answer."""
        for group in list(node.transport._udp.values()):
            for socket in group:
                if socket.tag != TAG and socket.queue:
                    datagrams = [datagram for datagram in socket.queue if datagram.data == ASKED]
                    socket.queue.clear()
                    for datagram in datagrams:
                        payload = UdpDatagram(socket.port, datagram.sport, ANSWERED)
                        here, there = datagram.destination, datagram.source
                        if isinstance(here, IPv6) and isinstance(there, IPv6):
                            over = node.interfaces[datagram.interface] if there.is_link_local else None
                            node.ipv6.output(Ipv6Packet(here, there, PROTO_UDP, payload, tag=TAG), interface=over)
                        elif isinstance(here, IPv4) and isinstance(there, IPv4):
                            node.ip.output(Ipv4Packet(here, there, PROTO_UDP, payload, tag=TAG))
                        self.perform(node, node.drain(self.now))


def foresee(
    nodes: Mapping[str, LinuxNode],
    wires: Mapping[tuple[str, str], Wire],
    now: int,
    device: str,
    question: Question,
    after: Sequence[Question] = (),
) -> Foresight:
    """What would become of a packet from `device`. Neither the devices nor the leads change.

    `after` are packets made by hand that it sends before, and of which nothing is told.
    """
    stage = _Stage(nodes, wires, now)
    for earlier in after:
        _by_hand(stage.node(device), earlier)
        stage.perform(stage.node(device), stage.node(device).drain(stage.now))
        stage.run(lambda: None)
    now, stage.explainer = stage.now, Explainer()
    node = stage.node(device)
    ask = {"tcp": _tcp, "udp": _udp}.get(question.protocol, _ping)
    done = _by_hand(node, question) if question.source_port else ask(node, question)
    if not callable(done):
        stage.perform(node, node.drain(now))
        stage.explainer.finish(answered=False)
        return Foresight(tuple(stage.explainer.steps), *done)
    stage.perform(node, node.drain(now))
    ending = stage.run(done) or (Disposition.TIMED_OUT, said(Answer.SILENCE))
    stage.explainer.finish(answered=ending[0] is Disposition.DELIVERED)
    return Foresight(tuple(stage.explainer.steps), *ending)


Watch = Callable[[], Ending | None]


def _report(error: IcmpError) -> Said:
    text = error_text6 if isinstance(error.source, IPv6) else error_text
    return said(Answer.REPORTS, address=str(error.source), error=text(error.type, error.code))


def _over(node: LinuxNode, question: Question) -> Interface | None:
    """The interface that stands behind the % of the destination."""
    return node.interfaces.get(question.over)


def _ping(node: LinuxNode, question: Question) -> Watch | Ending:
    socket = node.transport.echo_open(tag=TAG)
    more: dict[str, Any] = {} if question.source is None else {"source": question.source}
    error = node.transport.echo_send(socket, question.destination, 1, interface=_over(node, question), **more)
    if error is not None:
        return SOCKET_ERRORS.get(error, Disposition.UNREACHABLE), error

    def done() -> Ending | None:
        if socket.replies:
            return Disposition.DELIVERED, said(Answer.ANSWERS, address=str(socket.replies[0].source))
        if socket.errors:
            found, _ = socket.errors[0]
            return disposition_of(found), _report(found)
        return None

    return done


def _by_hand(node: LinuxNode, question: Question) -> Watch | Ending:
    nowhere: Address = IPv6(0) if isinstance(question.destination, IPv6) else ANY
    source = (question.source or nowhere, question.source_port)
    packet = made_by_hand(question.protocol, source, (question.destination, question.port), ASKED, TAG)
    dressed = with_fields(packet, question.fields)  # type: ignore[type-var]
    error = send_by_hand(node, dressed, question.over)
    if error is not None:
        return SOCKET_ERRORS.get(error, Disposition.UNREACHABLE), error
    return lambda: None


def _udp(node: LinuxNode, question: Question) -> Watch | Ending:
    more = {} if question.source is None else {"address": question.source}
    socket = node.transport.udp_open(program="why", tag=TAG, **more)  # type: ignore[arg-type]
    over = _over(node, question)
    error = node.transport.udp_send(socket, question.destination, question.port, ASKED, interface=over)
    if error is not None:
        return SOCKET_ERRORS.get(error, Disposition.UNREACHABLE), error

    def done() -> Ending | None:
        if socket.queue:
            return Disposition.DELIVERED, said(Answer.DATAGRAM)
        if socket.errors:
            return disposition_of(socket.errors[0]), _report(socket.errors[0])
        return None

    return done


def _tcp(node: LinuxNode, question: Question) -> Watch | Ending:
    transport = node.transport
    try:
        if question.source is None:
            over = _over(node, question)
            connection = transport.tcp_connect(
                question.destination, question.port, program="why", tag=TAG, interface=over
            )
        else:
            key = (question.source, transport.free_port("tcp"), question.destination, question.port)
            connection = transport._connection(key, "why", TAG)
            connection.open(node.now)
    except SocketError as error:
        return SOCKET_ERRORS.get(str(error), Disposition.UNREACHABLE), str(error)

    def done() -> Ending | None:
        if connection.state is TcpState.SYN_SENT:
            return None
        if connection.error:
            return SOCKET_ERRORS.get(connection.error, Disposition.UNREACHABLE), connection.error
        return Disposition.DELIVERED, said(Answer.OPENS)

    return done

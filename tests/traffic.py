"""The same packets on both engines: a list of flows, and for each what its sender was told."""

from __future__ import annotations

from typing import NamedTuple

from labs.engines.sim import SimEngine
from labs.model.addresses import parse_address
from labs.net.ipv6 import ANY6
from labs.net.process import Process, Routine, Wait
from labs.net.sockets import SocketError, connect, listen

SECOND = 1_000_000_000
PORT = 7  # where every machine answers with the address it saw
CLOSED_PORT = 8
PATIENCE_NS = 6 * SECOND


class Flow(NamedTuple):
    """One attempt: `protocol` is ping, tcp or udp."""

    source: str
    target: str
    protocol: str = "ping"
    port: int = PORT
    ttl: int = 64

    @property
    def wide(self) -> bool:
        """True over IPv6."""
        return ":" in self.target


def server(process: Process) -> Routine:
    """Answer TCP and UDP on PORT with the address of the asker."""
    transport = process.node.transport
    listeners = [listen(process, PORT), listen(process, PORT, ANY6, v6only=True)]
    sockets = [
        transport.udp_open(PORT, program="server"),
        transport.udp_open(PORT, ANY6, program="server", v6only=True),
    ]
    while True:
        for tcp in listeners:
            while tcp.backlog:
                connection = tcp.backlog.popleft()
                connection.send(str(connection.remote[0]).encode(), process.node.now)
                connection.close(process.node.now)
        for udp in sockets:
            while udp.queue:
                asked = udp.queue.popleft()
                over = process.node.interfaces.get(asked.interface) if str(asked.source).startswith("fe80:") else None
                transport.udp_send(udp, asked.source, asked.sport, str(asked.source).encode(), interface=over)
        yield Wait(tuple(end.signal for end in (*listeners, *sockets)))


def _tell_error(source: object, kind: int, code: int) -> str:
    return f"error {kind}/{code} from {source}"


def _ping(process: Process, flow: Flow, told: dict[Flow, str]) -> Routine:
    transport = process.node.transport
    socket = transport.echo_open()
    error = transport.echo_send(socket, parse_address(flow.target), 1, ttl=flow.ttl)
    until = process.node.now + PATIENCE_NS
    while error is None and process.node.now < until and flow not in told:
        yield Wait((socket.signal,), until)
        meant = [reply for reply in socket.replies if str(reply.source) == flow.target]
        if meant:  # ping(8) shows others as well (DIFFERENT ADDRESS!); the socket on the kernel's side is connected
            told[flow] = f"reply ttl={meant[0].ttl}"
        elif socket.errors:
            found, _ = socket.errors[0]
            told[flow] = _tell_error(found.source, found.type, found.code)
    told.setdefault(flow, error or "nothing")
    transport.echo_close(socket)
    return 0


def _tcp(process: Process, flow: Flow, told: dict[Flow, str]) -> Routine:
    try:
        connection = yield from connect(process, parse_address(flow.target), flow.port, timeout_ns=PATIENCE_NS)
    except SocketError as error:
        told[flow] = "nothing" if str(error) == "Connection timed out" else str(error)
        return 0
    until = process.node.now + PATIENCE_NS
    while not connection.peer_done and process.node.now < until:
        yield Wait((connection.signal,), until)
    seen = connection.receive().decode()
    told[flow] = connection.error or (f"seen as {seen}" if seen or connection.peer_done else "nothing")
    connection.close(process.node.now)
    return 0


def _udp(process: Process, flow: Flow, told: dict[Flow, str]) -> Routine:
    transport = process.node.transport
    socket = transport.udp_open(address=ANY6, program="flow") if flow.wide else transport.udp_open(program="flow")
    error = transport.udp_send(socket, parse_address(flow.target), flow.port, b"?", ttl=flow.ttl)
    until = process.node.now + PATIENCE_NS
    while error is None and process.node.now < until and flow not in told:
        yield Wait((socket.signal,), until)
        if socket.queue:
            told[flow] = f"seen as {socket.queue[0].data.decode()}"
        elif socket.errors:
            found = socket.errors[0]
            told[flow] = _tell_error(found.source, found.type, found.code)
    told.setdefault(flow, error or "nothing")
    transport.udp_close(socket)
    return 0


PROGRAMS = {"ping": _ping, "tcp": _tcp, "udp": _udp}


def spawn(engine: SimEngine, place: str, program) -> Process:  # type: ignore[no-untyped-def]
    """Start a program of ours on a device."""
    node = engine.node(place)
    node.now = engine.now
    process = node.spawn(["test"], program)
    engine._perform(node, node.drain(engine.now))
    return process


def serve(engine: SimEngine) -> None:
    """Start the server on every device that has power."""
    for name in engine.site.devices:
        if engine.node(name).powered:
            spawn(engine, name, server)


def simulate(engine: SimEngine, flows: list[Flow]) -> dict[Flow, str]:
    """What each sender is told, all flows at once."""
    told: dict[Flow, str] = {}
    for flow in flows:
        spawn(engine, flow.source, lambda process, flow=flow: PROGRAMS[flow.protocol](process, flow, told))
    engine.wait(2 * PATIENCE_NS)
    return told

"""The program of a CoAP server: measures when it is asked, tells observers at intervals, keeps what was written."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from labs.net.process import Process, Routine, Wait
from labs.net.sockets import SocketError
from labs.shell.daemons.thing_unit import EXIT_CONFIG
from labs.shell.instrument import read_instrument
from labs.things.coap.config import COAP, CoapConfig, Offer, parse_coap
from labs.things.coap.server import Resource, Server
from labs.things.thing_config import ThingConfigError
from labs.things.toml_edit import set_toml_key

if TYPE_CHECKING:
    from labs.net.linux.node import LinuxNode

__all__ = ["coap"]

SECOND = 1_000_000_000
MAX_VALUE = 200


def _resource(node: LinuxNode, offer: Offer, changed: Callable[[str], None]) -> Resource:
    if offer.quantity:

        def measure() -> bytes:
            return f"{round(read_instrument(node, offer.quantity), 1) + 0.0}".encode()

        return Resource(offer.quantity, measure, observable=True)
    state = [offer.value.encode()]

    def write(payload: bytes) -> None:
        if not 0 < len(payload) <= MAX_VALUE:
            raise ValueError("nothing to keep")
        text = payload.decode("utf-8")  # a UnicodeDecodeError is a ValueError: 4.00
        state[0] = payload
        before = node.files.get(COAP)
        for name, own in _names(before):
            if own == offer.path:
                node.files.write(COAP, set_toml_key(before, f"resource.{name}.value", text))
        changed(offer.path)

    return Resource(offer.path, lambda: state[0], write if offer.writable else None, observable=True)


def _names(text: str) -> list[tuple[str, str]]:
    import tomllib

    return [(name, str(body.get("path", name))) for name, body in tomllib.loads(text).get("resource", {}).items()]


def coap(process: Process) -> Routine:
    """The unit `coap`."""
    node = process.node
    try:
        config = parse_coap(node.files.get(COAP))
        socket = node.transport.udp_open(config.port, program="coapd")
    except ThingConfigError as error:
        process.error(f"{COAP}: {error}")
        return EXIT_CONFIG
    except SocketError as error:
        process.error(f"port {config.port}: {error}")
        return 1
    process.cleanup.append(lambda: node.transport.udp_close(socket))
    process.endless = True
    pending: list[str] = []
    server = Server({offer.path: _resource(node, offer, pending.append) for offer in config.offers})
    process.print(f"{len(config.offers)} resources on UDP port {config.port}")
    due = {offer.path: node.now + offer.every_s * SECOND for offer in config.offers if offer.quantity}
    return (yield from _serve(process, config, server, socket, due, pending))


def _serve(process, config: CoapConfig, server: Server, socket, due, pending):  # noqa: ANN001, ANN202
    node = process.node
    every = {offer.path: offer.every_s * SECOND for offer in config.offers}
    while True:
        while socket.queue:
            datagram = socket.queue.popleft()
            answer = server.receive((datagram.source, datagram.sport), datagram.data, node.now)
            if answer is not None:
                node.transport.udp_send(socket, datagram.source, datagram.sport, answer)
        for path, when in due.items():
            if when <= node.now:
                due[path] = node.now + every[path]
                pending.append(path)
        while pending:
            for (address, port), data in server.notify(pending.pop()):
                node.transport.udp_send(socket, address, port, data)
        until = min(due.values(), default=None) if server.observers else None
        if server.observers and until is not None and until <= node.now:
            continue
        yield Wait((socket.signal,), until)

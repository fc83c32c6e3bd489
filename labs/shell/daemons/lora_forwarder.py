"""The packet forwarder of a LoRaWAN gateway: what the radio hears goes to the network server, and the other way."""

from __future__ import annotations

from labs.net.process import Process, Routine, Wait
from labs.net.sockets import SocketError
from labs.shell.daemons.thing_unit import EXIT_CONFIG
from labs.shell.resolver import ResolveError, resolve
from labs.things.lorawan.airtime import CHANNELS_MHZ
from labs.things.lorawan.config import FORWARDER, Forwarder, parse_forwarder
from labs.things.lorawan.forwarder import Kind, Message, ProtocolError, decode, encode, rxpk, txpk_of
from labs.things.thing_config import ThingConfigError

__all__ = ["lora_pkt_fwd"]

SECOND = 1_000_000_000
MICROSECOND = 1_000
HALF = 1 << 31
SILENT_AFTER = 3  # keepalives without an answer


class _Forwarding:
    def __init__(self, process: Process, config: Forwarder) -> None:
        self.process = process
        self.node = process.node
        self.config = config
        self.socket = self.node.transport.udp_open(program="lora_pkt_fwd")
        process.cleanup.append(lambda: self.node.transport.udp_close(self.socket))
        self.token = 0
        self.pull_ns = self.node.now
        self.unanswered = 0
        self.alive = False

    def run(self) -> Routine:
        node, radio = self.node, self.node.lora
        try:
            address = yield from resolve(self.process, self.config.host)
        except ResolveError as error:
            self.process.error(f"cannot resolve {self.config.host}: {error}")
            return 1
        radio.hears = lambda how: not how.inverted and how.mhz in CHANNELS_MHZ
        self.process.cleanup.append(self.silence)

        def send(kind: Kind, body: dict[str, object] | None = None) -> None:
            self.token = self.token + 1 & 0xFFFF
            datagram = encode(Message(kind, self.token, self.config.gateway_id, body))
            node.transport.udp_send(self.socket, address, self.config.port, datagram)

        while True:
            while radio.queue:
                heard = radio.queue.popleft()
                self.process.print(
                    f"received {len(heard.data)} bytes, SF{heard.how.sf}, {heard.how.mhz} MHz, "
                    f"RSSI {heard.rssi_dbm:.0f} dBm"
                )
                send(Kind.PUSH_DATA, {"rxpk": [rxpk(heard)]})
            while self.socket.queue:
                self.take(self.socket.queue.popleft().data)
            if node.now >= self.pull_ns:
                self.watch()
                send(Kind.PULL_DATA)
                self.pull_ns = node.now + self.config.keepalive_s * SECOND
            yield Wait((radio.signal, self.socket.signal), self.pull_ns)

    def silence(self) -> None:
        self.node.lora.hears = None

    def watch(self) -> None:
        """Tell the journal when the server falls silent."""
        self.unanswered += 1
        if self.unanswered == SILENT_AFTER + 1:
            self.alive = False
            self.process.error(f"no answer from {self.config.host}:{self.config.port}")

    def take(self, data: bytes) -> None:
        """A datagram of the server."""
        try:
            message = decode(data)
            if message.kind is Kind.PULL_ACK:
                self.unanswered = 0
                if not self.alive:
                    self.alive = True
                    self.process.print(f"connected to {self.config.host}:{self.config.port}")
            elif message.kind is Kind.PULL_RESP and message.body is not None:
                frame, tmst, how = txpk_of(message.body)
                now = self.node.now // MICROSECOND
                wait = (tmst - now + HALF) % (2 * HALF) - HALF  # the counter has 32 bits
                if wait < 0:
                    self.process.error("a downlink came too late")
                    return
                self.node.call_at((now + wait) * MICROSECOND, lambda: self.node.lora.send(frame, how))
        except ProtocolError as error:
            self.process.error(f"strange datagram: {error}")


def lora_pkt_fwd(process: Process) -> Routine:
    """The unit `lora-pkt-fwd`."""
    try:
        config = parse_forwarder(process.node.files.get(FORWARDER))
        forwarding = _Forwarding(process, config)
    except ThingConfigError as error:
        process.error(f"{FORWARDER}: {error}")
        return EXIT_CONFIG
    except SocketError as error:
        process.error(str(error))
        return 1
    process.endless = True
    process.print(f"gateway {config.gateway_id.hex()}, server {config.host}:{config.port}")
    return (yield from forwarding.run())

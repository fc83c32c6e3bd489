"""The LoRaWAN network server: talks with packet forwarders over UDP, publishes what sensors say over MQTT."""

from __future__ import annotations

import json
from collections.abc import Generator
from typing import TYPE_CHECKING, Any

from labs.net.filesystem import FileError
from labs.net.process import SIGKILL, Process, Routine, Wait
from labs.net.radio import HeardFrame, Modulation
from labs.net.sockets import SocketError
from labs.shell.daemons.broker_visit import BrokerVisit
from labs.shell.daemons.thing_unit import EXIT_CONFIG, work_until_stopped
from labs.things.lorawan.airtime import JOIN_RX1_NS, RX1_NS, margin_db
from labs.things.lorawan.config import SERVER, ServerConfig, parse_server
from labs.things.lorawan.forwarder import Kind, Message, ProtocolError, decode, encode, spreading_factor, txpk
from labs.things.lorawan.payload import decode_payload
from labs.things.lorawan.server import Joined, NetworkServer, Refused, Uplink
from labs.things.sensor import sensor_payload
from labs.things.thing_config import ThingConfigError

if TYPE_CHECKING:
    from labs.net.sockets import Datagram

__all__ = ["KEPT", "STATUS", "lorawan_server"]

STATUS = "/run/lorawan-server.json"
KEPT = "/var/lib/lorawan-server.json"
MICROSECOND = 1_000
ACKNOWLEDGED = {Kind.PUSH_DATA: Kind.PUSH_ACK, Kind.PULL_DATA: Kind.PULL_ACK}


class _Server:
    def __init__(self, process: Process, config: ServerConfig) -> None:
        self.process = process
        self.node = process.node
        self.config = config
        self.visit = BrokerVisit(process, config.mqtt)
        self.machine = NetworkServer(config.devices, config.net_id)
        self.topics = {device.name: device.topic for device in config.devices}
        self.gateways: dict[str, dict[str, Any]] = {}
        self.pull_from: dict[bytes, tuple[Any, int]] = {}
        self.devices: dict[str, dict[str, Any]] = {}
        try:
            self.machine.remember(json.loads(self.node.files.get(KEPT) or "{}"))
        except (ValueError, AttributeError, TypeError):
            process.error(f"{KEPT}: not readable, forgotten")
        self.socket = self.node.transport.udp_open(config.port, program="lorawan-server")
        process.cleanup.append(lambda: self.node.transport.udp_close(self.socket))

    def write_status(self) -> None:
        status = {**self.visit.status(), "gateways": self.gateways, "devices": self.devices}
        self.node.files.write(STATUS, json.dumps(status) + "\n")

    # UDP

    def listener(self, process: Process) -> Routine:
        """Datagrams of gateways, for ever."""
        del process
        while True:
            while self.socket.queue:
                self.take(self.socket.queue.popleft())
            yield Wait((self.socket.signal,))

    def take(self, datagram: Datagram) -> None:
        try:
            message = decode(datagram.data)
        except ProtocolError:
            return
        answer = ACKNOWLEDGED.get(message.kind)
        if answer is None:
            return
        transport = self.node.transport
        transport.udp_send(self.socket, datagram.source, datagram.sport, encode(Message(answer, message.token)))
        seen = self.gateways.setdefault(message.gateway.hex(), {"frames": 0})
        seen["seen_ns"] = self.node.now
        if message.kind is Kind.PULL_DATA:
            self.pull_from[message.gateway] = (datagram.source, datagram.sport)
            self.write_status()
            return
        for packet in (message.body or {}).get("rxpk", []):
            seen["frames"] += 1
            self.frame(message.gateway, packet)
        self.write_status()

    def frame(self, gateway: bytes, packet: dict[str, Any]) -> None:
        try:
            data, heard = _heard(packet)
        except (ProtocolError, KeyError, TypeError, ValueError) as error:
            self.process.error(f"strange packet from gateway {gateway.hex()}: {error}")
            return
        event = self.machine.receive(data, self.node.now)
        match event:
            case Joined(device, accept, address):
                self.process.print(
                    f"{device}: joined as {address:08x}, SF{heard.how.sf}, RSSI {heard.rssi_dbm:.0f} dBm"
                )
                self.note(device, heard, state="joined")
                self.node.files.write(KEPT, json.dumps(self.machine.nonces()) + "\n")
                self.downlink(gateway, accept, packet["tmst"] + JOIN_RX1_NS // MICROSECOND, heard.how)
            case Refused(device, reason):
                self.process.error(f"{device}: {reason}" if device else reason)
                if device:
                    self.note(device, heard, refused=reason)
            case Uplink(device, frame, answer, again):
                self.note(device, heard, state="joined", counter=frame.counter, refused="")
                if answer:
                    self.downlink(gateway, answer, packet["tmst"] + RX1_NS // MICROSECOND, heard.how)
                if not again:
                    self.publish(device, frame.payload, frame.counter, heard)
            case None:
                pass

    def note(self, device: str, heard: HeardFrame, **news: object) -> None:
        seen = self.devices.setdefault(device, {})
        sf, rssi = heard.how.sf, heard.rssi_dbm
        seen |= {"seen_ns": self.node.now, "rssi": rssi, "sf": sf, "margin": round(margin_db(rssi, sf), 1), **news}

    def downlink(self, gateway: bytes, data: bytes, tmst: int, how: Modulation) -> None:
        """In the first window: on the channel of the uplink, through the gateway that heard it."""
        known = self.pull_from.get(gateway)
        if known is None:
            self.process.error(f"gateway {gateway.hex()} has not opened a way back")
            return
        body = {"txpk": txpk(data, tmst, how._replace(inverted=True))}
        self.node.transport.udp_send(self.socket, known[0], known[1], encode(Message(Kind.PULL_RESP, 0, b"", body)))

    # MQTT

    def publish(self, device: str, payload: bytes, counter: int, heard: HeardFrame) -> None:
        try:
            values = decode_payload(payload)
        except ValueError as error:
            self.process.error(f"{device}: {error}")
            return
        for value, unit in values.values():
            message = json.loads(sensor_payload(value, unit, self.node.wall_clock()))
            message |= {"fcnt": counter, "sf": heard.how.sf, "rssi": round(heard.rssi_dbm)}
            if self.visit.connected:
                data = json.dumps(message, ensure_ascii=False).encode()
                self.visit.link.client.publish(self.topics[device], data, self.node.now, qos=self.config.mqtt.qos)
                self.visit.link.flush()

    def run(self) -> Generator[Wait, None, None]:
        """Stay in touch with the broker, for ever."""
        while True:
            connected = yield from self.visit.connect(self.write_status)
            while connected and self.visit.connected:
                yield from self.visit.events(None)


def _heard(packet: dict[str, Any]) -> tuple[bytes, HeardFrame]:
    import base64

    data = base64.b64decode(packet["data"])
    how = Modulation(spreading_factor(packet["datr"]), float(packet["freq"]))
    return data, HeardFrame(0, data, how, float(packet["rssi"]))


def lorawan_server(process: Process) -> Routine:
    """The unit `lorawan-server`."""
    node = process.node
    try:
        config = parse_server(node.files.get(SERVER))
        server = _Server(process, config)
    except ThingConfigError as error:
        process.error(f"{SERVER}: {error}")
        return EXIT_CONFIG
    except (SocketError, FileError) as error:
        process.error(str(error))
        return 1
    process.endless = True
    process.print(f"{len(config.devices)} devices, gateways on UDP port {config.port}")
    listener = node.spawn(["lorawan-server"], server.listener, directory="/")
    process.cleanup.append(lambda: listener.kill(SIGKILL))
    return (yield from work_until_stopped(process, server, STATUS))

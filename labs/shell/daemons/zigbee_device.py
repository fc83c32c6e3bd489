"""The program of a Zigbee sensor, a sleepy end device: find a network, join, report, sleep with the receiver off."""

from __future__ import annotations

import json
from collections.abc import Callable, Generator
from typing import TYPE_CHECKING

from labs.net.process import Process, Routine, Wait
from labs.net.zigbee import BROADCAST_PAN, COORDINATOR, Kind, Sent, ZigbeeFrame
from labs.shell.daemons.thing_unit import serve_thing
from labs.shell.instrument import read_instrument
from labs.things.units import BASE_UNITS
from labs.things.zigbee.association import TRANSITIONS, Outcome, State, seal
from labs.things.zigbee.config import (
    DEVICE,
    NETWORK,
    QUANTITIES,
    EndDevice,
    Network,
    network_file,
    parse_device,
    parse_network,
)
from labs.things.zigbee.link import CHANNELS

if TYPE_CHECKING:
    from labs.net.zigbee import ZigbeeEvent

__all__ = ["STATUS", "zigbee"]

STATUS = "/run/zigbee.json"
SECOND = 1_000_000_000
MILLISECOND = 1_000_000
SCAN_NS = 138 * MILLISECOND  # aBaseSuperframeDuration * (2**3 + 1), per channel
ANSWER_NS = 500 * MILLISECOND  # the parent keeps an answer for a sleepy child
SEARCH_NS = 30 * SECOND
FIRST_NS = 2 * SECOND


class _Device:
    visit = None  # its way to a broker is the coordinator

    def __init__(self, process: Process, config: EndDevice) -> None:
        self.process = process
        self.node = process.node
        self.radio = process.node.zigbee
        self.config = config
        self.state = State.ALONE
        self.network: Network | None = None
        self.said = ""
        self.status: dict[str, object] = {"sent": 0, "failed": 0}
        self.radio.address = config.ieee
        process.cleanup.append(self.silence)

    def silence(self) -> None:
        self.radio.channel = None

    def become(self, outcome: Outcome, text: str = "") -> None:
        self.state = TRANSITIONS[self.state, outcome]
        if text and text != self.said:  # one search is like the next
            self.process.print(text)
            self.said = text
        self.write_status()

    def write_status(self, **news: object) -> None:
        self.status.update(state=self.state.value, **news)
        self.node.files.write(STATUS, json.dumps(self.status) + "\n")

    def until(self, when: int) -> Generator[Wait, None, None]:
        while self.node.now < when:
            yield Wait((), when)

    def hear(self, wanted: Callable[[ZigbeeEvent], bool], for_ns: int) -> Generator[Wait, None, ZigbeeEvent | None]:
        """The first event that fits, or None in the end."""
        end = self.node.now + for_ns
        while True:
            while self.radio.events:
                event = self.radio.events.popleft()
                if wanted(event):
                    return event
            if self.node.now >= end:
                return None
            yield Wait((self.radio.signal,), end)

    def send(self, kind: Kind, channel: int, pan: int, target: str = "", body: bytes = b"", key: bytes = b"") -> None:
        self.radio.events.clear()
        self.radio.channel, self.radio.pan_id = channel, None
        code = seal(key, self.config.ieee, body) if key else b""
        self.radio.send(ZigbeeFrame(kind, channel, pan, self.config.ieee, target, body, code))

    # Joining

    def join(self) -> Generator[Wait, None, None]:
        """Search until a network takes it."""
        while self.state is not State.JOINED:
            self.become(Outcome.BEGINS)
            yield from self.search()
            self.radio.channel = None
            if self.state is State.ALONE:
                yield from self.until(self.node.now + SEARCH_NS)

    def search(self) -> Generator[Wait, None, None]:
        """One round over all channels; the first network that lets in is asked."""
        closed: list[ZigbeeFrame] = []
        for channel in CHANNELS:
            self.send(Kind.BEACON_REQUEST, channel, BROADCAST_PAN)
            beacons = yield from self.beacons()
            closed += [beacon for beacon in beacons if not json.loads(beacon.body)["permit"]]
            open_ = next((beacon for beacon in beacons if json.loads(beacon.body)["permit"]), None)
            if open_ is not None:
                self.become(Outcome.FOUND, f"network 0x{open_.pan_id:04x} on channel {channel} lets in")
                yield from self.associate(open_)
                return
        if closed:
            where = ", ".join(f"0x{beacon.pan_id:04x} on channel {beacon.channel}" for beacon in closed)
            self.become(Outcome.NOT_PERMITTED, f"joining is not permitted: network {where}")
        else:
            self.become(Outcome.NOT_FOUND, "no network found on channels 11 to 26")

    def beacons(self) -> Generator[Wait, None, list[ZigbeeFrame]]:
        """Everybody who answers on a channel."""
        found: list[ZigbeeFrame] = []
        end = self.node.now + SCAN_NS
        while True:
            left = end - self.node.now
            heard = yield from self.hear(lambda event: event.sent is None and event.frame.kind is Kind.BEACON, left)
            if heard is None:
                return found
            found.append(heard.frame)

    def associate(self, beacon: ZigbeeFrame) -> Generator[Wait, None, None]:
        self.send(Kind.ASSOCIATE_REQUEST, beacon.channel, beacon.pan_id, beacon.source)
        heard = yield from self.hear(
            lambda event: event.sent is None and event.frame.kind is Kind.ASSOCIATE_RESPONSE, ANSWER_NS
        )
        if heard is None:
            self.become(Outcome.NO_ANSWER, "no answer to the request to join")
            return
        answer = json.loads(heard.frame.body)
        if answer["status"] != 0:
            self.become(Outcome.REFUSED, "the request to join was refused (PAN access denied)")
            return
        self.network = Network(beacon.channel, beacon.pan_id, bytes.fromhex(answer["key"]))
        self.node.files.write(NETWORK, network_file(self.network))
        self.become(Outcome.KEY, f"joined network 0x{beacon.pan_id:04x} on channel {beacon.channel}")

    # Reports

    def run(self) -> Generator[Wait, None, None]:
        """For ever."""
        self.network = parse_network(self.node.files.get(NETWORK))
        if self.network is not None:
            self.become(Outcome.KEY)
        yield from self.until(self.node.now + FIRST_NS + int(self.config.ieee[-4:], 16) * MILLISECOND // 16)
        yield from self.join()
        while True:
            due = self.node.now + self.config.interval_s * SECOND
            yield from self.report()
            yield from self.until(due)

    def report(self) -> Generator[Wait, None, None]:
        """One report; what is not acknowledged is lost."""
        network, config, node = self.network, self.config, self.node
        assert network is not None
        try:
            value = round(read_instrument(node, config.quantity), QUANTITIES[config.quantity])
        except ValueError as error:
            self.process.error(f"no reading: {error}")
            return
        body = json.dumps({"n": node.now // MILLISECOND, "values": {config.quantity: value}}).encode()
        self.send(Kind.DATA, network.channel, network.pan_id, COORDINATOR, body, network.key)
        event = yield from self.hear(lambda event: event.sent is not None, ANSWER_NS)
        self.radio.channel = None
        ended = event.sent if event is not None and event.sent is not None else Sent.NO_ACK
        if ended is Sent.SUCCESS:
            self.said = ""
            self.write_status(sent=int(str(self.status["sent"])) + 1, sent_ns=node.now, last=ended.value)
            return
        where = f"network 0x{network.pan_id:04x} on channel {network.channel}"
        self.process.error(f"report not delivered: {ended.value}, {where}")
        self.write_status(failed=int(str(self.status["failed"])) + 1, last=ended.value)


def zigbee(process: Process) -> Routine:
    """The unit `zigbee`."""

    def hello(config: EndDevice) -> str:
        return f"{config.ieee}: {config.quantity} ({BASE_UNITS.get(config.quantity, '')}) every {config.interval_s} s"

    return serve_thing(process, (DEVICE, STATUS), lambda node: parse_device(node.files.get(DEVICE)), _Device, hello)

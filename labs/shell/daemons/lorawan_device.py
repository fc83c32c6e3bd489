"""The program of a LoRaWAN sensor, class A: join, measure, send, listen twice, and keep to the duty cycle."""

from __future__ import annotations

import hashlib
import itertools
import json
from collections.abc import Generator
from typing import TYPE_CHECKING

from labs.net.process import Process, Routine, Wait
from labs.net.radio import Modulation
from labs.shell.daemons.thing_unit import serve_thing
from labs.shell.instrument import read_instrument
from labs.things.lorawan.airtime import (
    JOIN_RX1_NS,
    JOIN_RX2_NS,
    MAX_PAYLOAD,
    RX1_NS,
    RX2_MHZ,
    RX2_NS,
    RX2_SF,
    airtime_ns,
    off_time_ns,
)
from labs.things.lorawan.config import DEVICE, REGIONS_MHZ, EndDevice, parse_device
from labs.things.lorawan.energy import device_mah_per_day, spreading_factors
from labs.things.lorawan.frames import (
    DataFrame,
    FrameError,
    JoinRequest,
    Keys,
    decode_accept,
    decode_data,
    session_keys,
)
from labs.things.lorawan.payload import encode_payload
from labs.things.sensing import battery_of

if TYPE_CHECKING:
    from labs.net.linux.node import LinuxNode
    from labs.net.radio import HeardFrame
    from labs.things.battery import Charge

__all__ = ["NONCES", "STATUS", "device_battery", "lorawan"]

STATUS = "/run/lorawan.json"
NONCES = "/var/lib/lorawan.json"
SECOND = 1_000_000_000
WINDOW_NS = 3 * SECOND  # long enough for the slowest join accept
FIRST_RETRY_S, LONGEST_RETRY_S = 15, 600
RETRY_SPREAD_NS = 2 * SECOND  # ACK_TIMEOUT is 2 s, one more or less (Regional Parameters 1.0.2, 2.2.8)
EARLY_NS = 10_000_000  # the receiver is awake before the window opens
PORT = 85  # of the EM300 series


def device_battery(node: LinuxNode, config: EndDevice, tries: int | None) -> Charge | None:
    """What is in the battery of a sensor whose messages are heard at a try; None for one without a battery."""
    if config.model is None:
        return None
    return battery_of(config.model, device_mah_per_day(config, tries), node.world.battery(node.now), node.now)


class _Device:
    visit = None  # its way to a broker is the network server

    def __init__(self, process: Process, config: EndDevice) -> None:
        self.process = process
        self.node = process.node
        self.config = config
        self.keys: Keys | None = None
        self.dev_addr = 0
        self.counter = 0
        self.down = -1
        self.tries: int | None = 1
        self.flat = False
        self.free_ns = 0
        self.channel = sum(config.dev_eui) + sum(process.node.name.encode())
        self.status: dict[str, object] = {"state": "joining", "joins": 0, "sent": 0, "skipped": 0}
        process.cleanup.append(self.silence)

    def silence(self) -> None:
        self.node.lora.hears = None

    def write_status(self, **news: object) -> None:
        self.status.update(news)
        self.node.files.write(STATUS, json.dumps(self.status) + "\n")

    def chance(self, purpose: str, span_ns: int) -> int:
        """A moment within a span that differs per device and occasion, so that two devices do not stay in step."""
        digest = hashlib.sha256(f"{self.config.dev_eui.hex()}/{purpose}".encode()).digest()
        return int.from_bytes(digest[:6]) * span_ns >> 48

    def until(self, when: int) -> Generator[Wait, None, None]:
        while self.node.now < when:
            yield Wait((), when)

    # The radio

    def transmit(self, frame: bytes, sf: int) -> tuple[int, Modulation]:
        """Send on the next channel; when it ends, and how it was sent."""
        config = self.config
        channels = REGIONS_MHZ[config.region]
        self.channel += 1
        how = Modulation(sf, channels[self.channel % len(channels)])
        took = airtime_ns(len(frame), sf)
        self.node.lora.send(frame, how)
        self.free_ns = self.node.now + took + off_time_ns(took)
        return self.node.now + took, how

    def listen(self, ended: int, how: Modulation, first: int, second: int) -> Generator[Wait, None, HeardFrame | None]:
        """Both receive windows after an uplink. The first is where the uplink was, the second has its own channel."""
        radio = self.node.lora
        radio.queue.clear()
        for delay, window in ((first, (how.sf, how.mhz)), (second, (RX2_SF, RX2_MHZ))):
            yield from self.until(ended + delay - EARLY_NS)
            radio.hears = lambda h, window=window: h.inverted and (h.sf, h.mhz) == window
            end = self.node.now + (second - first if delay == first else WINDOW_NS)
            while self.node.now < end and not radio.queue:
                yield Wait((radio.signal,), end)
            radio.hears = None
            if radio.queue:
                return radio.queue.popleft()
        return None

    # The join

    def next_nonce(self) -> int:
        """Counts up and is kept: a number that was used is refused."""
        try:
            last = int(json.loads(self.node.files.get(NONCES) or "{}").get("dev_nonce", 0))
        except (ValueError, AttributeError):
            last = 0
        self.node.files.write(NONCES, json.dumps({"dev_nonce": last + 1 & 0xFFFF}) + "\n")
        return last + 1 & 0xFFFF

    def join(self) -> Generator[Wait, None, None]:
        """Ask until somebody lets it in, with longer and longer pauses, and slower where it may."""
        config, retry_s = self.config, FIRST_RETRY_S
        for sf in itertools.cycle(spreading_factors(config)):
            request = JoinRequest(config.join_eui, config.dev_eui, self.next_nonce())
            yield from self.until(self.free_ns)
            yield from self.until(self.node.now + self.chance(f"join {request.nonce}", 4 * SECOND))
            ended, how = self.transmit(request.encode(config.app_key), sf)
            self.write_status(state="joining", joins=int(str(self.status["joins"])) + 1)
            heard = yield from self.listen(ended, how, JOIN_RX1_NS, JOIN_RX2_NS)
            if heard is not None:
                try:
                    accept = decode_accept(heard.data, config.app_key)
                except FrameError as error:
                    self.process.error(f"join accept: {error}")
                else:
                    self.keys = session_keys(config.app_key, accept, request.nonce)
                    self.dev_addr, self.counter, self.down = accept.dev_addr, 0, -1
                    self.process.print(f"joined as {accept.dev_addr:08x}")
                    self.write_status(state="joined", dev_addr=f"{accept.dev_addr:08x}", rssi=round(heard.rssi_dbm))
                    return
            else:
                self.process.error("no join accept")
            pause = retry_s * SECOND + self.chance(f"retry {request.nonce}", retry_s * SECOND // 2)
            yield from self.until(max(self.free_ns, self.node.now + pause))
            retry_s = min(2 * retry_s, LONGEST_RETRY_S)

    # Data

    def run(self) -> Generator[Wait, None, None]:
        """For ever."""
        yield from self.join()
        interval = self.config.interval_s * SECOND
        due = self.node.now + interval
        yield from self.until(self.free_ns)
        while True:
            yield from self.send()
            yield from self.until(due + self.chance(f"send {self.counter}", min(interval // 10, 5 * SECOND)))
            while due <= self.node.now:
                due += interval

    def send(self) -> Generator[Wait, None, None]:
        """One message, unless the sub-band is not free yet."""
        node, config = self.node, self.config
        if node.now < self.free_ns:
            wait_s = (self.free_ns - node.now) / SECOND
            self.process.error(f"duty cycle: not sent, the band is free in {wait_s:.0f} s")
            self.write_status(skipped=int(str(self.status["skipped"])) + 1)
            return
        if self.is_flat():
            return
        try:
            payload = encode_payload(config.quantity, read_instrument(node, config.quantity))
        except ValueError as error:
            self.process.error(f"no reading: {error}")
            return
        if len(payload) > MAX_PAYLOAD[config.sf] or self.keys is None:
            return
        frame = DataFrame(self.dev_addr, self.counter, PORT, payload, confirmed=config.confirmed)
        self.counter += 1
        data = frame.encode(self.keys)
        self.write_status(sent=int(str(self.status["sent"])) + 1, counter=frame.counter, sent_ns=node.now)
        for number, sf in enumerate(spreading_factors(config), 1):
            pause = self.chance(f"try {frame.counter} {number}", RETRY_SPREAD_NS) if number > 1 else 0
            yield from self.until(max(self.free_ns, node.now) + pause)
            ended, how = self.transmit(data, sf)
            self.write_status(airtime_ms=round(airtime_ns(len(data), sf) / 1e6, 1))
            heard = yield from self.listen(ended, how, RX1_NS, RX2_NS)
            if not config.confirmed:
                return
            if heard is not None and self.acknowledges(heard):
                self.tries = number
                self.write_status(tries=number, used_sf=sf, unheard=0, rssi=round(heard.rssi_dbm))
                return
        self.tries = None
        self.process.error(f"message {frame.counter}: no acknowledgement after {config.tries} tries")
        self.write_status(tries=number, used_sf=sf, unheard=int(str(self.status.get("unheard", 0))) + 1)

    def acknowledges(self, heard: HeardFrame) -> bool:
        """Whether what was heard is the answer of the server to this device."""
        assert self.keys is not None
        try:
            answer = decode_data(heard.data, self.keys, self.down)
        except FrameError as error:
            self.process.error(f"downlink: {error}")
            return False
        self.down = answer.counter
        return answer.ack

    def is_flat(self) -> bool:
        """The voltage breaks down when it wants to send: nothing leaves the device."""
        charge = device_battery(self.node, self.config, self.tries)
        if charge is None or charge.share > 0:
            self.flat = False
            return False
        if not self.flat:
            self.flat = True
            self.process.error(f"brown-out while sending: battery {charge.loaded_v:.1f} V under load")
        return True


def lorawan(process: Process) -> Routine:
    """The unit `lorawan`."""

    def hello(config: EndDevice) -> str:
        return f"{config.dev_eui.hex()}: {config.quantity} every {config.interval_s} s, {config.region} SF{config.sf}"

    return serve_thing(process, (DEVICE, STATUS), lambda node: parse_device(node.files.get(DEVICE)), _Device, hello)

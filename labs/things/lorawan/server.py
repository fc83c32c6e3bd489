"""The network server: who is known, who may join, which counters have been seen. Frames in, events out.

Before changing this file read the LoRaWAN Specification 1.0.3, §4.3.1.5 (counters) and §6.2.5 (join).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

from labs.things.lorawan.config import Registered
from labs.things.lorawan.frames import (
    JOIN_REQUEST,
    DataFrame,
    FrameError,
    JoinAccept,
    Keys,
    address_of,
    decode_data,
    decode_request,
    request_is_genuine,
    session_keys,
)

__all__ = ["Joined", "NetworkServer", "Refused", "Session", "Uplink"]

ADDRESS_PREFIX = 0x26000000  # of NetID 0x13 (the address block of The Things Network)
SAME_FRAME_NS = 200_000_000  # the same frame through another gateway


class Joined(NamedTuple):
    """A device was let in: `accept` is what it must hear."""

    device: str
    accept: bytes
    dev_addr: int


class Uplink(NamedTuple):
    """A frame with its payload deciphered. `answer` is what the device waits for where it wants an acknowledgement."""

    device: str
    frame: DataFrame
    answer: bytes = b""
    again: bool = False
    """It was heard before: the device missed the answer."""


class Refused(NamedTuple):
    """A frame that leads to nothing, and why."""

    device: str
    reason: str


Event = Joined | Uplink | Refused


@dataclass(slots=True)
class Session:
    """What the server keeps about a device. Nonces that were used stay used."""

    nonces: set[int] = field(default_factory=set)
    joins: int = 0
    dev_addr: int | None = None
    keys: Keys | None = None
    counter: int = -1
    down: int = 0
    last: tuple[bytes, DataFrame] | None = None


class NetworkServer:
    """Everything that is decided about frames."""

    def __init__(self, devices: Iterable[Registered], net_id: int) -> None:
        self._devices = {device.dev_eui: device for device in devices}
        self._net_id = net_id
        self.sessions: dict[str, Session] = {device.name: Session() for device in self._devices.values()}
        self._last: tuple[bytes, int] = (b"", -SAME_FRAME_NS - 1)

    def receive(self, frame: bytes, now: int) -> Event | None:
        """A frame from a gateway; None for one that came through another gateway just before."""
        if frame == self._last[0] and now - self._last[1] <= SAME_FRAME_NS:
            return None
        self._last = (frame, now)
        if frame[:1] == bytes([JOIN_REQUEST]):
            return self._join(frame)
        return self._data(frame)

    def _join(self, frame: bytes) -> Event:
        try:
            request = decode_request(frame)
        except FrameError as error:
            return Refused("", str(error))
        known = self._devices.get(request.dev_eui)
        if known is None:
            return Refused("", f"join request of unknown device {request.dev_eui.hex()}")
        if known.join_eui != request.join_eui:
            return Refused(known.name, f"join request with JoinEUI {request.join_eui.hex()}, expected another")
        if not request_is_genuine(frame, known.app_key):
            return Refused(known.name, "join request: MIC mismatch")
        session = self.sessions[known.name]
        if request.nonce in session.nonces:
            return Refused(known.name, f"join request: DevNonce {request.nonce} already used")
        session.nonces.add(request.nonce)
        session.joins += 1
        index = list(self.sessions).index(known.name) + 1
        accept = JoinAccept(session.joins, self._net_id, ADDRESS_PREFIX | index << 8 | session.joins & 0xFF)
        session.dev_addr, session.counter, session.down, session.last = accept.dev_addr, -1, 0, None
        session.keys = session_keys(known.app_key, accept, request.nonce)
        return Joined(known.name, accept.encode(known.app_key), accept.dev_addr)

    def _data(self, frame: bytes) -> Event:
        address = address_of(frame)
        for name, session in self.sessions.items():
            if address is not None and session.dev_addr == address and session.keys is not None:
                again = session.last is not None and session.last[0] == frame
                try:
                    found = (
                        session.last[1] if session.last and again else decode_data(frame, session.keys, session.counter)
                    )
                except FrameError as error:
                    return Refused(name, f"uplink: {error}")
                session.counter, session.last = found.counter, (frame, found)
                return Uplink(name, found, self._answer(session, session.keys, found), again)
        return Refused("", "uplink of no known session" if address is not None else "not a LoRaWAN frame")

    @staticmethod
    def _answer(session: Session, keys: Keys, found: DataFrame) -> bytes:
        """§4.3.1.2: an acknowledgement is a downlink with the ACK bit."""
        if not found.confirmed:
            return b""
        answer = DataFrame(found.dev_addr, session.down, 0, b"", uplink=False, ack=True)
        session.down += 1
        return answer.encode(keys)

    def nonces(self) -> dict[str, list[int]]:
        """What must survive a restart."""
        return {name: sorted(session.nonces) for name, session in self.sessions.items() if session.nonces}

    def remember(self, nonces: dict[str, list[int]]) -> None:
        """What was kept."""
        for name, used in nonces.items():
            if name in self.sessions:
                self.sessions[name].nonces.update(used)
                self.sessions[name].joins = len(used)

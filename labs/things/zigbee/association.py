"""Who joins whom: the states of an end device as a table, and what a coordinator answers to each frame.

Before changing this file read IEEE 802.15.4-2006 §7.5.3 (association) and the Zigbee specification r21,
§3.6.1.4 and §4.6.3.2.
The seal stands for the CCM* code of a secured frame: nothing is enciphered.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Iterable
from enum import StrEnum
from typing import NamedTuple

from labs.net.zigbee import BROADCAST_PAN, COORDINATOR, Kind, ZigbeeFrame
from labs.things.zigbee.config import Network

__all__ = ["TRANSITIONS", "Answer", "Coordinator", "Dropped", "Joined", "Outcome", "Reported", "State", "seal"]

SEAL_BYTES = 4  # security level 5, ENC-MIC-32
MAX_BODY = 100  # of the 127 bytes of a frame


class State(StrEnum):
    """Of an end device."""

    ALONE = "alone"
    SEARCHING = "searching"
    ASSOCIATING = "associating"
    JOINED = "joined"


class Outcome(StrEnum):
    """What happens to it. Closed."""

    BEGINS = "begins"
    NOT_FOUND = "no network"
    NOT_PERMITTED = "joining is not permitted"
    FOUND = "found"
    REFUSED = "refused"
    NO_ANSWER = "no answer"
    KEY = "network key"


# State and outcome -> next state. What is not here cannot happen.
TRANSITIONS: dict[tuple[State, Outcome], State] = {
    (State.ALONE, Outcome.BEGINS): State.SEARCHING,
    (State.ALONE, Outcome.KEY): State.JOINED,  # it remembers its network
    (State.SEARCHING, Outcome.NOT_FOUND): State.ALONE,
    (State.SEARCHING, Outcome.NOT_PERMITTED): State.ALONE,
    (State.SEARCHING, Outcome.FOUND): State.ASSOCIATING,
    (State.ASSOCIATING, Outcome.REFUSED): State.ALONE,
    (State.ASSOCIATING, Outcome.NO_ANSWER): State.ALONE,
    (State.ASSOCIATING, Outcome.KEY): State.JOINED,
}


class Answer(NamedTuple):
    """Please send this."""

    frame: ZigbeeFrame


class Joined(NamedTuple):
    """A device was let in; `known` when it belonged to the network before."""

    ieee: str
    known: bool


class Reported(NamedTuple):
    """A device said what it measures."""

    ieee: str
    values: dict[str, float]


class Dropped(NamedTuple):
    """A frame that leads to nothing, and why."""

    ieee: str
    reason: str


def seal(key: bytes, source: str, body: bytes) -> bytes:
    """What only an owner of the key can make of a frame."""
    return hmac.digest(key, source.encode() + body, hashlib.sha256)[:SEAL_BYTES]


class Coordinator:
    """Everything that is decided about frames."""

    def __init__(self, network: Network, members: Iterable[str]) -> None:
        self.network = network
        self.members = dict.fromkeys(members, 0)  # IEEE address -> the last frame counter
        self.permit = False

    def _frame(self, kind: Kind, target: str, body: dict[str, object]) -> Answer:
        data = json.dumps(body).encode()
        return Answer(ZigbeeFrame(kind, self.network.channel, self.network.pan_id, COORDINATOR, target, data))

    def receive(self, frame: ZigbeeFrame) -> list[Answer | Joined | Reported | Dropped]:
        """A frame on the channel of the network."""
        if frame.kind is Kind.BEACON_REQUEST:
            return [self._frame(Kind.BEACON, frame.source, {"permit": self.permit})]
        if frame.pan_id not in (self.network.pan_id, BROADCAST_PAN):
            return []
        if frame.kind is Kind.ASSOCIATE_REQUEST:
            if not self.permit:
                return [self._frame(Kind.ASSOCIATE_RESPONSE, frame.source, {"status": 2})]  # PAN access denied
            known = frame.source in self.members
            self.members[frame.source] = 0
            body: dict[str, object] = {"status": 0, "key": self.network.key.hex()}
            return [self._frame(Kind.ASSOCIATE_RESPONSE, frame.source, body), Joined(frame.source, known)]
        if frame.kind is Kind.DATA:
            return [self._data(frame)]
        return []

    def _data(self, frame: ZigbeeFrame) -> Reported | Dropped:
        if not hmac.compare_digest(seal(self.network.key, frame.source, frame.body), frame.seal):
            return Dropped(frame.source, "cannot be deciphered: it has another network key")
        if frame.source not in self.members:
            return Dropped(frame.source, "is not in the database")
        try:
            found = json.loads(frame.body)
            counter, values = int(found["n"]), {str(k): float(v) for k, v in found["values"].items()}
        except (ValueError, KeyError, TypeError, AttributeError):
            return Dropped(frame.source, "sends what nobody understands")
        if counter <= self.members[frame.source]:
            return Dropped(frame.source, f"repeats frame {counter}")
        self.members[frame.source] = counter
        return Reported(frame.source, values)

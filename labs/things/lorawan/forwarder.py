"""The protocol between a packet forwarder and a network server, over UDP.

Before changing this file read PROTOCOL.TXT of Semtech's packet_forwarder, version 2.
"""

from __future__ import annotations

import base64
import json
import re
import struct
from enum import IntEnum
from typing import Any, NamedTuple

from labs.net.radio import HeardFrame, Modulation
from labs.things.lorawan.airtime import CHANNELS_MHZ, snr_db
from labs.things.payload import read_json

__all__ = ["Kind", "Message", "ProtocolError", "decode", "encode", "rxpk", "txpk", "txpk_of"]

VERSION = 2


class Kind(IntEnum):
    """Types of messages."""

    PUSH_DATA = 0
    PUSH_ACK = 1
    PULL_DATA = 2
    PULL_RESP = 3
    PULL_ACK = 4
    TX_ACK = 5


WITH_GATEWAY = (Kind.PUSH_DATA, Kind.PULL_DATA, Kind.TX_ACK)


class ProtocolError(ValueError):
    """A datagram that is none of this protocol."""


class Message(NamedTuple):
    """One datagram. `gateway` is empty for those of the server."""

    kind: Kind
    token: int
    gateway: bytes = b""
    body: dict[str, Any] | None = None


def encode(message: Message) -> bytes:
    """The bytes of a datagram."""
    head = struct.pack(">BHB", VERSION, message.token, message.kind) + message.gateway
    return head if message.body is None else head + json.dumps(message.body, separators=(",", ":")).encode()


def decode(data: bytes) -> Message:
    """Raises ProtocolError."""
    try:
        version, token, kind = struct.unpack(">BHB", data[:4])
        known = Kind(kind)
        start = 12 if known in WITH_GATEWAY else 4
        if version != VERSION or len(data) < start:
            raise ProtocolError("another version, or too short")
        body = read_json(data[start:]) if data[start:] else None
    except (struct.error, ValueError) as error:
        raise ProtocolError(str(error)) from None
    return Message(known, token, data[4:start], body if isinstance(body, dict) else None)


def rxpk(frame: HeardFrame) -> dict[str, Any]:
    """A frame that the radio heard."""
    channel = CHANNELS_MHZ.index(frame.how.mhz) if frame.how.mhz in CHANNELS_MHZ else 0
    return {
        "tmst": frame.at_ns // 1000 & 0xFFFFFFFF,
        "freq": frame.how.mhz,
        "chan": channel,
        "rfch": 0,
        "stat": 1,
        "modu": "LORA",
        "datr": f"SF{frame.how.sf}BW125",
        "codr": "4/5",
        "rssi": round(frame.rssi_dbm),
        "lsnr": round(snr_db(frame.rssi_dbm), 1),
        "size": len(frame.data),
        "data": base64.b64encode(frame.data).decode(),
    }


def txpk(data: bytes, tmst: int, how: Modulation) -> dict[str, Any]:
    """A frame that the radio must send when its counter of microseconds says `tmst`."""
    return {
        "imme": False,
        "tmst": tmst & 0xFFFFFFFF,
        "freq": how.mhz,
        "rfch": 0,
        "powe": round(how.power_dbm),
        "modu": "LORA",
        "datr": f"SF{how.sf}BW125",
        "codr": "4/5",
        "ipol": how.inverted,
        "size": len(data),
        "data": base64.b64encode(data).decode(),
    }


def spreading_factor(datr: str) -> int:
    """SF7BW125 -> 7. Raises ProtocolError."""
    found = re.fullmatch(r"SF(\d{1,2})BW125", datr)
    if not found:
        raise ProtocolError(f"datr {datr!r}")
    return int(found[1])


def txpk_of(body: dict[str, Any]) -> tuple[bytes, int, Modulation]:
    """What a PULL_RESP asks for. Raises ProtocolError."""
    try:
        packet = body["txpk"]
        how = Modulation(
            spreading_factor(packet["datr"]), float(packet["freq"]), float(packet["powe"]), bool(packet["ipol"])
        )
        return base64.b64decode(packet["data"]), int(packet["tmst"]), how
    except (KeyError, TypeError, ValueError) as error:
        raise ProtocolError(str(error)) from None

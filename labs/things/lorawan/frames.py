"""Frames of LoRaWAN 1.0.x as bytes: join request, join accept, data; their codes and their ciphers.

Before changing this file read the LoRaWAN Specification 1.0.3, §4 and §6.2. On the air every number, EUIs included,
goes low byte first; on labels and in files the high byte comes first.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from labs.things.lorawan.aes import cmac, decrypt_block, encrypt_block

__all__ = [
    "DataFrame",
    "FrameError",
    "JoinAccept",
    "JoinRequest",
    "Keys",
    "decode_accept",
    "decode_data",
    "decode_request",
    "session_keys",
]

JOIN_REQUEST, JOIN_ACCEPT = 0x00, 0x20
UPLINK, DOWNLINK, CONFIRMED_UPLINK = 0x40, 0x60, 0x80
MIC_BYTES = 4
REQUEST_BYTES = 23
ACCEPT_BYTES = 17
ACK_BIT = 0x20


class FrameError(ValueError):
    """Bytes that are no frame of this kind, or one whose code (MIC) is wrong."""


@dataclass(frozen=True, slots=True)
class Keys:
    """The keys of a session."""

    network: bytes
    application: bytes


@dataclass(frozen=True, slots=True)
class JoinRequest:
    """What a device says first. EUIs are written as on the label, high byte first."""

    join_eui: bytes
    dev_eui: bytes
    nonce: int

    def _body(self) -> bytes:
        return bytes([JOIN_REQUEST]) + self.join_eui[::-1] + self.dev_eui[::-1] + struct.pack("<H", self.nonce)

    def encode(self, app_key: bytes) -> bytes:
        """The frame with its code."""
        body = self._body()
        return body + cmac(app_key, body)[:MIC_BYTES]


@dataclass(frozen=True, slots=True)
class JoinAccept:
    """What lets a device in."""

    nonce: int
    net_id: int
    dev_addr: int
    rx_delay_s: int = 1

    def encode(self, app_key: bytes) -> bytes:
        """Enciphered with the decrypt operation, so that a device needs the encrypt operation alone."""
        body = self.nonce.to_bytes(3, "little") + self.net_id.to_bytes(3, "little")
        body += struct.pack("<IBB", self.dev_addr, 0, self.rx_delay_s)
        code = cmac(app_key, bytes([JOIN_ACCEPT]) + body)[:MIC_BYTES]
        return bytes([JOIN_ACCEPT]) + decrypt_block(app_key, body + code)


@dataclass(frozen=True, slots=True)
class DataFrame:
    """An uplink or downlink. `counter` is the whole 32-bit count; the frame carries its low half."""

    dev_addr: int
    counter: int
    port: int
    payload: bytes
    uplink: bool = True
    confirmed: bool = False
    ack: bool = False

    def encode(self, keys: Keys) -> bytes:
        """The frame with enciphered payload and code."""
        kind = (CONFIRMED_UPLINK if self.confirmed else UPLINK) if self.uplink else DOWNLINK
        control = ACK_BIT if self.ack else 0
        body = struct.pack("<BIBH", kind, self.dev_addr, control, self.counter & 0xFFFF)
        if self.payload or self.port:
            body += bytes([self.port]) + _cipher(keys.application, self, self.payload)
        return body + _code(keys.network, self, body)


def _block(first: int, frame: DataFrame, last: int) -> bytes:
    return struct.pack("<B4xBIIxB", first, 0 if frame.uplink else 1, frame.dev_addr, frame.counter & 0xFFFFFFFF, last)


def _cipher(key: bytes, frame: DataFrame, payload: bytes) -> bytes:
    """§4.3.3: a stream of enciphered counters; the way back is the same."""
    stream = b"".join(encrypt_block(key, _block(1, frame, index + 1)) for index in range((len(payload) + 15) // 16))
    return bytes(a ^ b for a, b in zip(payload, stream, strict=False))


def _code(key: bytes, frame: DataFrame, body: bytes) -> bytes:
    """§4.4."""
    return cmac(key, _block(0x49, frame, len(body)) + body)[:MIC_BYTES]


def session_keys(app_key: bytes, accept: JoinAccept, dev_nonce: int) -> Keys:
    """§6.2.5."""
    seed = accept.nonce.to_bytes(3, "little") + accept.net_id.to_bytes(3, "little") + struct.pack("<H", dev_nonce)
    network, application = (encrypt_block(app_key, (bytes([first]) + seed).ljust(16, b"\0")) for first in (1, 2))
    return Keys(network, application)


def decode_request(frame: bytes) -> JoinRequest:
    """Without looking at the code: whose key it is made with stands inside. Raises FrameError."""
    if len(frame) != REQUEST_BYTES or frame[0] != JOIN_REQUEST:
        raise FrameError("not a join request")
    return JoinRequest(frame[1:9][::-1], frame[9:17][::-1], struct.unpack("<H", frame[17:19])[0])


def request_is_genuine(frame: bytes, app_key: bytes) -> bool:
    """Whether the code of a join request is made with this key."""
    return cmac(app_key, frame[:-MIC_BYTES])[:MIC_BYTES] == frame[-MIC_BYTES:]


def decode_accept(frame: bytes, app_key: bytes) -> JoinAccept:
    """Raises FrameError where it was made with another key."""
    if len(frame) != ACCEPT_BYTES or frame[0] != JOIN_ACCEPT:
        raise FrameError("not a join accept")
    plain = encrypt_block(app_key, frame[1:])
    if cmac(app_key, frame[:1] + plain[:-MIC_BYTES])[:MIC_BYTES] != plain[-MIC_BYTES:]:
        raise FrameError("MIC mismatch")
    address, _, delay = struct.unpack("<IBB", plain[6:12])
    return JoinAccept(int.from_bytes(plain[:3], "little"), int.from_bytes(plain[3:6], "little"), address, delay)


def address_of(frame: bytes) -> int | None:
    """The device address of a data frame; None for other frames."""
    if len(frame) < 12 or frame[0] not in (UPLINK, DOWNLINK, CONFIRMED_UPLINK):
        return None
    return int(struct.unpack("<I", frame[1:5])[0])


def decode_data(frame: bytes, keys: Keys, last_counter: int) -> DataFrame:
    """Check and decipher a data frame; its counter is the next one after `last_counter` with that low half.

    Raises FrameError for a wrong code, which a counter that went back gives too.
    """
    address = address_of(frame)
    if address is None:
        raise FrameError("not a data frame")
    kind, _, control, low = struct.unpack("<BIBH", frame[:8])
    if control & 0x0F:
        raise FrameError("MAC commands are not spoken here")
    counter = (last_counter + 1 & ~0xFFFF) | low
    if counter <= last_counter:
        counter += 0x10000
    body, code = frame[:-MIC_BYTES], frame[-MIC_BYTES:]
    port = body[8] if len(body) > 8 else 0
    found = DataFrame(
        address, counter, port, body[9:], kind != DOWNLINK, kind == CONFIRMED_UPLINK, bool(control & ACK_BIT)
    )
    if _code(keys.network, found, body) != code:
        raise FrameError("MIC mismatch")
    payload = _cipher(keys.application, found, found.payload)
    return DataFrame(address, counter, port, payload, found.uplink, found.confirmed, found.ack)

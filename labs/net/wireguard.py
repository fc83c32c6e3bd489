"""WireGuard's keys and messages: Curve25519 for real, the sealing in a way of our own.

Before changing this file read RFC 7748 §5 and wireguard.com/papers/wireguard.pdf §5.4. The messages have the fields and
lengths of the paper. What is sealed with a key can be opened with that key alone, but with BLAKE2s and SHAKE instead of
ChaCha20-Poly1305, and the keys are mixed in fewer steps: nobody else's WireGuard would understand it.
"""

from __future__ import annotations

import base64
import binascii
from hashlib import blake2s, shake_256
from struct import pack, unpack_from
from typing import NamedTuple

__all__ = [
    "DATA",
    "INITIATION",
    "RESPONSE",
    "Initiation",
    "Response",
    "SealError",
    "mixed",
    "open_sealed",
    "public_key",
    "read_key",
    "seal",
    "shared",
    "shown_key",
]

PRIME = 2**255 - 19
A24 = 121665
BASE = (9).to_bytes(32, "little")
KEY_BYTES = 32
TAG_BYTES = 16
INITIATION, RESPONSE, COOKIE, DATA = 1, 2, 3, 4
INITIATION_BYTES, RESPONSE_BYTES, DATA_HEAD_BYTES = 148, 92, 16


class SealError(ValueError):
    """Text that is no key, or a seal that a key does not open."""


def shared(private: bytes, public: bytes) -> bytes:
    """X25519: the secret of one's own private and the other's public key (RFC 7748 §5)."""
    scalar = int.from_bytes(private, "little") & ~7 & ~(128 << 248) | 64 << 248
    u = int.from_bytes(public, "little") & ((1 << 255) - 1)
    x2, z2, x3, z3, swap = 1, 0, u, 1, 0
    for bit in range(254, -1, -1):
        now = scalar >> bit & 1
        if swap ^ now:
            x2, x3, z2, z3 = x3, x2, z3, z2
        swap = now
        a, b, c, d = x2 + z2, x2 - z2, x3 + z3, x3 - z3
        aa, bb, da, cb = a * a % PRIME, b * b % PRIME, d * a % PRIME, c * b % PRIME
        e = aa - bb
        x3, z3 = (da + cb) ** 2 % PRIME, u * (da - cb) ** 2 % PRIME
        x2, z2 = aa * bb % PRIME, e * (aa + A24 * e) % PRIME
    if swap:
        x2, z2 = x3, z3
    return (x2 * pow(z2, PRIME - 2, PRIME) % PRIME).to_bytes(32, "little")


def public_key(private: bytes) -> bytes:
    """The public key of a private one."""
    return shared(private, BASE)


def clamped(raw: bytes) -> bytes:
    """32 bytes as `wg genkey` leaves them."""
    return bytes([raw[0] & 248, *raw[1:31], raw[31] & 127 | 64])


def read_key(text: str) -> bytes:
    """A key of 44 characters of base64. Raises SealError."""
    try:
        raw = base64.b64decode(text.strip(), validate=True)
    except (binascii.Error, ValueError):
        raw = b""
    if len(raw) != KEY_BYTES or len(text.strip()) != 44:
        raise SealError(f"Key is not the correct length or format: `{text.strip()}'")
    return raw


def shown_key(raw: bytes) -> str:
    """As people copy it."""
    return base64.b64encode(raw).decode()


def mixed(*parts: bytes) -> bytes:
    """A key that depends on all parts."""
    found = blake2s(b"wireguard")
    for part in parts:
        found.update(len(part).to_bytes(4, "little") + part)
    return found.digest()


def seal(key: bytes, counter: int, text: bytes) -> bytes:
    """Unreadable without the key, and 16 bytes longer."""
    nonce = counter.to_bytes(8, "little")
    stream = shake_256(key + nonce).digest(len(text))
    hidden = bytes(a ^ b for a, b in zip(text, stream, strict=True))
    return hidden + blake2s(nonce + hidden, key=key, digest_size=TAG_BYTES).digest()


def open_sealed(key: bytes, counter: int, data: bytes) -> bytes:
    """What was sealed. Raises SealError for another key or changed bytes."""
    nonce = counter.to_bytes(8, "little")
    hidden, tag = data[:-TAG_BYTES], data[-TAG_BYTES:]
    if len(data) < TAG_BYTES or blake2s(nonce + hidden, key=key, digest_size=TAG_BYTES).digest() != tag:
        raise SealError("the seal does not fit the key")
    stream = shake_256(key + nonce).digest(len(hidden))
    return bytes(a ^ b for a, b in zip(hidden, stream, strict=True))


class Initiation(NamedTuple):
    """The first message of a handshake."""

    sender: int
    ephemeral: bytes
    static: bytes
    stamp: bytes

    def encode(self, responder: bytes) -> bytes:
        """The bytes, with the mac that only who knows the responder's public key can make."""
        body = pack("<BxxxI", INITIATION, self.sender) + self.ephemeral + self.static + self.stamp
        return body + _mac(responder, body) + bytes(16)

    @staticmethod
    def decode(data: bytes, own: bytes) -> Initiation | None:
        """The message, or None where it was not meant for the owner of this public key."""
        if len(data) != INITIATION_BYTES or _mac(own, data[:116]) != data[116:132]:
            return None
        return Initiation(unpack_from("<I", data, 4)[0], data[8:40], data[40:88], data[88:116])


class Response(NamedTuple):
    """The second message."""

    sender: int
    receiver: int
    ephemeral: bytes
    empty: bytes

    def encode(self, initiator: bytes) -> bytes:
        """The bytes."""
        body = pack("<BxxxII", RESPONSE, self.sender, self.receiver) + self.ephemeral + self.empty
        return body + _mac(initiator, body) + bytes(16)

    @staticmethod
    def decode(data: bytes, own: bytes) -> Response | None:
        """The message, or None where it was not meant for the owner of this public key."""
        if len(data) != RESPONSE_BYTES or _mac(own, data[:60]) != data[60:76]:
            return None
        sender, receiver = unpack_from("<II", data, 4)
        return Response(sender, receiver, data[12:44], data[44:60])


def _mac(public: bytes, body: bytes) -> bytes:
    return blake2s(body, key=mixed(b"mac1----", public), digest_size=16).digest()

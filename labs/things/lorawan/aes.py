"""AES-128 of one block, and the message authentication code made of it.

Before changing this file read FIPS 197 §5 and RFC 4493. Slow and plain on purpose: a sensor sends a few frames an hour.
"""

from __future__ import annotations

from functools import lru_cache

__all__ = ["cmac", "decrypt_block", "encrypt_block"]

BLOCK = 16
ROUNDS = 10


def _times(a: int, b: int) -> int:
    """Multiplication in GF(2^8) modulo x^8 + x^4 + x^3 + x + 1."""
    product = 0
    while b:
        if b & 1:
            product ^= a
        a = a << 1 ^ (0x11B if a & 0x80 else 0)
        b >>= 1
    return product


def _tables() -> tuple[bytes, bytes]:
    """The S-box by its definition (inverse, then the affine map) and its inverse."""
    powers = [1]
    while len(powers) < 255:
        powers.append(_times(powers[-1], 3))  # 3 generates every element but 0
    place = {power: index for index, power in enumerate(powers)}
    forward = bytearray(256)
    for value in range(256):
        inverse = powers[-place[value] % 255] if value else 0
        shifted = inverse
        result = inverse
        for _ in range(4):
            shifted = (shifted << 1 | shifted >> 7) & 0xFF
            result ^= shifted
        forward[value] = result ^ 0x63
    backward = bytearray(256)
    for value, other in enumerate(forward):
        backward[other] = value
    return bytes(forward), bytes(backward)


@lru_cache(1)
def _boxes() -> tuple[bytes, bytes]:
    return _tables()


@lru_cache(1)
def _products() -> dict[int, bytes]:
    return {factor: bytes(_times(value, factor) for value in range(256)) for factor in (2, 3, 9, 11, 13, 14)}


@lru_cache(256)
def _round_keys(key: bytes) -> tuple[bytes, ...]:
    if len(key) != BLOCK:
        message = f"a key has {BLOCK} bytes, not {len(key)}"
        raise ValueError(message)
    box, _ = _boxes()
    words = [key[at : at + 4] for at in range(0, BLOCK, 4)]
    constant = 1
    for index in range(4, 4 * (ROUNDS + 1)):
        word = words[-1]
        if index % 4 == 0:
            rotated = bytes(box[byte] for byte in word[1:] + word[:1])
            word = bytes([rotated[0] ^ constant]) + rotated[1:]
            constant = _times(constant, 2)
        words.append(bytes(a ^ b for a, b in zip(word, words[-4], strict=True)))
    return tuple(b"".join(words[at : at + 4]) for at in range(0, len(words), 4))


def _xor(a: bytes, b: bytes) -> bytes:
    return bytes(x ^ y for x, y in zip(a, b, strict=True))


_SHIFT = tuple((index + 4 * (index % 4)) % 16 for index in range(16))
_UNSHIFT = tuple((index - 4 * (index % 4)) % 16 for index in range(16))


def _mix(state: bytes, factors: tuple[int, int, int, int]) -> bytes:
    tables = [_products().get(factor) for factor in factors]
    out = bytearray()
    for column in range(0, BLOCK, 4):
        part = state[column : column + 4]
        for row in range(4):
            value = 0
            for index in range(4):
                table = tables[(index - row) % 4]
                value ^= part[index] if table is None else table[part[index]]
            out.append(value)
    return bytes(out)


def encrypt_block(key: bytes, block: bytes) -> bytes:
    """One block of 16 bytes. Raises ValueError for a key of another length."""
    keys = _round_keys(key)
    box, _ = _boxes()
    state = _xor(block, keys[0])
    for number in range(1, ROUNDS + 1):
        state = bytes(box[state[index]] for index in _SHIFT)
        if number < ROUNDS:
            state = _mix(state, (2, 3, 1, 1))
        state = _xor(state, keys[number])
    return state


def decrypt_block(key: bytes, block: bytes) -> bytes:
    """The way back."""
    keys = _round_keys(key)
    _, box = _boxes()
    state = _xor(block, keys[ROUNDS])
    for number in range(ROUNDS - 1, -1, -1):
        state = _xor(bytes(box[state[index]] for index in _UNSHIFT), keys[number])
        if number:
            state = _mix(state, (14, 11, 13, 9))
    return state


def _double(block: bytes) -> bytes:
    number = int.from_bytes(block) << 1
    if number >> 128:
        number = number & (1 << 128) - 1 ^ 0x87
    return number.to_bytes(BLOCK)


def cmac(key: bytes, message: bytes) -> bytes:
    """AES-CMAC, 16 bytes (RFC 4493 §2.4)."""
    first = _double(encrypt_block(key, bytes(BLOCK)))
    blocks = [message[at : at + BLOCK] for at in range(0, len(message), BLOCK)] or [b""]
    last = blocks.pop()
    whole = len(last) == BLOCK
    last = _xor(last if whole else (last + b"\x80").ljust(BLOCK, b"\0"), first if whole else _double(first))
    state = bytes(BLOCK)
    for block in blocks:
        state = encrypt_block(key, _xor(state, block))
    return encrypt_block(key, _xor(state, last))

"""Password hashes of /etc/shadow: `$6$salt$…`, SHA-512 with 5000 rounds.

Read first: "Unix crypt using SHA-256 and SHA-512" (U. Drepper, 2008). Compare with `openssl passwd -6`.
"""

from __future__ import annotations

from hashlib import sha512

__all__ = ["sha512_crypt", "verify"]

ROUNDS = 5000
LETTERS = "./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
MAX_SALT = 16


def _repeat(digest: bytes, length: int) -> bytes:
    return digest * (length // 64) + digest[: length % 64]


def sha512_crypt(password: str, salt: str) -> str:
    """The hash of a password with a salt of at most 16 characters."""
    secret, salt_bytes = password.encode(), salt[:MAX_SALT].encode()
    inner = sha512(secret + salt_bytes + secret).digest()
    message = secret + salt_bytes + _repeat(inner, len(secret))
    bits = len(secret)
    while bits:
        message += inner if bits & 1 else secret
        bits >>= 1
    digest = sha512(message).digest()
    long_secret = _repeat(sha512(secret * len(secret)).digest(), len(secret))
    long_salt = _repeat(sha512(salt_bytes * (16 + digest[0])).digest(), len(salt_bytes))
    for number in range(ROUNDS):
        message = long_secret if number & 1 else digest
        message += long_salt if number % 3 else b""
        message += long_secret if number % 7 else b""
        message += digest if number & 1 else long_secret
        digest = sha512(message).digest()
    return f"$6${salt[:MAX_SALT]}${_letters(digest)}"


def _letters(digest: bytes) -> str:
    """The 86 letters: groups of three bytes, whose order turns with every group."""
    parts = []
    for group in range(21):
        triple = (group, group + 21, group + 42)
        turn = group % 3
        order = triple[turn:] + triple[:turn]
        value = digest[order[0]] << 16 | digest[order[1]] << 8 | digest[order[2]]
        parts.append("".join(LETTERS[value >> shift & 63] for shift in (0, 6, 12, 18)))
    parts.append(LETTERS[digest[63] & 63] + LETTERS[digest[63] >> 6])
    return "".join(parts)


def verify(password: str, stored: str) -> bool:
    """True where the password fits; a locked or empty field fits none."""
    parts = stored.split("$")
    return len(parts) == 4 and parts[1] == "6" and sha512_crypt(password, parts[2]) == stored

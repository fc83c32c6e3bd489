"""Who may log in to a broker, and who may publish and receive what: mosquitto's password file and access list.

Before changing this file read mosquitto_passwd(1) and the section on acl_file of mosquitto.conf(5).
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType

from labs.things.mosquitto_conf import ConfigError
from labs.things.mqtt.topics import matches, valid_filter

__all__ = ["Access", "AccessList", "Direction", "Passwords", "hash_password", "parse_acl", "parse_passwords"]

ITERATIONS = 101  # mosquitto_passwd, PW_DEFAULT_ITERATIONS
SALT_BYTES = 12
HASH_BYTES = 64
MAX_ITERATIONS = 100_000


def hash_password(password: str, salt_from: str) -> str:
    """`$7$101$salt$hash` (PBKDF2 with SHA-512). The salt is derived from `salt_from`: equal arguments, equal answer."""
    salt = hashlib.sha256(salt_from.encode()).digest()[:SALT_BYTES]
    digest = hashlib.pbkdf2_hmac("sha512", password.encode(), salt, ITERATIONS, HASH_BYTES)
    return f"$7${ITERATIONS}${base64.b64encode(salt).decode()}${base64.b64encode(digest).decode()}"


@dataclass(frozen=True, slots=True)
class Passwords:
    """A password file: user name to what stands behind the colon, and what the broker says while it reads the file."""

    hashes: Mapping[str, str] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "hashes", MappingProxyType(dict(self.hashes)))

    def accepts(self, user: str, password: bytes | None) -> bool:
        """True where the user exists and the password is the user's own."""
        stored = self.hashes.get(user)
        if stored is None or password is None:
            return False
        _, kind, *parts = stored.split("$")
        iterations, salt, digest = (parts[0], *parts[1:]) if kind == "7" else ("0", *parts)
        known = base64.b64decode(digest)
        if kind == "7":
            given = hashlib.pbkdf2_hmac("sha512", password, base64.b64decode(salt), int(iterations), len(known))
        else:
            given = hashlib.sha512(password + base64.b64decode(salt)).digest()
        return hmac.compare_digest(given, known)


def parse_passwords(text: str, path: str = "") -> Passwords:
    """Read a password file. An entry that mosquitto cannot use is left out, with mosquitto's line about it."""
    hashes: dict[str, str] = {}
    warnings = []
    for raw in text.split("\n"):
        line = raw.strip()
        if not line or line.startswith("#"):
            continue
        user, colon, stored = line.partition(":")
        if not user:
            warnings.append(f"Warning: Invalid line in password file '{path}': {line}")
            continue
        if not colon:
            continue
        problem = _problem(stored)
        if problem:
            warnings.append(f"Error: {problem} for user {user}, removing entry.")
        else:
            hashes[user] = stored
    return Passwords(hashes, tuple(warnings))


def _problem(stored: str) -> str:
    if not stored:
        return "Invalid password hash"
    parts = stored.split("$")
    if parts[0] or len(parts) < 3 or parts[1] not in ("6", "7"):
        return "Invalid password hash type"
    if parts[1] == "7":
        if not parts[2].isdecimal() or not 0 < int(parts[2]) <= MAX_ITERATIONS:
            return "Invalid password hash"
        parts = parts[1:]
    if len(parts) != 4 or len(_decoded(parts[2])) != SALT_BYTES:
        return "Unable to decode password salt"
    return "" if len(_decoded(parts[3])) == HASH_BYTES else "Unable to decode password"


def _decoded(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return b""


class Direction(StrEnum):
    """What a client wants to do with a topic: `read` is to receive, `write` is to publish."""

    READ = "read"
    WRITE = "write"


class Access(StrEnum):
    """The second word of a line in the access list."""

    READ = "read"
    WRITE = "write"
    READWRITE = "readwrite"
    DENY = "deny"


ALLOWS = {
    Access.READ: frozenset({Direction.READ}),
    Access.WRITE: frozenset({Direction.WRITE}),
    Access.READWRITE: frozenset(Direction),
    Access.DENY: frozenset[Direction](),
}
Rule = tuple[Access, str]


@dataclass(frozen=True, slots=True)
class AccessList:
    """An access list. What no line allows is refused; a matching `deny` of the same user counts before everything."""

    users: Mapping[str | None, tuple[Rule, ...]] = field(default_factory=dict)
    """Lines by user; None holds those above the first `user` line, for clients without a user name."""
    patterns: tuple[Rule, ...] = ()
    warnings: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "users", MappingProxyType(dict(self.users)))

    def permits(self, direction: Direction, topic: str, user: str | None, client_id: str) -> bool:
        """Whether a client may receive from or publish to a topic."""
        own = [rule for rule in self.users.get(user, ()) if matches(rule[1], topic)]
        if any(access is Access.DENY for access, _ in own):
            return False
        if any(direction in ALLOWS[access] for access, _ in own):
            return True
        if set("+#") & set(client_id + (user or "")):  # such a name in a pattern would open more than it says
            return False
        expanded = [
            access
            for access, pattern in self.patterns
            if ("%u" not in pattern or user is not None)
            and matches(pattern.replace("%c", client_id).replace("%u", user or ""), topic)
        ]
        return Access.DENY not in expanded and any(direction in ALLOWS[access] for access in expanded)


def parse_acl(text: str, path: str = "") -> AccessList:
    """Read an access list. Raises ConfigError with mosquitto's line."""
    users: dict[str | None, list[Rule]] = {None: []}
    patterns: list[Rule] = []
    warnings = []
    user: str | None = None
    for raw in text.split("\n"):
        line = raw.strip()
        if not line or line.startswith("#"):
            continue
        word, *rest = line.split(None, 1)
        value = rest[0] if rest else ""
        if word == "user":
            if not value:
                raise ConfigError(f'Error: Missing username in acl_file "{path}".')
            user = value
        elif word in ("topic", "pattern"):
            rule = _rule(word, value, path)
            if word == "topic":
                users.setdefault(user, []).append(rule)
            else:
                patterns.append(rule)
                if "%c" not in rule[1] and "%u" not in rule[1]:
                    warnings.append(f"Warning: ACL pattern '{rule[1]}' does not contain '%c' or '%u'.")
        else:
            raise ConfigError(f'Error: Invalid line in acl_file "{path}": {word}.')
    return AccessList({name: tuple(rules) for name, rules in users.items()}, tuple(patterns), tuple(warnings))


def _rule(word: str, value: str, path: str) -> Rule:
    if not value:
        raise ConfigError(f'Error: Empty {word} in acl_file "{path}".')
    first, *rest = value.split(None, 1)
    if not rest:
        access, topic = Access.READWRITE, first
    elif first in {access.value for access in Access}:
        access, topic = Access(first), rest[0]
    else:
        raise ConfigError(f'Error: Invalid {word} access type "{first}" in acl_file "{path}".')
    if not valid_filter(topic):
        raise ConfigError(f'Error: Invalid ACL topic "{topic}" in acl_file "{path}".')
    return access, topic

"""The files of wg(8): sections [Interface] and [Peer], and the words of `wg set` that mean the same."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from labs.model.addresses import IPv4, Network
from labs.net.process import Wait
from labs.net.wireguard import SealError, read_key
from labs.shell.resolver import ResolveError, resolve

if TYPE_CHECKING:
    from labs.net.linux.wireguard import WireGuard
    from labs.net.process import Process

__all__ = ["ConfigError", "PeerConfig", "WgConfig", "allowed", "apply", "parse_config", "seconds"]


class ConfigError(Exception):
    """A wrong file or word: the lines that wg says."""

    def __init__(self, *lines: str) -> None:
        super().__init__(*lines)
        self.lines = lines


@dataclass(slots=True)
class PeerConfig:
    """What is said of one peer; None is not said."""

    public: bytes = b""
    preshared: bytes | None = None
    endpoint: str = ""
    allowed: list[Network] | None = None
    keepalive_s: int | None = None
    remove: bool = False


@dataclass(slots=True)
class WgConfig:
    """What is said of an interface."""

    private: bytes | None = None
    port: int | None = None
    peers: list[PeerConfig] = field(default_factory=list)


def key(text: str) -> bytes:
    """A key. Raises ConfigError."""
    try:
        return read_key(text)
    except SealError as error:
        raise ConfigError(str(error)) from None


def allowed(text: str) -> list[Network]:
    """`10.0.0.0/24, 10.1.0.5`. Raises ConfigError."""
    found = []
    for word in filter(None, (part.strip() for part in text.split(","))):
        if ":" in word:
            raise ConfigError(f'wg: "{word}": IPv6 inside a tunnel is not simulated here')
        head, slash, length = word.partition("/")
        try:
            address = IPv4.parse(head)
            bits = int(length) if slash else 32
        except ValueError:
            raise ConfigError(f"AllowedIP is not in the correct format: `{word}'") from None
        if not 0 <= bits <= 32:
            raise ConfigError(f"AllowedIP is not in the correct format: `{word}'")
        found.append(Network.of(address, bits))
    return found


def port(text: str) -> int:
    """A port. Raises ConfigError."""
    if not text.isdecimal() or int(text) > 65535:
        raise ConfigError(f"Servname not supported for ai_socktype: `{text}'")
    return int(text)


def seconds(text: str) -> int:
    """A persistent keepalive; `off` is 0. Raises ConfigError."""
    if text == "off":
        return 0
    if not text.isdecimal() or int(text) > 65535:
        raise ConfigError(f"Persistent keepalive interval is neither 0/off nor 1-65535: `{text}'")
    return int(text)


def parse_config(text: str) -> WgConfig:
    """A file of `wg setconf`. Raises ConfigError."""
    config, peer, section = WgConfig(), PeerConfig(), ""
    for raw in text.splitlines():
        line = "".join(raw.split("#")[0].split())
        if not line:
            continue
        if line.lower() == "[interface]":
            section = "interface"
        elif line.lower() == "[peer]":
            section, peer = "peer", PeerConfig(allowed=[])
            config.peers.append(peer)
        else:
            name, equals, value = line.partition("=")
            if not equals or not _line(config, peer, section, name.lower(), value):
                raise ConfigError(f"Line unrecognized: `{line}'", "Configuration parsing error")
    if any(not peer.public for peer in config.peers):
        raise ConfigError("A peer is missing a public key", "Invalid configuration")
    return config


def _line(config: WgConfig, peer: PeerConfig, section: str, name: str, value: str) -> bool:
    match section, name:
        case "interface", "privatekey":
            config.private = key(value)
        case "interface", "listenport":
            config.port = port(value)
        case "peer", "publickey":
            peer.public = key(value)
        case "peer", "presharedkey":
            peer.preshared = key(value)
        case "peer", "allowedips":
            peer.allowed = [*(peer.allowed or []), *allowed(value)]
        case "peer", "endpoint":
            peer.endpoint = value
        case "peer", "persistentkeepalive":
            peer.keepalive_s = seconds(value)
        case _:
            return False
    return True


def apply(process: Process, guard: WireGuard, config: WgConfig, *, replace: bool) -> Generator[Wait, None, None]:
    """Carry it out; `replace` forgets the peers that are not named. Raises ConfigError, SocketError."""
    if config.private is not None:
        guard.set_private(config.private)
    if config.port is not None:
        guard.listen(config.port)
    if replace:
        wanted = {peer.public for peer in config.peers}
        for public in [public for public in guard.peers if public not in wanted]:
            del guard.peers[public]
    for said in config.peers:
        if said.remove:
            guard.peers.pop(said.public, None)
            continue
        peer = guard.peer(said.public)
        if said.preshared is not None:
            peer.preshared = said.preshared
        if said.endpoint:
            peer.endpoint = yield from _endpoint(process, said.endpoint)
        if said.allowed is not None:
            guard.allow(peer, said.allowed)
        if said.keepalive_s is not None:
            peer.keepalive_s = said.keepalive_s
        guard.settings_changed(peer)


def _endpoint(process: Process, text: str) -> Generator[Wait, None, tuple[IPv4, int]]:
    host, colon, service = text.rpartition(":")
    if not colon or not host:
        raise ConfigError(f"Unable to find port of endpoint: `{text}'")
    number = port(service)
    try:
        address = yield from resolve(process, host)
    except ResolveError as error:
        raise ConfigError(f"{error}: `{text}'", "Configuration parsing error") from None
    if not isinstance(address, IPv4):
        raise ConfigError(f'wg: "{text}": tunnels over IPv6 are not simulated here')
    return address, number

"""`wg`: keys, and what WireGuard interfaces are set to."""

from __future__ import annotations

from typing import TYPE_CHECKING

from labs.net.filesystem import FileError
from labs.net.linux.wireguard import Peer, WireGuard
from labs.net.sockets import SocketError
from labs.net.wireguard import SealError, clamped, mixed, public_key, read_key, shown_key
from labs.shell.commands.wg.config import (
    ConfigError,
    PeerConfig,
    WgConfig,
    allowed,
    apply,
    key,
    parse_config,
    port,
    seconds,
)

if TYPE_CHECKING:
    from labs.net.process import Process, Routine

__all__ = ["wg"]

SECOND = 1_000_000_000
USAGE = (
    "Usage: wg <cmd> [<args>]",
    "",
    "Available subcommands:",
    "  show: Shows the current configuration and device information",
    "  showconf: Shows the current configuration of a given WireGuard interface, for use with `setconf'",
    "  set: Change the current configuration, add peers, remove peers, or change peers",
    "  setconf: Applies a configuration file to a WireGuard interface",
    "  addconf: Appends a configuration file to a WireGuard interface",
    "  syncconf: Synchronizes a configuration file to a WireGuard interface",
    "  genkey: Generates a new private key and writes it to stdout",
    "  genpsk: Generates a new preshared key and writes it to stdout",
    "  pubkey: Reads a private key from stdin and writes a public key to stdout",
    "You may pass `--help' to any of these subcommands to view usage.",
)
SET_USAGE = (
    "Usage: wg set <interface> [listen-port <port>] [fwmark <mark>] [private-key <file path>] [peer <base64 public key>"
    " [remove] [preshared-key <file path>] [endpoint <ip>:<port>] [persistent-keepalive <interval seconds>]"
    " [allowed-ips <ip1>/<cidr1>[,<ip2>/<cidr2>]...] ]..."
)
FIELDS = (
    "public-key private-key listen-port fwmark peers preshared-keys endpoints allowed-ips latest-handshakes transfer"
    " persistent-keepalive dump"
).split()
SHOW_USAGE = f"Usage: wg show {{ <interface> | all | interfaces }} [{' | '.join(FIELDS)}]"


def wg(process: Process) -> Routine:
    """Show and change WireGuard interfaces."""
    words = process.argv[1:] or ["show"]
    if words[0] in ("-h", "--help", "help"):
        process.print(*USAGE)
        return 0
    if words[0] in ("-v", "--version"):
        process.print("wireguard-tools v1.0.20210914 - https://git.zx2c4.com/wireguard-tools/")
        return 0
    try:
        return (yield from _run(process, words[0], words[1:]))
    except ConfigError as error:
        process.error(*error.lines)
    except SocketError as error:
        process.error(f"Unable to modify interface: {error}")
    return 1


def _run(process: Process, command: str, rest: list[str]) -> Routine:
    if command in ("genkey", "genpsk"):
        if rest:
            raise ConfigError(f"Usage: wg {command}")
        number = process.node.keys_drawn = process.node.keys_drawn + 1
        drawn = mixed(process.node.name.encode(), f"{process.node.now} {number}".encode())
        process.print(shown_key(clamped(drawn) if command == "genkey" else drawn))
        return 0
    if command == "pubkey":
        text = yield from process.stdin.read_all()
        try:
            process.print(shown_key(public_key(read_key(text))))
        except SealError:
            process.error("wg: Key is not the correct length or format")
            return 1
        return 0
    if command == "show":
        return _show(process, rest)
    if command in ("set", "setconf", "addconf", "syncconf", "showconf"):
        return (yield from _change(process, command, rest))
    raise ConfigError(f"Invalid subcommand: `{command}'", *USAGE)


def _guard(process: Process, name: str, verb: str) -> WireGuard:
    interface = process.node.interfaces.get(name)
    if interface is None or interface.wireguard is None:
        what = "No such device" if interface is None else "Operation not supported"
        raise ConfigError(f"Unable to {verb} interface: {what}")
    return interface.wireguard


def _change(process: Process, command: str, rest: list[str]) -> Routine:
    if command == "set":
        if len(rest) < 2:
            raise ConfigError(SET_USAGE)
        config = _words(process, rest[1:])
        yield from apply(process, _guard(process, rest[0], "modify"), config, replace=False)
        return 0
    if len(rest) != (1 if command == "showconf" else 2):
        raise ConfigError(
            f"Usage: wg {command} <interface>" + ("" if command == "showconf" else " <configuration filename>")
        )
    if command == "showconf":
        process.print(*_conf(_guard(process, rest[0], "access")))
        return 0
    config = parse_config(_read(process, rest[1]))
    guard = _guard(process, rest[0], "modify")
    yield from apply(process, guard, config, replace=command != "addconf")
    return 0


def _read(process: Process, name: str) -> str:
    files = process.node.files
    try:
        return files.read(files.resolve(name, process.directory))
    except FileError as error:
        raise ConfigError(f"fopen: {error}") from None


def _key_file(process: Process, name: str) -> bytes:
    try:
        return read_key(_read(process, name))
    except SealError:
        raise ConfigError("Invalid length key in key file") from None


def _words(process: Process, rest: list[str]) -> WgConfig:
    """The words of `wg set`. Raises ConfigError."""
    config, left = WgConfig(), list(rest)
    peer: PeerConfig | None = None
    while left:
        word = left.pop(0)
        if word == "remove" and peer is not None:
            peer.remove = True
            continue
        if not left:
            raise ConfigError(f"Invalid argument: {word}", SET_USAGE)
        value = left.pop(0)
        if word == "listen-port" and peer is None:
            config.port = port(value)
        elif word == "private-key" and peer is None:
            config.private = _key_file(process, value)
        elif word == "fwmark":
            raise ConfigError('wg: "fwmark" is not simulated here')
        elif word == "peer":
            peer = PeerConfig(key(value))
            config.peers.append(peer)
        elif peer is None:
            raise ConfigError(f"Invalid argument: {word}", SET_USAGE)
        elif word == "endpoint":
            peer.endpoint = value
        elif word == "allowed-ips":
            peer.allowed = allowed(value)
        elif word == "persistent-keepalive":
            peer.keepalive_s = seconds(value)
        elif word == "preshared-key":
            peer.preshared = _key_file(process, value)
        else:
            raise ConfigError(f"Invalid argument: {word}", SET_USAGE)
    return config


def _conf(guard: WireGuard) -> list[str]:
    lines = ["[Interface]"]
    lines += [f"ListenPort = {guard.port}"] if guard.port else []
    lines += [f"PrivateKey = {shown_key(guard.private)}"] if any(guard.private) else []
    for peer in guard.peers.values():
        lines += ["", "[Peer]", f"PublicKey = {shown_key(peer.public)}"]
        lines += [f"PresharedKey = {shown_key(peer.preshared)}"] if any(peer.preshared) else []
        lines += [f"AllowedIPs = {', '.join(map(str, peer.allowed))}"] if peer.allowed else []
        lines += [f"Endpoint = {_endpoint(peer)}"] if peer.endpoint else []
        lines += [f"PersistentKeepalive = {peer.keepalive_s}"] if peer.keepalive_s else []
    return lines


def _endpoint(peer: Peer) -> str:
    return f"{peer.endpoint[0]}:{peer.endpoint[1]}" if peer.endpoint else "(none)"


# Show


def _show(process: Process, rest: list[str]) -> int:
    guards = {i.name: i.wireguard for i in process.node.interfaces.values() if i.wireguard is not None}
    if rest[:1] == ["interfaces"]:
        process.print(*([" ".join(guards)] if guards else []))
        return 0
    if rest and rest[0] not in ("all", "--help"):
        guards = {rest[0]: _guard(process, rest[0], "access")}
    if rest[:1] == ["--help"] or len(rest) > 2:
        process.print(SHOW_USAGE)
        return 0
    if len(rest) == 2:
        if rest[1] not in FIELDS:
            raise ConfigError(f"Invalid parameter: `{rest[1]}'", SHOW_USAGE)
        for name, guard in guards.items():
            start = f"{name}\t" if rest[0] == "all" else ""
            process.print(*[start + row for row in _field(process, guard, rest[1])])
        return 0
    process.print(*"\n\n".join("\n".join(_pretty(process, name, guard)) for name, guard in guards.items()).splitlines())
    return 0


def _pretty(process: Process, name: str, guard: WireGuard) -> list[str]:
    lines = [f"interface: {name}"]
    if any(guard.private):
        lines += [f"  public key: {shown_key(guard.public)}", "  private key: (hidden)"]
    lines += [f"  listening port: {guard.port}"] if guard.port else []
    for peer in sorted(guard.peers.values(), key=lambda peer: -peer.handshake_ns):
        lines += ["", f"peer: {shown_key(peer.public)}"]
        lines += ["  preshared key: (hidden)"] if any(peer.preshared) else []
        lines += [f"  endpoint: {_endpoint(peer)}"] if peer.endpoint else []
        lines.append(f"  allowed ips: {', '.join(map(str, peer.allowed)) or '(none)'}")
        if peer.handshake_ns >= 0:
            lines.append(f"  latest handshake: {_ago((process.node.now - peer.handshake_ns) // SECOND)}")
        if peer.received or peer.sent:
            lines.append(f"  transfer: {_bytes(peer.received)} received, {_bytes(peer.sent)} sent")
        if peer.keepalive_s:
            lines.append(f"  persistent keepalive: every {_span(peer.keepalive_s)}")
    return lines


def _span(seconds: int) -> str:
    parts = []
    for size, word in ((365 * 86400, "year"), (86400, "day"), (3600, "hour"), (60, "minute"), (1, "second")):
        count, seconds = divmod(seconds, size)
        if count:
            parts.append(f"{count} {word}{'' if count == 1 else 's'}")
    return ", ".join(parts)


def _ago(seconds: int) -> str:
    return f"{_span(seconds)} ago" if seconds > 0 else "Now"


def _bytes(count: int) -> str:
    for size, word in ((1 << 40, "TiB"), (1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")):
        if count >= size:
            return f"{count / size:.2f} {word}"
    return f"{count} B"


def _field(process: Process, guard: WireGuard, name: str) -> list[str]:
    node = process.node
    peers = list(guard.peers.values())
    keep = {peer.public: str(peer.keepalive_s) if peer.keepalive_s else "off" for peer in peers}
    shaken = {
        peer.public: str(int(node.world.wall_clock(peer.handshake_ns))) if peer.handshake_ns >= 0 else "0"
        for peer in peers
    }
    shared = {peer.public: shown_key(peer.preshared) if any(peer.preshared) else "(none)" for peer in peers}
    single = {
        "public-key": shown_key(guard.public) if any(guard.private) else "(none)",
        "private-key": shown_key(guard.private) if any(guard.private) else "(none)",
        "listen-port": str(guard.port),
        "fwmark": "off",
    }
    if name in single:
        return [single[name]]
    rows = []
    for peer in peers:
        own, ips = shown_key(peer.public), " ".join(map(str, peer.allowed)) or "(none)"
        columns = {
            "peers": [],
            "preshared-keys": [shared[peer.public]],
            "endpoints": [_endpoint(peer)],
            "allowed-ips": [ips],
            "latest-handshakes": [shaken[peer.public]],
            "transfer": [str(peer.received), str(peer.sent)],
            "persistent-keepalive": [keep[peer.public]],
            "dump": [shared[peer.public], _endpoint(peer), ips.replace(" ", ","), shaken[peer.public],
                     str(peer.received), str(peer.sent), keep[peer.public]],
        }  # fmt: skip
        rows.append("\t".join([own, *columns[name]]))
    head = "\t".join(single[field] for field in ("private-key", "public-key", "listen-port", "fwmark"))
    return [head, *rows] if name == "dump" else rows

"""`wg-quick`: a WireGuard interface from one file, step by step as the real script prints them."""

from __future__ import annotations

import posixpath
from typing import TYPE_CHECKING

from labs.net.filesystem import FileError
from labs.shell.bash.script import run_script
from labs.shell.commands.wg.config import ConfigError, parse_config

if TYPE_CHECKING:
    from labs.net.process import Process, Routine

__all__ = ["wg_quick"]

USAGE = "Usage: wg-quick [ up | down | save | strip ] [ CONFIG_FILE | INTERFACE ]"
OWN = ("address", "dns", "mtu", "table", "preup", "postup", "predown", "postdown", "saveconfig")
DEFAULT_MTU = 1420
SHELL = "bash"


def wg_quick(process: Process) -> Routine:
    """Bring an interface up or down."""
    words = process.argv[1:]
    if len(words) != 2 or words[0] not in ("up", "down", "strip", "save"):
        process.print(USAGE)
        return 0 if words[:1] in (["help"], ["--help"], ["-h"]) else 1
    action, target = words
    if action == "save":
        process.error('wg-quick: "save" is not simulated here; use: wg showconf INTERFACE')
        return 1
    path = target if target.endswith(".conf") else f"/etc/wireguard/{target}.conf"
    files = process.node.files
    try:
        text = files.read(files.resolve(path, process.directory))
    except FileError:
        process.error(f"wg-quick: `{path}' does not exist")
        return 1
    name = posixpath.basename(path).removesuffix(".conf")
    own, plain = _split(text)
    if action == "strip":
        process.print(*plain.rstrip("\n").splitlines(), "")
        return 0
    interface = process.node.interfaces.get(name)
    if action == "up" and interface is not None:
        process.error(f"wg-quick: `{name}' already exists")
        return 1
    if action == "down" and (interface is None or interface.wireguard is None):
        process.error(f"wg-quick: `{name}' is not a WireGuard interface")
        return 1
    try:
        steps = _up(name, own, plain) if action == "up" else _down(name, own)
    except ConfigError as error:
        process.error(*error.lines)
        return 1
    return (yield from _follow(process, name, steps, plain, action))


def _split(text: str) -> tuple[dict[str, list[str]], str]:
    """The words of wg-quick alone, and the file without them."""
    own: dict[str, list[str]] = {}
    plain, section = [], ""
    for line in text.splitlines():
        stripped = line.split("#")[0].strip()
        if stripped.startswith("["):
            section = stripped.lower()
        name, equals, value = stripped.partition("=")
        if section == "[interface]" and equals and name.strip().lower() in OWN:
            own.setdefault(name.strip().lower(), []).append(value.strip())
        else:
            plain.append(line)
    return own, "\n".join(plain) + "\n"


def _up(name: str, own: dict[str, list[str]], plain: str) -> list[str]:
    """The steps of `up`. Raises ConfigError."""
    config = parse_config(plain)
    networks = [network for peer in config.peers for network in peer.allowed or []]
    table = (own.get("table") or ["auto"])[-1]
    if table not in ("auto", "off"):
        raise ConfigError(f'wg-quick: "Table = {table}" is not simulated here')
    if table == "auto" and any(network.length == 0 for network in networks):
        raise ConfigError(
            "wg-quick: AllowedIPs = 0.0.0.0/0 needs policy routing, which is not simulated here;"
            " use Table = off and PostUp = ip route add ... dev %i"
        )
    if "dns" in own or (own.get("saveconfig") or ["false"])[-1] == "true":
        raise ConfigError('wg-quick: "DNS" and "SaveConfig" are not simulated here')
    steps = [line.replace("%i", name) for line in own.get("preup", [])]
    steps += [f"ip link add {name} type wireguard", f"wg setconf {name} /dev/fd/63"]
    addresses = [part.strip() for line in own.get("address", []) for part in line.split(",") if part.strip()]
    steps += [f"ip -{6 if ':' in address else 4} address add {address} dev {name}" for address in addresses]
    steps.append(f"ip link set mtu {(own.get('mtu') or [str(DEFAULT_MTU)])[-1]} up dev {name}")
    if table == "auto":
        steps += [
            f"ip -4 route add {network} dev {name}"
            for network in sorted(set(networks), key=lambda network: -network.length)
            if not any(_holds(address, str(network)) for address in addresses)
        ]
    return steps + [line.replace("%i", name) for line in own.get("postup", [])]


def _holds(address: str, network: str) -> bool:
    """True where an address of the interface brings the route by itself."""
    from labs.model.addresses import InterfaceAddress, Network

    try:
        return Network.parse(network).length >= InterfaceAddress.parse(address).network.length and (
            Network.parse(network).address in InterfaceAddress.parse(address).network
        )
    except ValueError:
        return False


def _down(name: str, own: dict[str, list[str]]) -> list[str]:
    steps = [line.replace("%i", name) for line in own.get("predown", [])]
    return [*steps, f"ip link delete dev {name}", *(line.replace("%i", name) for line in own.get("postdown", []))]


def _follow(process: Process, name: str, steps: list[str], plain: str, action: str) -> Routine:
    files = process.node.files
    files.write("/dev/fd/63", plain)
    try:
        for step in steps:
            process.error(f"[#] {step}")
            status = yield from run_script(process, step, name="wg-quick", shell=SHELL)
            if status:
                if action == "up" and name in process.node.interfaces:
                    process.error(f"[#] ip link delete dev {name}")
                    yield from run_script(process, f"ip link delete dev {name}", name="wg-quick", shell=SHELL)
                return status
    finally:
        if files.is_file("/dev/fd/63"):
            files.remove("/dev/fd/63")
    return 0

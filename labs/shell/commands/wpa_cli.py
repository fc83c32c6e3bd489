"""wpa_cli: what wpa_supplicant is doing, as wpa_cli 2.10 shows it."""

from __future__ import annotations

import hashlib

from labs.net.process import SIGHUP, Process, Program
from labs.shell.options import UsageError, parse_options
from labs.things.wifi.association import State, channel_mhz
from labs.things.wifi.config import SUPPLICANT, WifiConfigError, parse_supplicant

__all__ = ["COMMANDS"]

IFACE = "wlan0"
USAGE = "usage: wpa_cli [-i<ifname>] [-hv] [command..]\n  simulated: status scan scan_results list_networks reconfigure"
VERBS = ("status", "scan", "scan_results", "reconfigure", "list_networks", "ping", "reconnect", "reassociate")


def _status(process: Process) -> None:
    node = process.node
    radio = node.wifi
    interface = node.interfaces[IFACE]
    lines = []
    if radio.state == State.COMPLETED and radio.link:
        bss = radio.link["bss"]
        private = "WPA2" in bss.flags
        lines += [
            f"bssid={str(bss.mac).lower()}",
            f"freq={channel_mhz(bss.channel)}",
            f"ssid={bss.ssid}",
            "id=0",
            "mode=station",
            "wifi_generation=4",
            f"pairwise_cipher={'CCMP' if private else 'NONE'}",
            f"group_cipher={'CCMP' if private else 'NONE'}",
            f"key_mgmt={'WPA2-PSK' if private else 'NONE'}",
        ]
    lines.append(f"wpa_state={radio.state}")
    address = next((a.address for a in interface.addresses if "." in str(a.address)), None)
    if address is not None:
        lines.append(f"ip_address={address}")
    lines.append(f"address={str(interface.mac).lower()}")
    digest = hashlib.sha1(str(interface.mac).encode(), usedforsecurity=False).hexdigest()
    lines.append(f"uuid={digest[:8]}-{digest[8:12]}-{digest[12:16]}-{digest[16:20]}-{digest[20:32]}")
    process.print(*lines)


def _scan_results(process: Process) -> None:
    process.print("bssid / frequency / signal level / flags / ssid")
    for bss in process.node.wifi.scan:
        process.print(
            f"{str(bss.mac).lower()}\t{channel_mhz(bss.channel)}\t{bss.rssi_dbm:.0f}\t{bss.flags}\t{bss.ssid}"
        )


def _networks(process: Process) -> None:
    process.print("network id / ssid / bssid / flags")
    try:
        network = parse_supplicant(process.node.files.get(SUPPLICANT))
    except WifiConfigError:
        return
    flags = "[CURRENT]" if process.node.wifi.state == State.COMPLETED else ""
    process.print(f"0\t{network.ssid}\tany\t{flags}")


def wpa_cli(process: Process) -> int:
    """The command."""
    try:
        options, words = parse_options(process.argv[1:], "i:hv", intermixed=False)
    except UsageError as error:
        process.error(f"wpa_cli: {error}")
        process.print(USAGE)
        return 255
    if ("-v", "") in options:
        process.print("wpa_cli v2.10", "Copyright (c) 2004-2022, Jouni Malinen <j@w1.fi> and contributors")
        return 0
    if ("-h", "") in options:
        process.print(USAGE)
        return 0
    node = process.node
    unit = node.units.state("wpa_supplicant")
    alive = unit.active == "active" and IFACE in node.interfaces
    named = dict(options).get("-i", IFACE if alive else "(nil)")
    if not alive or named != IFACE:
        process.error(f"Failed to connect to non-global ctrl_ifname: {named}  error: No such file or directory")
        return 255
    if not words:
        process.error("wpa_cli: the interactive mode is not simulated; say what: " + ", ".join(VERBS))
        return 1
    if not dict(options).get("-i"):
        process.print(f"Selected interface '{IFACE}'")
    verb = words[0]
    if verb == "status":
        _status(process)
    elif verb == "scan_results":
        _scan_results(process)
    elif verb == "list_networks":
        _networks(process)
    elif verb == "ping":
        process.print("PONG")
    elif verb == "scan":
        node.wifi.ask("scan", 13)
        process.print("OK")
    elif verb in ("reconfigure", "reconnect", "reassociate"):
        if unit.process is not None:
            unit.process.kill(SIGHUP)
        process.print("OK")
    else:
        process.print(f"Unknown command '{verb}'")
        return 255
    return 0


COMMANDS: dict[str, Program] = {"wpa_cli": wpa_cli}

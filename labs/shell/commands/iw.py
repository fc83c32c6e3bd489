"""iw: the Wi-Fi of a device, as iw 5.19 shows it: `iw dev`, `iw dev wlan0 link|scan|station dump|info`."""

from __future__ import annotations

from labs.net.process import Process, Program, Routine, Wait
from labs.net.wifi import Bss
from labs.things.wifi.association import MCS, channel_mhz

__all__ = ["COMMANDS"]

SECOND = 1_000_000_000
IFACE = "wlan0"
ANSWER_NS = 10 * SECOND
MHZ = "20 MHz"
VERSION = "iw version 5.19"
USAGE = """Usage:\tiw [options] command
Options:
\t--debug\t\tenable netlink debugging
\t--version\tshow version (5.19)
Commands:
\tdev <devname> info
\tdev <devname> link
\tdev <devname> scan
\tdev <devname> station dump
\tdev
Other commands are not simulated here."""


def _mac(value: object) -> str:
    return str(value).lower()


def _has_radio(process: Process) -> bool:
    names = process.node.interfaces
    return IFACE in names or any(name.startswith(f"{IFACE}.") for name in names)


def _own_mac(process: Process) -> str:
    names = process.node.interfaces
    own = names.get(IFACE) or next(names[name] for name in names if name.startswith(f"{IFACE}."))
    return _mac(own.mac)


def _rate(mcs: int) -> str:
    return f"{MCS[mcs][0]:.1f} MBit/s MCS {mcs}"


def _info(process: Process, prefix: str) -> None:
    node = process.node
    point = node.wifi.point
    index = node.interfaces[IFACE].index if IFACE in node.interfaces else 3
    lines = [f"Interface {IFACE}", f"\tifindex {index}", "\twdev 0x1", f"\taddr {_own_mac(process)}"]
    channel = point.channel if point is not None else None
    if point is not None:
        lines.append(f"\tssid {point.ssid}")
    elif node.wifi.link:
        lines.append(f"\tssid {node.wifi.link['bss'].ssid}")
        channel = node.wifi.link["bss"].channel
    lines.append(f"\ttype {'AP' if point is not None else 'managed'}")
    if channel is not None:
        mhz = channel_mhz(channel)
        lines.append(f"\tchannel {channel} ({mhz} MHz), width: {MHZ}, center1: {mhz} MHz")
    lines.append("\ttxpower 20.00 dBm")
    process.print(*(prefix + line for line in lines))


def _link(process: Process) -> int:
    link = process.node.wifi.link
    if not link:
        process.print("Not connected.")
        return 0
    bss: Bss = link["bss"]
    interface = process.node.interfaces[IFACE]
    process.print(
        f"Connected to {_mac(bss.mac)} (on {IFACE})",
        f"\tSSID: {bss.ssid}",
        f"\tfreq: {channel_mhz(bss.channel)}",
        f"\tRX: {interface.rx.bytes} bytes ({interface.rx.packets} packets)",
        f"\tTX: {interface.tx.bytes} bytes ({interface.tx.packets} packets)",
        f"\tsignal: {link['signal']} dBm",
        f"\trx bitrate: {_rate(link['mcs'])}",
        f"\ttx bitrate: {_rate(link['mcs'])}",
        "",
        "\tbss flags:\tshort-slot-time",
        "\tdtim period:\t2",
        "\tbeacon int:\t100",
    )
    return 0


def _tell_bss(process: Process, bss: Bss) -> None:
    link = process.node.wifi.link
    joined = link.get("bss") is not None and link["bss"].mac == bss.mac
    private = "WPA2" in bss.flags
    lines = [
        f"BSS {_mac(bss.mac)}(on {IFACE})" + (" -- associated" if joined else ""),
        f"\tfreq: {channel_mhz(bss.channel)}",
        "\tbeacon interval: 100 TUs",
        f"\tcapability: ESS {'Privacy ShortSlotTime (0x0411)' if private else 'ShortSlotTime (0x0401)'}",
        f"\tsignal: {bss.rssi_dbm:.2f} dBm",
        "\tlast seen: 0 ms ago",
        f"\tSSID: {bss.ssid}",
        f"\tDS Parameter set: channel {bss.channel}",
    ]
    if private:
        suites = bss.flags.split("]", maxsplit=1)[0].removeprefix("[WPA2-").removesuffix("-CCMP").replace("+", " ")
        protection = {0: " (0x0000)", 1: " MFP-capable (0x0080)", 2: " MFP-required MFP-capable (0x00c0)"}[bss.pmf]
        lines += [
            "\tRSN:\t * Version: 1",
            "\t\t * Group cipher: CCMP",
            "\t\t * Pairwise ciphers: CCMP",
            f"\t\t * Authentication suites: {suites}",
            f"\t\t * Capabilities: 1-PTKSA-RC 1-GTKSA-RC{protection}",
        ]
    process.print(*lines)


def _scan(process: Process) -> Routine:
    radio = process.node.wifi
    if radio.point is not None:
        process.error("command failed: Operation not supported (-95)")
        return 161
    if not process.node.interfaces[IFACE].up:
        process.error("command failed: Network is down (-100)")
        return 156
    before = radio.scan_count
    radio.ask("scan", 13)
    until = process.node.now + ANSWER_NS
    while radio.scan_count == before and process.node.now < until:
        yield Wait((radio.signal,), until)
    for bss in radio.scan:
        _tell_bss(process, bss)
    return 0


def _stations(process: Process) -> int:
    node = process.node
    rows = dict(node.wifi.stations)
    for mac, seen in rows.items():
        port = node.interfaces.get(seen["port"])
        counters = (0, 0, 0, 0)
        if port is not None:
            counters = (port.rx.bytes, port.rx.packets, port.tx.bytes, port.tx.packets)
        process.print(
            f"Station {_mac(mac)} (on {IFACE})",
            f"\trx bytes:\t{counters[0]}",
            f"\trx packets:\t{counters[1]}",
            f"\ttx bytes:\t{counters[2]}",
            f"\ttx packets:\t{counters[3]}",
            f"\tsignal:  \t{seen['signal']} dBm",
            f"\ttx bitrate:\t{_rate(seen['mcs'])}",
            f"\trx bitrate:\t{_rate(seen['mcs'])}",
            "\tauthorized:\tyes",
            "\tauthenticated:\tyes",
            "\tassociated:\tyes",
            f"\tconnected time:\t{(node.now - seen['since_ns']) // SECOND} seconds",
        )
    link = node.wifi.link
    if link:
        process.print(
            f"Station {_mac(link['bss'].mac)} (on {IFACE})",
            f"\tsignal:  \t{link['signal']} dBm",
            f"\ttx bitrate:\t{_rate(link['mcs'])}",
            f"\trx bitrate:\t{_rate(link['mcs'])}",
        )
    return 0


def iw(process: Process) -> Routine:
    """The command."""
    words = [word for word in process.argv[1:] if word != "--debug"]
    if words[:1] in ([], ["help"]):
        process.print(USAGE)
        return 0
    if words[0] == "--version":
        process.print(VERSION)
        return 0
    if not _has_radio(process):  # a kernel without cfg80211
        process.error("nl80211 not found.")
        return 1
    if words == ["dev"]:
        process.print("phy#0")
        _info(process, "\t")
        return 0
    if words[0] == IFACE:  # "dev" may be left out
        words.insert(0, "dev")
    if len(words) >= 2 and words[0] == "dev":
        if words[1] != IFACE:
            process.error("command failed: No such device (-19)")
            return 237
        rest = words[2:]
        if rest == ["link"]:
            return _link(process)
        if rest == ["scan"]:
            return (yield from _scan(process))
        if rest == ["station", "dump"]:
            return _stations(process)
        if rest == ["info"]:
            _info(process, "")
            return 0
    process.print(USAGE)
    return 1


COMMANDS: dict[str, Program] = {"iw": iw}

"""ethtool: what a network card says of its lead. Compare with the real tool: ethtool 6.1."""

from __future__ import annotations

from itertools import zip_longest

from labs.net.actions import SetLink
from labs.net.interface import Interface
from labs.net.phy import LinkMode, Transceiver
from labs.net.process import Process, Program, Routine, Wait

__all__ = ["COMMANDS"]

DRIVERS = {"ether": "virtio_net", "bridge": "bridge", "vlan": "802.1Q VLAN Support", "loopback": ""}
MEGABIT = 1_000_000
WRONG = ("ethtool: bad command line argument(s)", "For more information run ethtool -h")
CHANGE_NS = 1_000_000  # the kernel answers when the transceiver has been told
NETLINK_REFUSED = 75  # exit status of ethtool for every error of the kernel
SETTABLE = {"speed": None, "duplex": ("half", "full"), "autoneg": ("off", "on")}
NOT_SIMULATED = frozenset(
    {"advertise", "lanes", "master-slave", "mdix", "msglvl", "phyad", "port", "sopass", "wol", "xcvr"}
)


def ethtool(process: Process) -> Routine:
    """The program."""
    words = process.argv[1:]
    if not words:
        process.error(*WRONG)
        return 1
    if words[0] in ("-h", "--help"):
        process.print(
            "ethtool version 6.1",
            "Usage:",
            "        ethtool DEVNAME",
            "        ethtool -i|-S|-P DEVNAME",
            "        ethtool -s DEVNAME [ speed %d ] [ duplex half|full ] [ autoneg on|off ]",
        )
        return 0
    if words[0] == "--version":
        process.print("ethtool version 6.1")
        return 0
    option = words.pop(0) if words[0].startswith("-") else ""
    if option in ("-s", "--change"):
        return (yield from _change(process, words))
    if option in ("-P", "--show-permaddr") and len(words) == 1:
        return _permanent(process, words[0])
    if option not in ("", "-i", "--driver", "-S", "--statistics"):
        process.error(f'ethtool: "{option}" is not simulated here')
        return 1
    if len(words) != 1:
        process.error(*WRONG)
        return 1
    interface = process.node.interfaces.get(words[0])
    if interface is None:
        return _missing(process, option)
    if option in ("-i", "--driver"):
        return _driver(process, interface)
    if option in ("-S", "--statistics"):
        return _statistics(process, interface)
    _settings(process, interface)
    return 0


def _missing(process: Process, option: str) -> int:
    if option in ("-i", "--driver"):
        process.error("Cannot get driver information: No such device")
        return 71
    if option:
        process.error("Cannot get stats strings information: No such device")
        return 96
    for _ in range(5):  # one for each question it asks
        process.error("netlink error: no device matches name (offset 24)", "netlink error: No such device")
    process.print("No data available")
    return 75


def _permanent(process: Process, name: str) -> int:
    interface = process.node.interfaces.get(name)
    if interface is None:
        process.error("netlink error: No such device")
        return 1
    process.print(f"Permanent address: {interface.permanent_mac if interface.kind == 'ether' else 'not set'}")
    return 0


def _driver(process: Process, interface: Interface) -> int:
    if interface.kind == "loopback":
        process.error("Cannot get driver information: Operation not supported")
        return 71
    process.print(
        f"driver: {DRIVERS.get(interface.kind, interface.kind)}",
        "version: ",
        "firmware-version: ",
        "expansion-rom-version: ",
        "bus-info: ",
        "supports-statistics: yes" if interface.kind == "ether" else "supports-statistics: no",
        "supports-test: no",
        "supports-eeprom-access: no",
        "supports-register-dump: no",
        "supports-priv-flags: no",
    )
    return 0


def _statistics(process: Process, interface: Interface) -> int:
    if interface.kind != "ether":
        process.error("no stats available")
        return 94
    process.print("NIC statistics:")
    received, sent = interface.rx, interface.tx
    for name, counters in (("rx", received), ("tx", sent)):
        for word in ("packets", "bytes", "errors", "dropped"):
            process.print(f"     {name}_{word}: {getattr(counters, word)}")
    process.print(
        f"     rx_crc_errors: {received.damaged}",
        f"     collisions: {sent.collisions}",
        f"     tx_abort_late_coll: {sent.late_collisions}",
    )
    return 0


def _change(process: Process, words: list[str]) -> Routine:
    """`ethtool -s DEVNAME NAME VALUE …`: what is not named stays, or follows from what is (ethnl_update_linkmodes)."""
    if not words:
        process.error(*WRONG)
        return 1
    name, *rest = words
    given: dict[str, str] = {}
    for word, value in zip_longest(rest[::2], rest[1::2]):
        problem = _problem(word, value)
        if problem:
            process.error(problem)
            return 1
        given[word] = value
    interface = process.node.interfaces.get(name)
    if not given:
        return 0
    if interface is None:
        process.error("netlink error: no device matches name (offset 24)", "netlink error: No such device")
        return NETLINK_REFUSED
    if interface.kind != "ether":
        process.error("netlink error: Operation not supported")
        return NETLINK_REFUSED
    phy = _changed(interface, given)
    if phy is None:
        process.error("netlink error: Invalid argument")
        return NETLINK_REFUSED
    if phy != interface.phy:
        interface.phy = phy
        process.node.emit(SetLink(name, interface.up))
        yield Wait((), process.node.now + CHANGE_NS)
    return 0


def _problem(word: str, value: str | None) -> str:
    """What is wrong with one setting, in ethtool's words; empty where nothing is."""
    if word in NOT_SIMULATED:
        return f'ethtool: "{word}" is not simulated here'
    if word not in SETTABLE:
        return f"ethtool (-s): unknown parameter '{word}'"
    if value is None:
        return f"ethtool (-s): no value for parameter '{word}'"
    allowed = SETTABLE[word]
    right = value in allowed if allowed is not None else value.isdecimal() and int(value) < 1 << 32
    return "" if right else f"ethtool (-s): invalid value '{value}' for parameter '{word}'"


def _changed(interface: Interface, given: dict[str, str]) -> Transceiver | None:
    """How the transceiver is set afterwards; None for what it cannot do."""
    phy = interface.phy
    speed = int(given["speed"]) * MEGABIT if "speed" in given else None
    full = given["duplex"] == "full" if "duplex" in given else None
    if given.get("autoneg", "on" if phy.autoneg else "off") == "on":
        only = tuple(m for m in phy.supported if speed in (None, m.speed_bps) and full in (None, m.full))
        if not only:
            return None
        return Transceiver(phy.able_bps, only=() if only == phy.supported else only)
    now = phy.only[0] if not phy.autoneg else LinkMode(interface.speed_bps, interface.full_duplex)
    mode = LinkMode(now.speed_bps if speed is None else speed, now.full if full is None else full)
    return Transceiver(phy.able_bps, autoneg=False, only=(mode,)) if mode in phy.supported else None


def _settings(process: Process, interface: Interface) -> None:
    process.print(f"Settings for {interface.name}:")
    if interface.kind == "ether":
        _ether(process, interface)
    elif interface.kind != "loopback":
        running = interface.running
        speed = interface.parent.speed_bps if interface.parent is not None else interface.speed_bps
        process.print(
            "\tSupported ports: [  ]",
            f"\tSpeed: {speed // MEGABIT}Mb/s" if running else "\tSpeed: Unknown!",
            "\tDuplex: Full" if running and interface.parent is not None else "\tDuplex: Unknown! (255)",
            "\tAuto-negotiation: off",
            "\tPort: Other",
        )
    process.print(f"\tLink detected: {'yes' if interface.up and interface.has_carrier else 'no'}")


def _ether(process: Process, interface: Interface) -> None:
    phy = interface.phy
    linked = interface.running
    duplex = "Full" if interface.full_duplex else "Half"
    process.print(
        "\tSupported ports: [ TP ]",
        f"\tSupported link modes:   {_lines(phy.supported)}",
        "\tSupports auto-negotiation: Yes",
        f"\tAdvertised link modes:  {_lines(phy.offered) if phy.autoneg else 'Not reported'}",
        f"\tAdvertised auto-negotiation: {'Yes' if phy.autoneg else 'No'}",
        f"\tSpeed: {interface.speed_bps // MEGABIT}Mb/s" if linked else "\tSpeed: Unknown!",
        f"\tDuplex: {duplex}" if linked else "\tDuplex: Unknown! (255)",
        f"\tAuto-negotiation: {'on' if phy.autoneg else 'off'}",
        "\tPort: Twisted Pair",
        "\tPHYAD: 1",
        "\tTransceiver: internal",
    )


def _lines(modes: tuple[LinkMode, ...]) -> str:
    """Link modes as they are listed, one speed a line."""
    speeds = dict.fromkeys(mode.speed_bps for mode in modes)
    return "\n\t                        ".join(
        " ".join(str(mode) for mode in modes if mode.speed_bps == speed) for speed in speeds
    )


COMMANDS: dict[str, Program] = {"ethtool": ethtool}

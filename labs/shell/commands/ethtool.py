"""ethtool: what a network card says of its lead. Compare with the real tool: ethtool 6.1."""

from __future__ import annotations

from labs.net.interface import Interface
from labs.net.process import Process, Program

__all__ = ["COMMANDS"]

DRIVERS = {"ether": "virtio_net", "bridge": "bridge", "vlan": "802.1Q VLAN Support", "loopback": ""}
MODES = ((10, ("10baseT/Half", "10baseT/Full")), (100, ("100baseT/Half", "100baseT/Full")), (1000, ("1000baseT/Full",)),
         (2500, ("2500baseT/Full",)), (10000, ("10000baseT/Full",)))  # fmt: skip
MEGABIT = 1_000_000
WRONG = ("ethtool: bad command line argument(s)", "For more information run ethtool -h")
OPERATION_NOT_SUPPORTED = 95  # errno, asm-generic/errno.h


def ethtool(process: Process) -> int:
    """The program."""
    words = process.argv[1:]
    if not words:
        process.error(*WRONG)
        return 1
    if words[0] in ("-h", "--help"):
        process.print("ethtool version 6.1", "Usage:", "        ethtool DEVNAME", "        ethtool -i|-S DEVNAME")
        return 0
    if words[0] == "--version":
        process.print("ethtool version 6.1")
        return 0
    option = words.pop(0) if words[0].startswith("-") else ""
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
    for name, counters in (("rx", interface.rx), ("tx", interface.tx)):
        for word in ("packets", "bytes", "errors", "dropped"):
            process.print(f"     {name}_{word}: {getattr(counters, word)}")
    return 0


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
    able = interface.speed_bps // MEGABIT
    modes = [" ".join(names) for speed, names in MODES if speed <= able]
    linked = interface.running
    space = "\n\t                        "
    process.print(
        "\tSupported ports: [ TP ]",
        f"\tSupported link modes:   {space.join(modes)}",
        "\tSupports auto-negotiation: Yes",
        f"\tAdvertised link modes:  {space.join(modes)}",
        "\tAdvertised auto-negotiation: Yes",
        f"\tSpeed: {able}Mb/s" if linked else "\tSpeed: Unknown!",
        "\tDuplex: Full" if linked else "\tDuplex: Unknown! (255)",
        "\tAuto-negotiation: on",
        "\tPort: Twisted Pair",
        "\tPHYAD: 1",
        "\tTransceiver: internal",
    )


COMMANDS: dict[str, Program] = {"ethtool": ethtool}

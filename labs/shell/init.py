"""What a device does when it gets power: kernel settings, host name, loopback, then the enabled services in order."""

from __future__ import annotations

from typing import TYPE_CHECKING

from labs.net.filesystem import FileError
from labs.net.linux.units import WANTS
from labs.net.process import Wait

if TYPE_CHECKING:
    from collections.abc import Generator

    from labs.net.linux.node import LinuxNode
    from labs.net.process import Process, Routine

__all__ = ["boot"]

FIRST = ("fake-hwclock", "hostapd", "wpa_supplicant", "networking", "nftables")
UNIT_PATIENCE_NS = 90_000_000_000  # DefaultTimeoutStartSec of systemd


def boot(process: Process) -> Routine:
    """The program `init`: bring the device up from its files. A unit that fails does not stop the others."""
    node = process.node
    log(node, "kernel", "Linux version 6.1.0-netwerf (simulated)")
    node.set_up(node.interfaces["lo"], up=True)
    hostname = node.files.get("/etc/hostname").strip()
    if hostname:
        node.sysctl.set("kernel.hostname", hostname.split()[0])
        log(node, "systemd", f"Hostname set to <{hostname.split()[0]}>.")
    apply_settings(node)
    for name in enabled_units(node):
        if not node.units.known(name):
            log(node, "systemd", f"{name}.service: Unit {name}.service not found.")
            continue
        yield from start_and_wait(node, name)
    log(node, "systemd", "Reached target multi-user.target - Multi-User System.")
    return 0


def log(node: LinuxNode, identifier: str, text: str) -> None:
    """A line of the boot, by the kernel or by systemd itself."""
    node.units.log(identifier, text, 0 if identifier == "kernel" else 1)


def start_and_wait(node: LinuxNode, name: str) -> Generator[Wait, None, None]:
    """Start a unit and let a oneshot unit finish."""
    started = node.units.start(name)
    until = node.now + UNIT_PATIENCE_NS
    while started is not None and started.running and node.now < until:
        yield Wait((started.exited,), until)


def enabled_units(node: LinuxNode) -> list[str]:
    """What starts at boot, in order: the clock, networking, nftables, then by name."""
    folder = WANTS.rstrip("/")
    if not node.files.is_directory(folder):
        return []
    names = [entry.removesuffix(".service") for entry in node.files.list(folder) if entry.endswith(".service")]
    return [name for name in FIRST if name in names] + [name for name in names if name not in FIRST]


def setting_files(node: LinuxNode) -> list[str]:
    """The files systemd-sysctl reads, in the order of their names; /etc/sysctl.conf counts as 99-sysctl.conf."""
    found: dict[str, str] = {}
    for folder in ("/usr/lib/sysctl.d", "/run/sysctl.d", "/etc/sysctl.d"):
        if node.files.is_directory(folder):
            found |= {name: f"{folder}/{name}" for name in node.files.list(folder) if name.endswith(".conf")}
    if node.files.is_file("/etc/sysctl.conf"):
        found.setdefault("99-sysctl.conf", "/etc/sysctl.conf")
    return [found[name] for name in sorted(found)]


def apply_settings(node: LinuxNode) -> None:
    """Every setting of every file; one that is wrong is reported in the journal and passed over."""
    for path in setting_files(node):
        for number, raw in enumerate(node.files.get(path).split("\n"), start=1):
            line = raw.strip()
            if not line or line[0] in "#;":
                continue
            name, equals, value = line.partition("=")
            if not equals:
                log(node, "systemd-sysctl", f"{path}:{number}: Line is not an assignment, ignoring: {line}")
                continue
            _apply(node, name.strip(), value.strip())


def _apply(node: LinuxNode, name: str, value: str) -> None:
    quiet = name.startswith("-")
    dotted = name.removeprefix("-").replace("/", ".")
    try:
        known = node.sysctl.set(dotted, value)
    except FileError as error:
        log(node, "systemd-sysctl", f"Couldn't write '{value}' to '{dotted.replace('.', '/')}': {error}")
        return
    if not known and not quiet:
        path = dotted.replace(".", "/")
        log(node, "systemd-sysctl", f"Couldn't write '{value}' to '{path}', ignoring: No such file or directory")

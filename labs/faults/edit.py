"""How faults change the files of a device: through the parsers that the device itself reads them with."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from labs.faults.fault import FaultError, device_of
from labs.model.addresses import InterfaceAddress, IPv4
from labs.model.site import Site
from labs.net.ifupdown import InterfacesFile, Stanza, parse_interfaces, render_interfaces
from labs.things.toml_edit import TomlValue, set_toml_key

__all__ = [
    "change_address",
    "change_each_line",
    "change_lines",
    "change_stanza",
    "read_file",
    "set_key",
    "static_stanza",
]

INTERFACES = "/etc/network/interfaces"


def read_file(site: Site, device: str, path: str, what: str) -> str:
    """A file of a device. Raises FaultError naming what the device would have to be."""
    text = device_of(site, device).files.get(path)
    if text is None:
        message = f"{device} has no {path}: the fault needs {what}"
        raise FaultError(message)
    return text


def static_stanza(site: Site, device: str, interface: str | None = None) -> Stanza:
    """The first interface with a fixed address, or the one named. Raises FaultError."""
    parsed = parse_interfaces(read_file(site, device, INTERFACES, "a device with a network configuration"))
    for stanza in parsed.stanzas:
        if stanza.method == "static" and stanza.family == "inet" and interface in (None, stanza.name):
            return stanza
    message = f"{device} has no fixed address" + (f" on {interface}" if interface else "")
    raise FaultError(message)


def change_stanza(site: Site, device: str, name: str, change: Callable[[Stanza], Stanza]) -> Site:
    """Rewrite one paragraph of /etc/network/interfaces."""
    target = device_of(site, device)
    parsed = parse_interfaces(read_file(site, device, INTERFACES, "a device with a network configuration"))
    if all(stanza.name != name for stanza in parsed.stanzas):
        message = f"{device} has no interface {name}"
        raise FaultError(message)
    stanzas = tuple(change(s) if s.name == name and s.family == "inet" else s for s in parsed.stanzas)
    changed: InterfacesFile = replace(parsed, stanzas=stanzas)
    return site.with_device(target.with_file(INTERFACES, render_interfaces(changed)))


def change_address(site: Site, device: str, change: Callable[[InterfaceAddress], InterfaceAddress]) -> Site:
    """Change the first fixed address of a device."""
    stanza = static_stanza(site, device)
    old = InterfaceAddress.parse(stanza.get("address") or "")
    return change_stanza(site, device, stanza.name, lambda s: s.with_option("address", str(change(old))))


def fixed_address(site: Site, device: str) -> IPv4:
    """The first fixed address of a device. Raises FaultError."""
    address = InterfaceAddress.parse(static_stanza(site, device).get("address") or "").address
    assert isinstance(address, IPv4)
    return address


def change_lines(site: Site, device: str, path: str, what: str, change: Callable[[list[str]], list[str]]) -> Site:
    """Change a file line by line. Raises FaultError where nothing changed: a fault must break something."""
    before = read_file(site, device, path, what).splitlines()
    after = change(list(before))
    if after == before:
        message = f"there is nothing in {path} of {device} that this fault could break"
        raise FaultError(message)
    return site.with_device(device_of(site, device).with_file(path, "\n".join(after) + "\n"))


def change_each_line(site: Site, device: str, path: str, what: str, change: Callable[[str], str | None]) -> Site:
    """Change the lines of a file, each by itself; None takes a line out. Raises FaultError where nothing changed."""

    def each(lines: list[str]) -> list[str]:
        return [new for line in lines if (new := change(line)) is not None]

    return change_lines(site, device, path, what, each)


def set_key(site: Site, device: str, path: str, what: str, key: str, value: TomlValue) -> Site:
    """Set a key of a TOML file. Raises FaultError where the value stands there already."""
    before = read_file(site, device, path, what)
    after = set_toml_key(before, key, value)
    if after == before:
        message = f"{key} in {path} of {device} already has that value"
        raise FaultError(message)
    return site.with_device(device_of(site, device).with_file(path, after))

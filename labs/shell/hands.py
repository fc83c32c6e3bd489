"""What hands do on site: move leads, switch power, look around, wait. Typed at the place `hands`."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from typing import TYPE_CHECKING

from labs.model.durations import format_duration, parse_duration
from labs.model.site import Endpoint, Kind, Link
from labs.shell.hands_in_rooms import ROOM_VERBS, tell_quantities
from labs.shell.hands_on_buses import BUS_VERBS, look_at_bus, tell_drop
from labs.shell.hands_on_radio import RADIO_VERBS, tell_radio
from labs.shell.hands_on_wires import WIRE_VERBS, spot_of, tell_lines
from labs.shell.workbench import HandsError, Workbench

if TYPE_CHECKING:
    from labs.net.linux.node import LinuxNode

__all__ = ["HandsError", "Workbench", "run_hands"]

MAX_WAIT_NS = 7 * 24 * 3600 * 1_000_000_000


def run_hands(bench: Workbench, line: str) -> str:
    """Do one thing; returns what there is to tell. Raises HandsError."""
    try:
        words = shlex.split(line, comments=True)
    except ValueError as error:
        message = f"hands: {error}"
        raise HandsError(message) from None
    if not words:
        return ""
    verb, *rest = words
    if verb not in VERBS:
        message = f'hands: "{verb}" is not something hands can do; they can: {", ".join(VERBS)}'
        raise HandsError(message)
    return VERBS[verb][0](bench, rest)


def _endpoint(bench: Workbench, text: str) -> Endpoint:
    device, colon, port = text.partition(":")
    site = bench.site
    if device not in site.devices:
        message = f'hands: there is no device "{device}"; there are: {", ".join(site.devices)}'
        raise HandsError(message)
    ports = [p.name for p in site.devices[device].ports]
    if not colon and len(ports) == 1:
        port = ports[0]
    if port not in ports:
        message = f'hands: {device} has no port "{port}"; it has: {", ".join(ports)}'
        raise HandsError(message)
    if port.startswith("wlan"):
        message = f"hands: {device}:{port} is a radio, no lead fits into it"
        raise HandsError(message, 1)
    return Endpoint(device, port)


def _patch(bench: Workbench, words: list[str]) -> str:
    if len(words) != 2:
        message = "hands: usage: patch DEVICE:PORT DEVICE:PORT   (a lead from one port to the other)"
        raise HandsError(message)
    a, b = (_endpoint(bench, word) for word in words)
    if a == b:
        message = f"hands: both ends of a lead cannot sit in {a}"
        raise HandsError(message, 1)
    told = []
    taken = bench.site.link_at(a)
    if taken is not None and b in taken.ends:
        return f"The lead {a} - {b} is already there.\n"
    model: Link | None = None
    for end in (a, b):
        old = bench.unplug(end)
        if old is not None:
            model = model or old
            told.append(f"The lead {old.a} - {old.b} is loose now.\n")
    link = Link(a, b) if model is None else Link(a, b, model.delay_ns, model.jitter_ns, 0.0, model.queue_bytes)
    bench.plug(link)
    return "".join(told) + f"A lead runs from {a} to {b}.\n"


def _unplug(bench: Workbench, words: list[str]) -> str:
    if len(words) != 1:
        message = "hands: usage: unplug DEVICE:PORT"
        raise HandsError(message)
    end = _endpoint(bench, words[0])
    link = bench.unplug(end)
    if link is None:
        message = f"hands: there is no lead in {end}"
        raise HandsError(message, 1)
    return f"The lead {link.a} - {link.b} is out.\n"


def _power(bench: Workbench, words: list[str]) -> str:
    if len(words) != 2 or words[0] not in ("on", "off", "cycle"):
        message = "hands: usage: power on|off|cycle DEVICE"
        raise HandsError(message)
    action, name = words
    if name not in bench.site.devices:
        message = f'hands: there is no device "{name}"; there are: {", ".join(bench.site.devices)}'
        raise HandsError(message)
    powered = bench.site.devices[name].powered
    if action == "cycle":
        bench.power(name, on=False)
        bench.wait(5_000_000_000)
        bench.power(name, on=True)
        return f"{name} is off, five seconds pass, {name} is on again.\n"
    if powered == (action == "on"):
        return f"{name} is already {action}.\n"
    bench.power(name, on=action == "on")
    return f"{name} is {action}.\n"


def _wait(bench: Workbench, words: list[str]) -> str:
    try:
        duration = parse_duration(" ".join(words))
    except ValueError as error:
        message = f"hands: {error}"
        raise HandsError(message) from None
    if not 0 < duration <= MAX_WAIT_NS:
        message = "hands: a wait is longer than nothing and at most 7 days"
        raise HandsError(message)
    bench.wait(duration)
    return f"{format_duration(duration)} pass.\n"


def _look(bench: Workbench, words: list[str]) -> str:
    site = bench.site
    if not words:
        rooms = sorted({device.room for device in site.devices.values()})
        return "".join(_look_room(bench, room) for room in rooms)
    if len(words) == 1 and words[0] in site.devices:
        return _look_device(bench, words[0])
    if len(words) == 1 and any(device.room == words[0] for device in site.devices.values()):
        return _look_room(bench, words[0])
    bus = look_at_bus(bench, words[0]) if len(words) == 1 else None
    if bus is not None:
        return bus
    rooms = sorted({device.room for device in site.devices.values()} - {""})
    devices = ", ".join(site.devices)
    message = f'hands: there is no room or device "{" ".join(words)}"; rooms: {", ".join(rooms)}; devices: {devices}'
    if site.buses:
        message += f"; buses: {', '.join(bus.name for bus in site.buses)}"
    raise HandsError(message)


def _look_room(bench: Workbench, room: str) -> str:
    lines = [f"{room or 'elsewhere'}:"]
    for device in bench.site.devices.values():
        if device.room == room:
            purpose = f", {device.purpose}" if device.purpose else ""
            lines.append(f"  {device.name} ({device.kind}{purpose}){'' if device.powered else ', off'}")
    lines += tell_quantities(bench, room)
    return "\n".join(lines) + "\n"


def _look_device(bench: Workbench, name: str) -> str:
    device = bench.site.devices[name]
    lines = [f"{name}: {device.kind}{', ' + device.purpose if device.purpose else ''}, in {device.room or 'no room'}"]
    if not device.powered:
        lines.append("  no lamp burns: it has no power")
    node = bench.node(name)
    for port in device.ports:
        if port.name.startswith("wlan"):
            continue
        link = bench.site.link_at(Endpoint(name, port.name))
        far = next((end for end in link.ends if end.device != name or end.port != port.name), None) if link else None
        interface = node.interfaces.get(port.name)
        lamp = "lamp on" if device.powered and interface is not None and interface.running else "lamp off"
        lines.append(f"  {port.name:<8} {lamp:<9} {f'lead to {far}' if far else 'empty'}   label {port.mac}")
    lines += tell_drop(bench, name) + tell_radio(bench, name)
    lines += [line for line in (*tell_lines(bench, name), spot_of(bench, name)) if line]
    if device.kind is Kind.DISPLAY and device.powered:
        lines.append(f"  on the screen: {screen_text(node)}")
    return "\n".join(lines) + "\n"


def screen_text(node: LinuxNode) -> str:
    """What a display shows."""
    import json

    text = node.files.get("/run/display.json")
    if not text:
        return "(nothing)"
    return str(json.loads(text).get("text", "--"))


def _help(bench: Workbench, words: list[str]) -> str:
    del bench, words
    return "".join(f"  {usage}\n" for _, usage in VERBS.values())


VERBS: dict[str, tuple[Callable[[Workbench, list[str]], str], str]] = {
    "look": (_look, "look [ROOM|DEVICE]               what stands where, which lamps burn, where leads go"),
    "patch": (_patch, "patch DEVICE:PORT DEVICE:PORT    put a lead between two ports"),
    "unplug": (_unplug, "unplug DEVICE:PORT               take a lead out"),
    "power": (_power, "power on|off|cycle DEVICE        switch a device"),
    **ROOM_VERBS,
    **BUS_VERBS,
    **WIRE_VERBS,
    **RADIO_VERBS,
    "wait": (_wait, "wait 10 min                      let time pass"),
    "help": (_help, "help                             this list"),
}

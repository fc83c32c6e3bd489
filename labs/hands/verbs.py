"""The words of hands: leads, power, looking around and waiting; those for rooms, buses, lines and radio beside it."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from labs.hands.buses import BUS_VERBS, look_at_bus, tell_drop
from labs.hands.radio import RADIO_VERBS, tell_radio
from labs.hands.rooms import ROOM_VERBS, tell_quantities
from labs.hands.wires import WIRE_VERBS, spot_of, tell_lines
from labs.hands.workbench import HandsError, Told, Verb, Workbench, no_device
from labs.messages import Message, message
from labs.model.durations import format_duration, parse_duration
from labs.model.site import Device, Endpoint, Kind, Link

if TYPE_CHECKING:
    from labs.net.linux.node import LinuxNode

__all__ = ["run_hands"]

USAGE_WIDTH = 41  # the longest, that of `move`
MAX_WAIT_NS = 7 * 24 * 3600 * 1_000_000_000


def run_hands(bench: Workbench, line: str) -> tuple[Told, int]:
    """Do one thing; returns what there is to tell, and an exit status."""
    try:
        return _run(bench, line), 0
    except HandsError as error:
        return [Message("hands: {said}", {"said": error.said})], error.status


def _run(bench: Workbench, line: str) -> Told:
    try:
        words = shlex.split(line, comments=True)
    except ValueError as error:
        raise HandsError(Message(str(error))) from None
    if not words:
        return []
    verb, *rest = words
    if verb not in VERBS:
        raise HandsError(
            message('"{verb}" is not something hands can do; they can: {known}', verb=verb, known=", ".join(VERBS))
        )
    return VERBS[verb][0](bench, rest)


def _endpoint(bench: Workbench, text: str) -> Endpoint:
    device, colon, port = text.partition(":")
    site = bench.site
    if device not in site.devices:
        raise no_device(device, bench)
    ports = [p.name for p in site.devices[device].ports]
    if not colon and len(ports) == 1:
        port = ports[0]
    if port not in ports:
        raise HandsError(
            message('{device} has no port "{port}"; it has: {known}', device=device, port=port, known=", ".join(ports))
        )
    if port.startswith("wlan"):
        raise HandsError(message("{end} is a radio, no lead fits into it", end=Endpoint(device, port)), 1)
    return Endpoint(device, port)


def _patch(bench: Workbench, words: list[str]) -> Told:
    if len(words) != 2:
        raise HandsError(message("usage: patch DEVICE:PORT DEVICE:PORT   (a lead from one port to the other)"))
    a, b = (_endpoint(bench, word) for word in words)
    if a == b:
        raise HandsError(message("both ends of a lead cannot sit in {end}", end=a), 1)
    told = []
    taken = bench.site.link_at(a)
    if taken is not None and b in taken.ends:
        return [message("The lead {a} - {b} is already there.", a=a, b=b)]
    model: Link | None = None
    for end in (a, b):
        old = bench.unplug(end)
        if old is not None:
            model = model or old
            told.append(message("The lead {a} - {b} is loose now.", a=old.a, b=old.b))
    link = Link(a, b) if model is None else Link(a, b, model.delay_ns, model.jitter_ns, 0.0, model.queue_bytes)
    bench.plug(link)
    return [*told, message("A lead runs from {a} to {b}.", a=a, b=b)]


def _unplug(bench: Workbench, words: list[str]) -> Told:
    if len(words) != 1:
        raise HandsError(message("usage: unplug DEVICE:PORT"))
    end = _endpoint(bench, words[0])
    link = bench.unplug(end)
    if link is None:
        raise HandsError(message("there is no lead in {end}", end=end), 1)
    return [message("The lead {a} - {b} is out.", a=link.a, b=link.b)]


def _power(bench: Workbench, words: list[str]) -> Told:
    if len(words) != 2 or words[0] not in ("on", "off", "cycle"):
        raise HandsError(message("usage: power on|off|cycle DEVICE"))
    action, name = words
    if name not in bench.site.devices:
        raise no_device(name, bench)
    powered = bench.site.devices[name].powered
    if action == "cycle":
        bench.power(name, on=False)
        bench.wait(5_000_000_000)
        bench.power(name, on=True)
        return [message("{name} is off, five seconds pass, {name} is on again.", name=name)]
    on = action == "on"
    if powered == on:
        already = message("{name} is already on.", name=name) if on else message("{name} is already off.", name=name)
        return [already]
    bench.power(name, on=on)
    return [message("{name} is on.", name=name) if on else message("{name} is off.", name=name)]


def _wait(bench: Workbench, words: list[str]) -> Told:
    try:
        duration = parse_duration(" ".join(words))
    except ValueError as error:
        raise HandsError(Message(str(error))) from None
    if not 0 < duration <= MAX_WAIT_NS:
        raise HandsError(message("a wait is longer than nothing and at most 7 days"))
    how = bench.let_pass(duration)
    return [message("{duration} pass.", duration=format_duration(duration)), *how]


def _look(bench: Workbench, words: list[str]) -> Told:
    site = bench.site
    if not words:
        rooms = sorted({device.room for device in site.devices.values()})
        return [line for room in rooms for line in _look_room(bench, room)]
    if len(words) == 1 and words[0] in site.devices:
        return _look_device(bench, words[0])
    if len(words) == 1 and any(device.room == words[0] for device in site.devices.values()):
        return _look_room(bench, words[0])
    bus = look_at_bus(bench, words[0]) if len(words) == 1 else None
    if bus is not None:
        return bus
    known = {
        "name": " ".join(words),
        "rooms": ", ".join(sorted({device.room for device in site.devices.values()} - {""})),
        "devices": ", ".join(site.devices),
    }
    if site.buses:
        raise HandsError(
            message(
                'there is no room or device "{name}"; rooms: {rooms}; devices: {devices}; buses: {buses}',
                buses=", ".join(bus.name for bus in site.buses),
                **known,
            )
        )
    raise HandsError(message('there is no room or device "{name}"; rooms: {rooms}; devices: {devices}', **known))


def _look_room(bench: Workbench, room: str) -> Told:
    lines = [Message("{room}:", {"room": room or message("elsewhere")})]
    for device in bench.site.devices.values():
        if device.room == room:
            shown = {"name": device.name, "what": _what(device)}
            lines.append(
                Message("  {name} ({what})", shown) if device.powered else message("  {name} ({what}), off", **shown)
            )
    return [*lines, *tell_quantities(bench, room)]


def _what(device: Device) -> Message:
    """What a device is, and what it is for."""
    kind = Message(str(device.kind))
    return Message("{kind}, {purpose}", {"kind": kind, "purpose": device.purpose}) if device.purpose else kind


def _look_device(bench: Workbench, name: str) -> Told:
    device = bench.site.devices[name]
    shown = {"name": name, "what": _what(device)}
    lines = [
        message("{name}: {what}, in {room}", room=device.room, **shown)
        if device.room
        else message("{name}: {what}, in no room", **shown)
    ]
    if not device.powered:
        lines.append(message("  no lamp burns: it has no power"))
    node = bench.node(name)
    for port in device.ports:
        if port.name.startswith("wlan"):
            continue
        link = bench.site.link_at(Endpoint(name, port.name))
        far = next((end for end in link.ends if end.device != name or end.port != port.name), None) if link else None
        interface = node.interfaces.get(port.name)
        burns = device.powered and interface is not None and interface.running
        lines.append(
            message(
                "  {port:<8} {lamp:<9} {lead}   label {mac}",
                port=port.name,
                lamp=message("lamp on") if burns else message("lamp off"),
                lead=message("lead to {far}", far=far) if far else message("empty"),
                mac=port.mac,
            )
        )
    lines += [*tell_drop(bench, name), *tell_radio(bench, name), *tell_lines(bench, name), *spot_of(bench, name)]
    if device.kind is Kind.DISPLAY and device.powered:
        lines.append(message("  on the screen: {text}", text=_screen_text(node)))
    return lines


def _screen_text(node: LinuxNode) -> object:
    """What a display shows."""
    import json

    text = node.files.get("/run/display.json")
    return str(json.loads(text).get("text", "--")) if text else message("(nothing)")


def _help(bench: Workbench, words: list[str]) -> Told:
    del bench, words
    return [_Usage("{usage}", {"usage": usage}) for _, usage in VERBS.values()]


class _Usage(Message):
    """A line of help in two columns, whatever the language."""

    def in_language(self, language: str) -> str:
        words, gap, about = super().in_language(language).partition("  ")
        return f"  {words:<{USAGE_WIDTH}}{gap}{about.lstrip()}"


VERBS: dict[str, Verb] = {
    "look": (_look, message("look [ROOM|DEVICE]               what stands where, which lamps burn, where leads go")),
    "patch": (_patch, message("patch DEVICE:PORT DEVICE:PORT    put a lead between two ports")),
    "unplug": (_unplug, message("unplug DEVICE:PORT               take a lead out")),
    "power": (_power, message("power on|off|cycle DEVICE        switch a device")),
    **ROOM_VERBS,
    **BUS_VERBS,
    **WIRE_VERBS,
    **RADIO_VERBS,
    "wait": (_wait, message("wait 10 min                      let time pass")),
    "help": (_help, message("help                             this list")),
}

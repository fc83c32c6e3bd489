"""What hands do to things that talk by radio: carry them to another room."""

from __future__ import annotations

from labs.hands.wires import WIRE_VERBS
from labs.hands.workbench import HandsError, Told, Verb, Workbench, no_device
from labs.messages import message
from labs.things.world import SPOTS

__all__ = ["RADIO_VERBS", "tell_radio"]

ZIGBEE, ZIGBEE_NETWORK = "/etc/zigbee.toml", "/var/lib/zigbee.json"


def _move(bench: Workbench, words: list[str]) -> Told:
    if len(words) != 2:
        raise HandsError(message("usage: move DEVICE {places}", places=f"{'|'.join(SPOTS)}|ROOM"))
    name, room = words
    site = bench.site
    if name not in site.devices:
        raise no_device(name, bench)
    rooms = sorted({*site.world.rooms, *site.radio.places})
    if room not in rooms and room in SPOTS:
        return WIRE_VERBS["move"][0](bench, words)
    if room not in rooms:
        raise HandsError(message('there is no room "{name}"; rooms: {known}', name=room, known=", ".join(rooms)))
    if site.devices[name].room == room:
        return [message("{name} is in {room} already.", name=name, room=room)]
    held = [str(end) for link in site.links for end in link.ends if end.device == name]
    if held:
        raise HandsError(message("{name} hangs on a lead; first: unplug {end}", name=name, end=held[0]), 1)
    if site.bus_of(name) is not None:
        raise HandsError(message("{name} hangs on a lead", name=name), 1)
    bench.move(name, room)
    return [message("{name} is in {room} now.", name=name, room=room)]


def tell_radio(bench: Workbench, name: str) -> Told:
    """What a look at a device shows of its radio."""
    device = bench.site.devices[name]
    radios = [port for port in device.ports if port.name.startswith("wlan")]
    missing = bench.site.radio.antenna_db.get(name)
    if radios:
        wifi = bench.node(name).wifi
        burns = device.powered and (wifi.link or wifi.point is not None)
        return [
            message(
                "  Wi-Fi    {lamp:<9} {antenna}   label {mac}",
                lamp=message("lamp on") if burns else message("lamp off"),
                antenna=message("no antenna") if missing else message("antenna on it"),
                mac=radios[0].mac,
            )
        ]
    return [message("  no antenna on its socket")] if missing else []


def _pair(bench: Workbench, words: list[str]) -> Told:
    if len(words) != 1:
        raise HandsError(message("usage: pair DEVICE"))
    site, name = bench.site, words[0]
    if name not in site.devices or ZIGBEE not in site.devices[name].files:
        known = ", ".join(name for name, device in site.devices.items() if ZIGBEE in device.files)
        raise HandsError(
            message(
                '"{name}" has no pairing button; devices with one: {known}', name=name, known=known or message("none")
            )
        )
    bench.alter(name, ZIGBEE_NETWORK, "{}\n", restart="zigbee")
    return [message("{name}: the lamp blinks; it has forgotten its network and looks for one that lets in.", name=name)]


RADIO_VERBS: dict[str, Verb] = {
    "move": (
        _move,
        message(
            "move DEVICE {places}   carry it to another room, or elsewhere in its room",
            places=f"{'|'.join(SPOTS)}|ROOM",
        ),
    ),
    "pair": (_pair, message("pair DEVICE   hold the button of a Zigbee device until its lamp blinks")),
}

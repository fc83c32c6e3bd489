"""What hands do to things that talk by radio: carry them to another room."""

from __future__ import annotations

from collections.abc import Callable

from labs.shell.hands_on_wires import WIRE_VERBS
from labs.shell.workbench import HandsError, Workbench
from labs.things.world import SPOTS

__all__ = ["RADIO_VERBS", "tell_radio"]

ZIGBEE, ZIGBEE_NETWORK = "/etc/zigbee.toml", "/var/lib/zigbee.json"


def _move(bench: Workbench, words: list[str]) -> str:
    if len(words) != 2:
        message = f"hands: usage: move DEVICE {'|'.join(SPOTS)}|ROOM"
        raise HandsError(message)
    name, room = words
    site = bench.site
    if name not in site.devices:
        message = f'hands: there is no device "{name}"; there are: {", ".join(site.devices)}'
        raise HandsError(message)
    rooms = sorted({*site.world.rooms, *site.radio.places})
    if room not in rooms and room in SPOTS:
        return WIRE_VERBS["move"][0](bench, words)
    if room not in rooms:
        message = f'hands: there is no room "{room}"; rooms: {", ".join(rooms)}'
        raise HandsError(message)
    if site.devices[name].room == room:
        return f"{name} is in {room} already.\n"
    held = [str(end) for link in site.links for end in link.ends if end.device == name]
    if held or site.bus_of(name) is not None:
        message = f"hands: {name} hangs on a lead" + (f" ({held[0]})" if held else "")
        raise HandsError(message, 1)
    bench.move(name, room)
    return f"{name} is in {room} now.\n"


def tell_radio(bench: Workbench, name: str) -> list[str]:
    """What a look at a device shows of its radio."""
    device, lines = bench.site.devices[name], []
    radios = [port for port in device.ports if port.name.startswith("wlan")]
    if radios:
        wifi = bench.node(name).wifi
        lamp = "on" if device.powered and (wifi.link or wifi.point is not None) else "off"
        lines.append(f"  Wi-Fi    lamp {lamp:<4} antenna on it   label {radios[0].mac}")
    missing = bench.site.radio.antenna_db.get(name)
    if missing:
        lines = [line.replace("antenna on it", "no antenna") for line in lines] or ["  no antenna on its socket"]
    return lines


def _pair(bench: Workbench, words: list[str]) -> str:
    if len(words) != 1:
        message = "hands: usage: pair DEVICE"
        raise HandsError(message)
    site = bench.site
    if words[0] not in site.devices or ZIGBEE not in site.devices[words[0]].files:
        known = ", ".join(name for name, device in site.devices.items() if ZIGBEE in device.files) or "none"
        message = f'hands: "{words[0]}" has no pairing button; devices with one: {known}'
        raise HandsError(message)
    bench.alter(words[0], ZIGBEE_NETWORK, "{}\n", restart="zigbee")
    return f"{words[0]}: the lamp blinks; it has forgotten its network and looks for one that lets in.\n"


RADIO_VERBS: dict[str, tuple[Callable[[Workbench, list[str]], str], str]] = {
    "move": (_move, f"move DEVICE {'|'.join(SPOTS)}|ROOM   carry it to another room, or elsewhere in its room"),
    "pair": (_pair, "pair DEVICE   hold the button of a Zigbee device until its lamp blinks"),
}

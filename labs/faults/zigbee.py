"""Zigbee: networks that overlap, keys and channels that were changed, joining that is shut or left open."""

from __future__ import annotations

import re
from dataclasses import replace

from labs.faults.edit import change_each_line, read_file
from labs.faults.fault import FaultError, device_of, fault
from labs.model.radio import Neighbour
from labs.model.site import Site
from labs.things.thing_config import ThingConfigError
from labs.things.zigbee.config import (
    BRIDGE,
    DATABASE,
    DEVICE,
    NETWORK,
    Bridge,
    database_of,
    network_file,
    parse_bridge,
    parse_database,
    parse_device,
    parse_network,
)
from labs.things.zigbee.link import CHANNELS, overlaps

__all__ = ["FAULTS"]

FAMILY = "zigbee"
A_SENSOR = "a Zigbee sensor"
A_GATEWAY = "a Zigbee gateway"


def _bridge(site: Site, on: str) -> Bridge:
    try:
        return parse_bridge(read_file(site, on, BRIDGE, A_GATEWAY))
    except ThingConfigError as error:
        raise FaultError(f"{on}: {BRIDGE}: {error}") from None


def _set(site: Site, on: str, key: str, value: str) -> Site:
    place = re.compile(rf"(\s*{key}:).*")
    return change_each_line(site, on, BRIDGE, A_GATEWAY, lambda line: place.sub(rf"\1 {value}", line))


@fault(
    FAMILY,
    symptom="Values of some sensors come now and then; at night they are complete",
    shown_by="journalctl -u zigbee on a sensor: channel access failure, no acknowledgement; compare both channels",
    fix="Zigbee channel 15, 20, 25 or 26 beside Wi-Fi 1, 6 and 11, then pair again; or another Wi-Fi channel",
)
def zigbee_wifi_overlap(site: Site, on: str, channel: int, room: str) -> Site:
    """A busy Wi-Fi network in `room` on a channel that covers that of the gateway `on`."""
    own = _bridge(site, on).network.channel
    if not 1 <= channel <= 13:
        raise FaultError(f"{channel} is no Wi-Fi channel; they are 1 to 13")
    if not overlaps(own, channel):
        hit = ", ".join(str(wifi) for wifi in range(1, 14) if overlaps(own, wifi)) or "none"
        raise FaultError(f"Wi-Fi channel {channel} does not reach Zigbee channel {own}; these do: {hit}")
    neighbour = Neighbour(f"Wifi-{channel}", room, channel, 20.0)
    if neighbour in site.radio.neighbours:
        raise FaultError(f"that neighbour is there already (channel {channel}, {room})")
    return replace(site, radio=replace(site.radio, neighbours=(*site.radio.neighbours, neighbour)))


@fault(
    FAMILY,
    symptom="A sensor reports, every frame is acknowledged, and no value comes",
    shown_by="journalctl -u zigbee2mqtt: frame dropped: the device cannot be deciphered",
    fix="Permit joining and pair the sensor again",
)
def zigbee_key_mismatch(site: Site, on: str) -> Site:
    """A sensor that was paired before the network got another key."""
    known = parse_network(read_file(site, on, NETWORK, A_SENSOR))
    if known is None:
        raise FaultError(f"{on} is not paired")
    old = bytes(byte ^ 0x5A for byte in known.key)
    return site.with_device(device_of(site, on).with_file(NETWORK, network_file(replace(known, key=old))))


@fault(
    FAMILY,
    symptom="A new sensor blinks and blinks and is never found",
    shown_by="journalctl -u zigbee on the sensor: joining is not permitted; bridge/info: permit_join false",
    fix="Permit joining first (bridge/request/permit_join), then hold the button of the sensor",
)
def permit_join_off(site: Site, on: str, of: str) -> Site:
    """The sensor `of` was replaced by a new one, and the gateway `on` lets nobody in."""
    bridge = _bridge(site, on)
    ieee = parse_device(read_file(site, of, DEVICE, A_SENSOR)).ieee
    members = parse_database(site.devices[on].files.get(DATABASE, ""))
    if ieee not in members:
        raise FaultError(f"{of} is not paired with {on}")
    left = database_of([other for other in members if other != ieee])
    site = site.with_device(device_of(site, on).with_file(DATABASE, left))
    site = site.with_device(device_of(site, of).with_file(NETWORK, "{}\n"))
    return _set(site, on, "permit_join", "false") if bridge.permit_join else site


@fault(
    FAMILY,
    symptom="Values of a device that is not ours stand on the broker",
    shown_by="mosquitto_sub -t zigbee2mqtt/bridge/info: permit_join true; bridge/devices: a stranger",
    fix="permit_join: false, and remove the stranger from the network",
)
def permit_join_left_on(site: Site, on: str) -> Site:
    """Joining was permitted for the installation and never shut again."""
    _bridge(site, on)
    return _set(site, on, "permit_join", "true")


@fault(
    FAMILY,
    symptom="Since the gateway has another channel every sensor is silent",
    shown_by="journalctl -u zigbee on a sensor: no acknowledgement, and the channel it uses; bridge/info: another",
    fix="The old channel back, or pair every sensor again",
)
def zigbee_wrong_channel(site: Site, on: str, channel: int) -> Site:
    """The gateway was set to another channel; sleeping sensors stay where they were."""
    if channel not in CHANNELS:
        raise FaultError(f"{channel} is no Zigbee channel; they are 11 to 26")
    if _bridge(site, on).network.channel == channel:
        raise FaultError(f"{on} is on channel {channel} already")
    return _set(site, on, "channel", str(channel))


@fault(
    FAMILY,
    symptom="A sensor is offline, or its link quality is near zero",
    shown_by="journalctl -u zigbee on the sensor: no acknowledgement; linkquality of its last message",
    fix="Carry the sensor or the gateway nearer",
)
def zigbee_out_of_range(site: Site, on: str, room: str) -> Site:
    """A sensor lies where the gateway does not reach."""
    read_file(site, on, DEVICE, A_SENSOR)
    if room not in {*site.world.rooms, *site.radio.places}:
        raise FaultError(f'there is no room "{room}"; rooms: {", ".join(site.world.rooms)}')
    device = device_of(site, on)
    if device.room == room:
        raise FaultError(f"{on} is in {room} already")
    return site.with_device(replace(device, room=room))


@fault(
    FAMILY,
    symptom="Every Zigbee device is gone; the service does not stay up",
    shown_by="journalctl -u zigbee2mqtt: cannot open the port",
    fix="serial.port is where the stick is: /dev/ttyACM0",
)
def zigbee_wrong_port(site: Site, on: str, port: str = "/dev/ttyUSB0") -> Site:
    """Zigbee2MQTT looks for its stick where there is none."""
    _bridge(site, on)
    return _set(site, on, "port", port)


FAULTS = (
    zigbee_wifi_overlap,
    zigbee_key_mismatch,
    permit_join_off,
    permit_join_left_on,
    zigbee_wrong_channel,
    zigbee_out_of_range,
    zigbee_wrong_port,
)

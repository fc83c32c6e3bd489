"""Radio: keys, bytes in the wrong order, signals too weak, and air that is used for too long."""

from __future__ import annotations

import json
from dataclasses import replace

from labs.faults.edit import read_file, set_key
from labs.faults.fault import FaultError, device_of, fault
from labs.model.site import Site
from labs.things.lorawan.airtime import airtime_ns, off_time_ns
from labs.things.lorawan.config import DEVICE, FORWARDER, REGIONS_MHZ, SERVER, parse_device, parse_server

__all__ = ["FAULTS"]

FAMILY = "radio"
A_SENSOR = "a LoRaWAN sensor"
A_SERVER = "a LoRaWAN network server"
KEPT = "/var/lib/lorawan-server.json"
SECOND = 1_000_000_000
FRAME_BYTES = 17


def _registered(site: Site, on: str, of: str) -> None:
    known = [device.name for device in parse_server(read_file(site, on, SERVER, A_SERVER)).devices]
    if of not in known:
        message = f'{on} does not know "{of}"; it knows: {", ".join(known)}'
        raise FaultError(message)


@fault(
    FAMILY,
    symptom="The sensor asks to join again and again and is never let in",
    shown_by="lorawanctl log on the server: join request: MIC mismatch",
    fix="Set the AppKey of the label, high byte first, on the server",
)
def lorawan_wrong_appkey(site: Site, on: str, of: str) -> Site:
    """The server has another key for a sensor: two of its bytes are exchanged."""
    _registered(site, on, of)
    key = next(d.app_key for d in parse_server(site.devices[on].files[SERVER]).devices if d.name == of).hex()
    wrong = key[2:4] + key[:2] + key[4:]
    if wrong == key:
        wrong = f"{int(key[:2], 16) ^ 1:02x}{key[2:]}"
    return set_key(site, on, SERVER, A_SERVER, f"device.{of}.app_key", wrong)


@fault(
    FAMILY,
    symptom="The sensor is never let in, and the server names a device that nobody knows",
    shown_by="lorawanctl log on the server: join request of unknown device, read it from right to left",
    fix="Register the DevEUI as it is printed, high byte first",
)
def lorawan_eui_reversed(site: Site, on: str, of: str) -> Site:
    """The DevEUI was registered low byte first."""
    _registered(site, on, of)
    eui = next(d.dev_eui for d in parse_server(site.devices[on].files[SERVER]).devices if d.name == of)
    return set_key(site, on, SERVER, A_SERVER, f"device.{of}.dev_eui", eui[::-1].hex())


@fault(
    FAMILY,
    symptom="After a new battery the sensor is not let in any more, for a long time",
    shown_by="lorawanctl log on the server: DevNonce already used",
    fix="Keep the counter of the sensor, or have the server forget the numbers of that sensor",
)
def lorawan_devnonce_reused(site: Site, on: str, of: str, used: int = 60) -> Site:
    """The sensor counts its join requests from one again, and the server remembers these numbers."""
    _registered(site, on, of)
    device = device_of(site, on)
    kept = json.loads(device.files.get(KEPT, "{}"))
    if kept.get(of):
        message = f"{on} remembers join requests of {of} already"
        raise FaultError(message)
    kept[of] = list(range(1, used + 1))
    return site.with_device(device.with_file(KEPT, json.dumps(kept) + "\n"))


@fault(
    FAMILY,
    symptom="The sensor sends and nothing at all is heard",
    shown_by="lorawanctl status on the sensor: another region; journalctl -u lora-pkt-fwd: nothing",
    fix="Set the plan of the region, EU868",
)
def lorawan_wrong_region(site: Site, on: str, region: str = "US915") -> Site:
    """A sensor for another continent."""
    if region not in REGIONS_MHZ:
        message = f'"{region}" is not a region; known are {", ".join(REGIONS_MHZ)}'
        raise FaultError(message)
    return set_key(site, on, DEVICE, A_SENSOR, "lorawan.region", region)


@fault(
    FAMILY,
    symptom="Messages are missing at regular times",
    shown_by="lorawanctl status on the sensor: skipped (duty cycle)",
    fix="A lower spreading factor, a longer interval, or both",
)
def lorawan_duty_cycle(site: Site, on: str, interval: int = 60) -> Site:
    """A slow spreading factor and a short interval: more than one percent of the time on the air."""
    read_file(site, on, DEVICE, A_SENSOR)
    took = airtime_ns(FRAME_BYTES, 12)
    if interval * SECOND >= took + off_time_ns(took):
        message = f"every {interval} s is allowed even at SF12"
        raise FaultError(message)
    before = site
    for key, value in (("lorawan.sf", 12), ("sensor.interval_s", interval)):
        try:
            site = set_key(site, on, DEVICE, A_SENSOR, key, value)
        except FaultError:
            if key == "sensor.interval_s" and site is before:
                raise
    return site


@fault(
    FAMILY,
    symptom="The battery empties years too early although the gateway is near",
    shown_by="lorawanctl status on the server: SF12 with a margin of tens of dB",
    fix="The lowest spreading factor that leaves some margin",
)
def lorawan_sf_too_high(site: Site, on: str, sf: int = 12) -> Site:
    """A sensor sends thirty times longer than it must."""
    site = set_key(site, on, DEVICE, A_SENSOR, "lorawan.sf", sf)
    try:
        parse_device(site.devices[on].files[DEVICE])
    except ValueError as error:
        raise FaultError(str(error)) from None
    return site


@fault(
    FAMILY,
    symptom="Silence, or a message now and then",
    shown_by="lorawanctl status on the server: margin near zero; look: where it lies",
    fix="Carry it nearer, or a higher spreading factor",
)
def weak_signal(site: Site, on: str, room: str) -> Site:
    """A thing lies where the radio hardly reaches."""
    device = device_of(site, on)
    if room not in {*site.world.rooms, *site.radio.places}:
        message = f'there is no room "{room}"; rooms: {", ".join(site.world.rooms)}'
        raise FaultError(message)
    if device.room == room:
        message = f"{on} is in {room} already"
        raise FaultError(message)
    return site.with_device(replace(device, room=room))


@fault(
    FAMILY,
    symptom="The signal is tens of dB weaker than that of its neighbours",
    shown_by="lorawanctl status on the server: compare RSSI; look: no antenna",
    fix="Screw the antenna on",
)
def antenna_missing(site: Site, on: str, loss: int = 25) -> Site:
    """A thing without its antenna."""
    device_of(site, on)
    if site.radio.antenna_db.get(on):
        message = f"{on} has no antenna already"
        raise FaultError(message)
    antennas = {**site.radio.antenna_db, on: float(loss)}
    return replace(site, radio=replace(site.radio, antenna_db=antennas))


@fault(
    FAMILY,
    symptom="Every sensor of a site falls silent at once",
    shown_by="journalctl -u lora-pkt-fwd: no answer from the server; lorawanctl status on the server: no gateway",
    fix="Set the address of the network server, or open UDP port 1700 on the way",
)
def lora_gateway_offline(site: Site, on: str, host: str = "lorawan.example") -> Site:
    """The gateway talks to a server that is not there."""
    conf = json.loads(read_file(site, on, FORWARDER, "a LoRaWAN gateway"))
    if conf["gateway_conf"]["server_address"] == host:
        message = f"{on} talks to {host} already"
        raise FaultError(message)
    conf["gateway_conf"]["server_address"] = host
    return site.with_device(device_of(site, on).with_file(FORWARDER, json.dumps(conf, indent=4) + "\n"))


FAULTS = (
    lorawan_wrong_appkey,
    lorawan_eui_reversed,
    lorawan_devnonce_reused,
    lorawan_wrong_region,
    lorawan_duty_cycle,
    lorawan_sf_too_high,
    weak_signal,
    antenna_missing,
    lora_gateway_offline,
)

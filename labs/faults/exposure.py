"""Things that work and are open: doors, accounts, keys and cables that nobody needs, and data that nobody should have.

Before changing this file read ETSI EN 303 645, provisions 5.1 (no universal passwords), 5.5 (secure communication),
5.6 (minimise exposed attack surfaces) and 5.8 (personal data).
"""

from __future__ import annotations

import re

from labs.faults.edit import change_each_line, change_lines, read_file, set_key
from labs.faults.fault import FaultError, device_of, fault
from labs.faults.messaging import set_thing_key, thing_config, with_account
from labs.model.site import Site
from labs.things.lorawan.config import DEVICE, SERVER, parse_device, parse_server
from labs.things.thing_config import ThingConfigError
from labs.things.toml_edit import get_toml_key
from labs.things.wifi.config import HOSTAPD, SUPPLICANT, WifiConfigError, parse_hostapd, parse_supplicant

__all__ = ["FAULTS"]

FAMILY = "exposure"
INETD = "/etc/inetd.conf"
INTERFACES = "/etc/network/interfaces"
TELNET = "telnet stream tcp nowait root /usr/sbin/telnetd telnetd"
A_THING = "a thing with a model"


@fault(
    FAMILY,
    symptom="Port 23 answers with a login; what is typed there can be read by everybody on the way",
    shown_by="nmap or nc from another device; ss -tln on the device itself",
    fix="Take the line out of /etc/inetd.conf and restart inetd; use ssh",
)
def telnet_open(site: Site, on: str) -> Site:
    """A login without encryption is offered."""
    text = read_file(site, on, INETD, "a device with inetd (services.listen)")
    if any(re.match(r"\s*telnet\s", line) for line in text.splitlines()):
        message = f"{on} offers telnet already"
        raise FaultError(message)
    return site.with_device(device_of(site, on).with_file(INETD, text + TELNET + "\n"))


@fault(
    FAMILY,
    symptom="Everything works, with any certificate at all: whoever sits in between reads and writes along",
    shown_by="sensorctl get mqtt.insecure; a broker with a certificate of its own making is believed",
    fix="mqtt.insecure false, and the authority of the site as cafile",
)
def tls_verification_off(site: Site, on: str) -> Site:
    """A thing encrypts and does not look with whom."""
    path, _ = thing_config(site, on)
    if not _key_or(device_of(site, on).files[path], "mqtt.tls", default=False):
        message = f"{on} does not use TLS"
        raise FaultError(message)
    return set_thing_key(site, on, "mqtt.insecure", value=True)


def _key_or(text: str, key: str, *, default: object) -> object:
    """The value of a key, or the default where it does not stand there."""
    try:
        return get_toml_key(text, key)
    except KeyError:
        return default


@fault(
    FAMILY,
    symptom="Nothing to be seen, until one device is lost: its key opens all the others",
    shown_by="lorawanctl get lorawan.app_key on two devices: the same digits",
    fix="A key of its own for every device, here and on the server",
)
def same_key_everywhere(site: Site, on: str, of: str, server: str) -> Site:
    """A LoRaWAN sensor was given the AppKey of another, on both sides."""
    try:
        key = parse_device(read_file(site, of, DEVICE, "a LoRaWAN sensor")).app_key.hex()
        known = [one.name for one in parse_server(read_file(site, server, SERVER, "a network server")).devices]
    except ThingConfigError as error:
        message = f"{of} or {server}: {error}"
        raise FaultError(message) from None
    if on not in known:
        message = f'{server} does not know "{on}"; it knows: {", ".join(known)}'
        raise FaultError(message)
    site = set_key(site, on, DEVICE, "a LoRaWAN sensor", "lorawan.app_key", key)
    return set_key(site, server, SERVER, "a network server", f"device.{on}.app_key", key)


@fault(
    FAMILY,
    symptom="One password opens every device of the installer, here and at his other customers",
    shown_by="sensorctl get device.password on two devices",
    fix="A password of its own for every device, kept in a vault",
)
def shared_password(site: Site, on: str, of: str) -> Site:
    """Two things have one password."""
    text = read_file(site, of, "/etc/sensor.toml", A_THING)
    password = _key_or(text, "device.password", default="")
    if not password:
        message = f"{of} has no password of its own"
        raise FaultError(message)
    return set_key(site, on, "/etc/sensor.toml", A_THING, "device.password", str(password))


@fault(
    FAMILY,
    symptom="Somebody who left years ago still reads along",
    shown_by="cut -d: -f1 /etc/mosquitto/passwd beside the list of people; the log of the broker shows the login",
    fix="mosquitto_passwd -D, and a day on which accounts are looked through",
)
def orphan_account(site: Site, on: str, user: str = "installateur-2019", password: str = "zomer2019") -> Site:  # noqa: S107 - the fault
    """The account of somebody who is gone."""
    return with_account(site, on, user, password)


@fault(
    FAMILY,
    symptom="Everybody in the street can join; nobody is asked for a key",
    shown_by="iw dev wlan0 scan: no RSN below the name; wpa_cli scan_results: [ESS] alone",
    fix="wpa=2 with a passphrase, in the access point and in every device",
)
def wifi_open(site: Site, on: str) -> Site:
    """An access point without encryption, and its devices set up for that."""
    try:
        ssid = parse_hostapd(read_file(site, on, HOSTAPD, "an access point")).ssid
    except WifiConfigError as error:
        message = f"{on}: {error}"
        raise FaultError(message) from None
    safety = re.compile(r"(wpa|rsn|ieee80211w)")
    site = change_each_line(site, on, HOSTAPD, "an access point", lambda line: None if safety.match(line) else line)
    for name, device in site.devices.items():
        text = device.files.get(SUPPLICANT)
        if text is not None and parse_supplicant(text).ssid == ssid:
            site = change_lines(site, name, SUPPLICANT, "a station", _without_key)
    return site


def _without_key(lines: list[str]) -> list[str]:
    kept = [line for line in lines if not re.match(r"\s*(psk|key_mgmt|ieee80211w)=", line)]
    end = max(index for index, line in enumerate(kept) if line.strip() == "}")
    return [*kept[:end], "\tkey_mgmt=NONE", *kept[end:]]


@fault(
    FAMILY,
    symptom="Whoever may listen at the broker learns who lives there and where they sleep",
    shown_by="mosquitto_sub -t '#' -v: a name in the topic",
    fix="Topics of places and numbers; names stay in the file of the customer",
)
def personal_data_in_topic(site: Site, on: str, topic: str = "jan.peeters/slaapkamer") -> Site:
    """A topic names a person and a bedroom."""
    return set_thing_key(site, on, "mqtt.topic", topic)


@fault(
    FAMILY,
    symptom="A socket in the hall is in the network of the machines",
    shown_by="bridge vlan show: a port that nobody uses has the VLAN of the plant; a laptop there gets an address",
    fix="Put the port in no VLAN, or switch it off (ip link set down, and in the file)",
)
def unused_port_live(site: Site, on: str, port: str, vlan: int) -> Site:
    """A free port of a managed switch carries a VLAN that it should not."""
    device = device_of(site, on)
    if all(known.name != port for known in device.ports):
        message = f"{on} has no port {port}; ports: {', '.join(known.name for known in device.ports)}"
        raise FaultError(message)
    if any(end.device == on and end.port == port for link in site.links for end in link.ends):
        message = f"{on}:{port} is in use"
        raise FaultError(message)

    def carry(lines: list[str]) -> list[str]:
        own = next((i for i, line in enumerate(lines) if line.split()[:2] == ["iface", port]), None)
        if own is not None:
            message = f"{on}:{port} has a paragraph of its own already"
            raise FaultError(message)
        head = re.compile(r"(\s*bridge[-_]ports\s.*)")
        joined = [f"{line} {port}" if head.fullmatch(line) and port not in line.split() else line for line in lines]
        if not any(head.fullmatch(line) for line in lines):
            return lines
        return [*joined, "", f"iface {port} inet manual", f"    bridge-access {vlan}"]

    return change_lines(site, on, INTERFACES, "a managed switch", carry)


FAULTS = (
    telnet_open,
    tls_verification_off,
    same_key_everywhere,
    shared_password,
    orphan_account,
    wifi_open,
    personal_data_in_topic,
    unused_port_live,
)

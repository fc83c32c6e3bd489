"""Brokers that let in too much or too little, certificates that nobody believes, things in each other's way."""

from __future__ import annotations

from labs.faults.edit import change_each_line, change_lines, read_file, set_key
from labs.faults.fault import FaultError, device_of, fault
from labs.faults.messaging import A_SENSOR, BROKER, SENSOR, set_thing_key, thing_config, with_account
from labs.model.site import Site
from labs.net.certificate import Certificate, CertificateError, certificate_text, read_certificates
from labs.things.toml_edit import get_toml_key

__all__ = ["FAULTS"]

FAMILY = "brokers"
A_BROKER = "a broker"
ACL, SERVER = "/etc/mosquitto/acl", "/etc/mosquitto/certs/server.crt"
DAY_S = 86_400


def _key_of(site: Site, device: str, key: str) -> str:
    path, what = thing_config(site, device)
    return str(get_toml_key(read_file(site, device, path, what), key))


@fault(
    FAMILY,
    symptom="Two things are online in turns, and each throws the other off",
    shown_by="journalctl -u mosquitto: already connected, closing old connection",
    fix="Give every thing a client id of its own, such as its serial number",
)
def client_id_clash(site: Site, on: str, of: str) -> Site:
    """A thing was copied from another, client id and all."""
    return set_thing_key(site, on, "mqtt.client_id", _key_of(site, of, "mqtt.client_id"))


@fault(
    FAMILY,
    symptom="Two values take turns under one name",
    shown_by="mosquitto_sub -v: the value on a topic jumps; sensorctl config on both",
    fix="Give every sensor a topic of its own",
)
def topic_taken(site: Site, on: str, of: str) -> Site:
    """A sensor publishes to the topic of another one."""
    read_file(site, of, SENSOR, A_SENSOR)
    return set_key(site, on, SENSOR, A_SENSOR, "mqtt.topic", _key_of(site, of, "mqtt.topic"))


def _user_lines(lines: list[str], user: str, rules: list[str]) -> list[str]:
    """The access list with other rules for one user."""
    if f"user {user}" not in [line.strip() for line in lines]:
        message = f'there is no user "{user}" in {ACL}'
        raise FaultError(message)
    kept, inside = [], False
    for line in lines:
        if line.strip().startswith("user "):
            inside = line.strip() == f"user {user}"
            kept += [line, *(rules if inside else [])]
        elif not inside or not line.strip().startswith("topic "):
            kept.append(line)
    return kept


@fault(
    FAMILY,
    symptom="Everything works; a thing could also command all the others",
    shown_by="cat /etc/mosquitto/acl; mosquitto_sub with the password of the thing hears everything",
    fix="Give each user the topics it needs, reading and writing apart",
)
def acl_too_wide(site: Site, on: str, user: str) -> Site:
    """A user may read and write everything."""
    return change_lines(site, on, ACL, A_BROKER, lambda lines: _user_lines(lines, user, ["topic readwrite #"]))


@fault(
    FAMILY,
    symptom="The thing says that it publishes, and nobody ever gets it",
    shown_by="journalctl -u mosquitto with log_type debug: Denied PUBLISH; mosquitto_pub -V 5 -q 1: Not authorized",
    fix="Allow the user to write to its topic",
)
def acl_denies(site: Site, on: str, user: str) -> Site:
    """A user may read and not write."""
    return change_lines(site, on, ACL, A_BROKER, lambda lines: _user_lines(lines, user, ["topic read #"]))


@fault(
    FAMILY,
    symptom="A user that nobody knows of gets in with a password that everybody knows",
    shown_by="cut -d: -f1 /etc/mosquitto/passwd; mosquitto_sub -u admin -P admin",
    fix="Delete the account of the factory: mosquitto_passwd -D",
)
def factory_account_left(site: Site, on: str, user: str = "admin", password: str = "admin") -> Site:  # noqa: S107 - the fault
    """The account that the broker was delivered with still works."""
    return with_account(site, on, user, password)


@fault(
    FAMILY,
    symptom="Everything works; passwords and readings can be read on the wire",
    shown_by="tcpdump -A -i eth0 port 1883: user name, password and payload in clear",
    fix="Back to TLS on port 8883, no plain listener for the network, and a new password",
)
def mqtt_plaintext(site: Site, on: str, broker: str) -> Site:
    """A thing talks to its broker without TLS, and the broker lets it."""
    path, what = thing_config(site, on)

    def widen(line: str) -> str:
        return "listener 1883" if line.strip() == "listener 1883 127.0.0.1" else line

    site = change_each_line(site, broker, BROKER, "a broker with a listener for itself alone", widen)
    device = device_of(site, on)
    text = device.files[path].replace("tls = true", "tls = false").replace("port = 8883", "port = 1883")
    return site.with_device(device.with_file(path, text)) if what else site


@fault(
    FAMILY,
    symptom="The thing connects and is thrown out at once",
    shown_by="journalctl -u mosquitto: SSL routines::wrong version number",
    fix="Switch TLS on in the thing, and give it the authority",
)
def mqtt_plain_to_tls_port(site: Site, on: str) -> Site:
    """A thing speaks plain MQTT to the port for TLS."""
    return set_thing_key(site, on, "mqtt.tls", value=False)


def _certificate(site: Site, on: str, **changes: object) -> Site:
    """Another certificate for a broker, with the same key."""
    text = read_file(site, on, SERVER, "a broker with TLS")
    try:
        first, *others = read_certificates(text)
    except CertificateError as error:
        raise FaultError(f"{SERVER} of {on}: {error}") from None
    changed: Certificate = first._replace(**changes)  # type: ignore[arg-type]
    text = "".join(map(certificate_text, (changed, *others)))
    return site.with_device(device_of(site, on).with_file(SERVER, text))


@fault(
    FAMILY,
    symptom="From one day to the next nobody gets in any more",
    shown_by="journalctl -u sensor: TLS: certificate has expired; openssl x509 -noout -dates",
    fix="Have a new certificate signed, and watch its last day",
)
def certificate_expired(site: Site, on: str, days: int = 3) -> Site:
    """The certificate of the broker ended some days ago."""
    end = site.world.epoch_s - days * DAY_S
    return _certificate(site, on, not_before=end - 365 * DAY_S, not_after=end)


@fault(
    FAMILY,
    symptom="Nobody gets in, though the certificate is new",
    shown_by="journalctl -u sensor: TLS: host name verification failed; openssl x509 -noout -subject",
    fix="A certificate with the name by which the things know the broker",
)
def certificate_wrong_name(site: Site, on: str, name: str = "broker.example") -> Site:
    """The certificate is for another name."""
    return _certificate(site, on, subject=f"CN={name}", names=(name,))


@fault(
    FAMILY,
    symptom="Nobody gets in, though dates and name are right",
    shown_by="journalctl -u sensor: TLS: unable to get local issuer certificate",
    fix="A certificate of the authority that the things know, or that authority on every thing",
)
def certificate_unknown_authority(site: Site, on: str, authority: str = "Old CA") -> Site:
    """The certificate was signed by somebody whom the things do not know."""
    return _certificate(site, on, issuer=f"CN={authority}")


def _below_listener(lines: list[str], option: str) -> list[str]:
    for index, line in enumerate(lines):
        if line.startswith("listener ") and "127.0.0.1" not in line:
            return [*lines[: index + 1], option, *lines[index + 1 :]]
    return lines


@fault(
    FAMILY,
    symptom="Some things get in, others are turned away, and after a restart it is others again",
    shown_by="journalctl -u mosquitto: denied: max_connections exceeded",
    fix="Raise max_connections",
)
def broker_connection_limit(site: Site, on: str, most: int = 1) -> Site:
    """The broker takes too few connections."""
    return change_lines(site, on, BROKER, A_BROKER, lambda lines: _below_listener(lines, f"max_connections {most}"))


@fault(
    FAMILY,
    symptom="Connected, and nothing arrives",
    shown_by="journalctl -u mosquitto with log_type debug: Dropped too large PUBLISH",
    fix="Raise message_size_limit",
)
def broker_size_limit(site: Site, on: str, most: int = 20) -> Site:
    """The broker drops messages that are longer than this."""
    return change_lines(site, on, BROKER, A_BROKER, lambda lines: [*lines, f"message_size_limit {most}"])


FAULTS = (
    client_id_clash,
    topic_taken,
    acl_too_wide,
    acl_denies,
    factory_account_left,
    mqtt_plaintext,
    mqtt_plain_to_tls_port,
    certificate_expired,
    certificate_wrong_name,
    certificate_unknown_authority,
    broker_connection_limit,
    broker_size_limit,
)

"""Brokers, sensors, screens and their like in a scenario: the keys of their short forms, and the files they become."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from labs.net.certificate import Certificate, certificate_text
from labs.scenario import files, things_files
from labs.scenario.durations import Duration
from labs.scenario.schema import Boolean, Choice, Field, ListOf, MapOf, Number, Record, String
from labs.scenario.things_document import ACTUATOR_MODEL, SENSOR_MODEL

__all__ = ["THING_SERVICES", "site_authority", "thing_files"]

NAME = r"[a-z][a-z0-9-]{0,30}"
SECOND = 1_000_000_000
DAY_S = 86_400
AUTHORITY = "/etc/ssl/certs/site-ca.crt"
CERTS = "/etc/mosquitto/certs"

MQTT = {
    "broker": Field(String(), "device, name or address"),
    "user": Field(String(), "user name", default=""),
    "password": Field(String(), "password", default=""),
    "tls": Field(Boolean(), "whether it speaks TLS (port 8883)", default=False),
}

THING_SERVICES: dict[str, Field] = {
    "broker": Field(
        Record(
            {
                "users": Field(MapOf(String(), r"[A-Za-z0-9_-]+", "a user name"), "user -> password", default={}),
                "anonymous": Field(Boolean(), "whether clients without a password are let in", default=False),
                "acl": Field(String(), "text of the acl_file", default=""),
                "listen": Field(
                    String("an address to listen on, or all", r"all|localhost"), "where it listens", default="all"
                ),
                "name": Field(
                    String("a host name", r"[a-z0-9][a-z0-9.-]*"), "name in its certificate, beside its own", default=""
                ),
                "tls": Field(
                    Boolean(), "TLS on port 8883 for everybody; 1883 for the machine itself alone", default=False
                ),
            },
            nothing=True,
        ),
        "an MQTT broker (mosquitto)",
        default=None,
    ),
    "sensor": Field(
        Record(
            {
                "quantity": Field(String("a quantity such as temperature", NAME), "what it measures in its room"),
                "unit": Field(String(), "unit of what it reports", default="C"),
                "every": Field(Duration(), "how often it reports", default=30 * SECOND),
                "topic": Field(String(), "topic it publishes to"),
                "retain": Field(Boolean(), "whether the broker keeps the last message", default=False),
                **MQTT,
                **SENSOR_MODEL,
            }
        ),
        "a sensor that publishes over MQTT",
        default=None,
    ),
    "display": Field(
        Record(
            {
                "title": Field(String(), "what stands above the number", default=""),
                "unit": Field(String(), "what stands behind the number", default="°C"),
                "topic": Field(String(), "topic it listens to"),
                **MQTT,
            }
        ),
        "a screen that shows what is published",
        default=None,
    ),
    "time": Field(
        Record(
            {
                "from": Field(
                    ListOf(String("a name or address"), single=True), "time servers", default=(), attribute="servers"
                ),
                "serve": Field(Boolean(), "whether others may ask it", default=False),
                "saved": Field(
                    String("a moment such as 2026-01-31 12:00:00", r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d"),
                    "a board without a battery: the time (UTC) it starts at",
                    default="",
                ),
            }
        ),
        "the clock (chrony), and for a board without a battery fake-hwclock",
        default=None,
    ),
    "actuator": Field(
        Record(
            {
                "drives": Field(
                    String("what moves, such as heater", NAME),
                    "what it drives in its room (that of its model)",
                    default="",
                ),
                **ACTUATOR_MODEL,
                "topic": Field(String(), "topic on which it is commanded"),
                "state": Field(String(), "topic on which it reports its state", default=""),
                "safe": Field(Choice(("off", "on", "hold"), "a fail-safe"), "what it does in silence", default="off"),
                "after": Field(Duration(), "how long a silence it bears", default=300 * SECOND),
                **MQTT,
            }
        ),
        "an actuator that is commanded over MQTT",
        default=None,
    ),
    "rules": Field(
        Record(
            {
                "text": Field(String(), "text of /etc/rules.conf"),
                "repeat": Field(Duration(), "how often outputs are told again", default=60 * SECOND),
                **MQTT,
            }
        ),
        "rules from readings to commands",
        default=None,
    ),
    "dashboard": Field(
        Record(
            {
                "title": Field(String(), "what stands above it", default=""),
                "timezone": Field(String(), "time zone of its clock", default="Europe/Brussels"),
                "tiles": Field(
                    MapOf(
                        Record(
                            {
                                "topic": Field(String(), "where the value comes from"),
                                "title": Field(String(), "what stands before it", default=""),
                                "unit": Field(String(), "unit", default=""),
                                "max_age": Field(Duration(), "how old it may be", default=0),
                                "low": Field(Number(), "alarm below this", default=None),
                                "high": Field(Number(), "alarm above this", default=None),
                            }
                        )
                    ),
                    "name -> what is shown",
                ),
                **MQTT,
            }
        ),
        "a dashboard with values, ages and alarms",
        default=None,
    ),
}


def site_authority(epoch_s: int) -> Certificate:
    """The authority that signs the certificates of a site: ten years, from a year before the trainee arrives."""
    return Certificate("CN=Site CA", "CN=Site CA", epoch_s - 365 * DAY_S, epoch_s + 9 * 365 * DAY_S, (), "site-ca")


def _broker_certificate(name: str, known_as: str, address: str, epoch_s: int) -> Certificate:
    names = tuple(each for each in (known_as, name, f"IP:{address}" if address else "") if each)
    return Certificate(
        f"CN={known_as or name}", "CN=Site CA", epoch_s - 90 * DAY_S, epoch_s + 640 * DAY_S, names, f"{name}-key"
    )


def thing_files(
    name: str, services: Mapping[str, Any], *, address: str, epoch_s: int, salt: str, tls_on_site: bool
) -> tuple[dict[str, str], Sequence[str]]:
    """The files of the things that run on a device, and the units to enable."""
    made: dict[str, str] = {}
    units: list[str] = []
    authority = certificate_text(site_authority(epoch_s))
    if tls_on_site:
        made[AUTHORITY] = authority
    if "broker" in services:
        made.update(files.mosquitto(services["broker"], salt))
        if services["broker"]["tls"]:
            certificate = _broker_certificate(name, services["broker"]["name"], address, epoch_s)
            made[f"{CERTS}/ca.crt"] = authority
            made[f"{CERTS}/server.crt"] = certificate_text(certificate)
            made[f"{CERTS}/server.key"] = (
                f"-----BEGIN PRIVATE KEY-----\nKey: {certificate.key}\n-----END PRIVATE KEY-----\n"
            )
        units.append("mosquitto")
    if "sensor" in services:
        made["/etc/sensor.toml"] = files.sensor(name, services["sensor"])
        made["/usr/share/sensor/factory.toml"] = files.factory_sensor(name, services["sensor"])
        units.append("sensor")
    if "display" in services:
        made["/etc/display.toml"] = files.display(name, services["display"])
        units.append("display")
    if "time" in services:
        made["/etc/chrony/chrony.conf"] = files.chrony(services["time"])
        units.append("chrony")
        if services["time"]["saved"]:
            made["/etc/fake-hwclock.data"] = f"{services['time']['saved']}\n"
            units.append("fake-hwclock")
    if "actuator" in services:
        made["/etc/actuator.toml"] = files.actuator(name, services["actuator"])
        made["/usr/share/actuator/factory.toml"] = files.actuator(name, things_files.blank(services["actuator"]))
        units.append("actuator")
    if "rules" in services:
        made["/etc/rules.toml"] = files.rules(name, services["rules"])
        made["/etc/rules.conf"] = services["rules"]["text"].rstrip("\n") + "\n"
        units.append("rules")
    if "dashboard" in services:
        made["/etc/dashboard.toml"] = files.dashboard(name, services["dashboard"])
        units.append("dashboard")
    things_files.add(name, services, made, units)
    return made, units

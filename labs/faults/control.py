"""Rules that decide wrongly, actuators that do the opposite, readings that are off, and clocks in another year."""

from __future__ import annotations

import re
from collections.abc import Callable

from labs.faults.edit import change_lines, set_key
from labs.faults.fault import FaultError, device_of, fault
from labs.model.site import Site
from labs.net.linux.units import enabled_path
from labs.things.rules import RulesError, parse_rules
from labs.things.timezone import ZoneError, zone

__all__ = ["FAULTS"]

FAMILY = "control"
RULES, ACTUATOR, SENSOR = "/etc/rules.conf", "/etc/actuator.toml", "/etc/sensor.toml"
DNSMASQ, NFTABLES = "/etc/dnsmasq.conf", "/etc/nftables.conf"
ZONE_FILE = "/etc/timezone"
OPPOSITE = {"<": ">", ">": "<", "<=": ">=", ">=": "<="}


def _change_rules(site: Site, on: str, change: Callable[[list[str]], list[str]]) -> Site:
    """Rules that still can be read, and say something else."""
    changed = change_lines(site, on, RULES, "a device with rules", change)
    try:
        parse_rules(changed.devices[on].files[RULES])
    except RulesError as error:
        raise FaultError(f"{RULES} of {on} could not be read any more: {error}") from None
    return changed


def _in_rule(lines: list[str], rule: str, word: str, change: Callable[[str], list[str]]) -> list[str]:
    """The lines with one line of a rule (the first one where no name is given) changed."""
    found, inside = [], False
    for line in lines:
        first, _, rest = line.strip().partition(" ")
        if first == "rule":
            inside = not rule or rest.strip() == rule
        found += change(line) if inside and first == word else [line]
    return found


@fault(
    FAMILY,
    symptom="The heating goes on when it is warm, and stays off when it is cold",
    shown_by="rulesctl explain: the comparison is true at the wrong values",
    fix="Turn the comparison round, and test both sides with rulesctl test",
)
def comparison_inverted(site: Site, on: str, rule: str = "") -> Site:
    """The first comparison of a rule is the wrong way round."""

    def turn(line: str) -> list[str]:
        return [re.sub(r"(?<![<>=!])(<=|>=|<|>)", lambda found: OPPOSITE[found[1]], line, count=1)]

    return _change_rules(site, on, lambda lines: _in_rule(lines, rule, "when", turn))


@fault(
    FAMILY,
    symptom="A relay clicks on and off all the time",
    shown_by="rulesctl log, sensorctl status on the actuator: it changes again and again around one value",
    fix="Two limits: when for on, until for off",
)
def no_hysteresis(site: Site, on: str, rule: str = "") -> Site:
    """A rule has no `until`."""
    return _change_rules(site, on, lambda lines: _in_rule(lines, rule, "until", lambda _line: []))


def _timezone(site: Site, on: str, name: str) -> Site:
    try:
        zone(name)
    except ZoneError as error:
        raise FaultError(str(error)) from None

    def change(lines: list[str]) -> list[str]:
        return [f"timezone {name}" if line.split()[:1] == ["timezone"] else line for line in lines]

    device = device_of(site, on)
    if RULES in device.files and re.search(r"(?m)^\s*timezone\s", device.files[RULES]):
        return _change_rules(site, on, change)
    if device.files.get(ZONE_FILE, "UTC").strip() == name:
        message = f"{on} lives in {name} already"
        raise FaultError(message)
    return site.with_device(device.with_file(ZONE_FILE, f"{name}\n"))


@fault(
    FAMILY,
    symptom="Everything happens hours too early or too late",
    shown_by="timedatectl or date; rulesctl status: Clock shows the zone",
    fix="Set the time zone of the place",
)
def timezone_wrong(site: Site, on: str, timezone: str = "America/New_York") -> Site:
    """The rules, or the device where they name no zone, live in another time zone."""
    return _timezone(site, on, timezone)


@fault(
    FAMILY,
    symptom="Everything happens an hour late in winter and two hours late in summer",
    shown_by="rulesctl status: Clock shows UTC; timedatectl, where the rules name no zone",
    fix="Windows of time in local time: timezone Europe/Brussels",
)
def utc_as_local(site: Site, on: str) -> Site:
    """Times that people wrote in local time are taken as UTC."""
    return _timezone(site, on, "UTC")


@fault(
    FAMILY,
    symptom="A sensor falls silent, and the rules go on as if nothing had happened",
    shown_by="rulesctl status: an input of hours ago that is not stale",
    fix="Say how old a value may be (stale), and what is safe then",
)
def stale_reading_trusted(site: Site, on: str) -> Site:
    """No input is ever too old."""

    def change(lines: list[str]) -> list[str]:
        return [
            re.sub(r"\s+stale\s+\d+(?:\.\d+)?\s*[a-z]+", "", line) if line.split()[:1] == ["input"] else line
            for line in lines
        ]

    return _change_rules(site, on, change)


@fault(
    FAMILY,
    symptom="The broker is gone, and the heating burns on",
    shown_by="sensorctl config on the actuator: fail_safe",
    fix='fail_safe = "off", after minutes and not hours',
)
def fail_safe_missing(site: Site, on: str) -> Site:
    """An actuator keeps its last command for ever."""
    return set_key(site, on, ACTUATOR, "an actuator", "actuator.fail_safe", "hold")


@fault(
    FAMILY,
    symptom="It does the opposite of what it is told, and of what it says",
    shown_by="sensorctl status against what the room does",
    fix="inverted = false, or the contact the other way round",
)
def actuator_inverted(site: Site, on: str) -> Site:
    """An output closes where it should open."""
    return set_key(site, on, ACTUATOR, "an actuator", "actuator.inverted", value=True)


@fault(
    FAMILY,
    symptom="A value ten times too high",
    shown_by="sensorctl read against the thermometer on the wall",
    fix="Set the scale back to 1",
)
def scale_factor(site: Site, on: str, factor: int = 10) -> Site:
    """A reading is multiplied."""
    return set_key(site, on, SENSOR, "a sensor", "sensor.scale", float(factor))


@fault(
    FAMILY,
    symptom="A value that is always the same amount off",
    shown_by="sensorctl read against the thermometer on the wall, at two temperatures",
    fix="Correct the offset, and write down the calibration",
)
def sensor_offset(site: Site, on: str, amount: int = 2) -> Site:
    """A reading is shifted."""
    return set_key(site, on, SENSOR, "a sensor", "sensor.offset", float(amount))


@fault(
    FAMILY,
    symptom="Certificates are not valid yet, and whatever goes by the clock goes wrong",
    shown_by="date; chronyc tracking; journalctl -u sensor: certificate is not yet valid",
    fix="Let it reach a time server; the clock is right again after the next measurement",
)
def clock_years_off(site: Site, on: str, saved: str = "2020-01-01 00:00:00") -> Site:
    """A board without a battery starts in the past."""
    device = device_of(site, on)
    if not re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", saved):
        message = f'"{saved}" is not a moment such as 2020-01-01 00:00:00'
        raise FaultError(message)
    return site.with_device(
        device.with_file("/etc/fake-hwclock.data", f"{saved}\n").with_file(enabled_path("fake-hwclock"), "")
    )


@fault(
    FAMILY,
    symptom="Clocks drift or stay in the past; everything else works",
    shown_by="chronyc sources: reach 0; nft list ruleset: udp dport 123",
    fix="Let udp/123 out to the time servers",
)
def ntp_blocked(site: Site, on: str) -> Site:
    """A filter drops the time protocol."""

    def block(lines: list[str]) -> list[str]:
        for index, line in enumerate(lines):
            if "hook forward" in line:
                return [*lines[: index + 1], "\t\tudp dport 123 drop", *lines[index + 1 :]]
        return lines

    return change_lines(site, on, NFTABLES, "a device with a firewall", block)


@fault(
    FAMILY,
    symptom="One name leads nowhere, all others work",
    shown_by="dig NAME: 0.0.0.0; grep address= /etc/dnsmasq.conf",
    fix="Take the name off the list of the filter",
)
def dns_filter_wrong(site: Site, on: str, name: str) -> Site:
    """A filter answers a name that is needed with an address that is none."""
    return change_lines(
        site, on, DNSMASQ, "a name server (dnsmasq)", lambda lines: [*lines, f"address=/{name}/0.0.0.0"]
    )


FAULTS = (
    comparison_inverted,
    no_hysteresis,
    timezone_wrong,
    utc_as_local,
    stale_reading_trusted,
    fail_safe_missing,
    actuator_inverted,
    scale_factor,
    sensor_offset,
    clock_years_off,
    ntp_blocked,
    dns_filter_wrong,
)

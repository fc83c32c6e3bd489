"""Judge of `battery`: how long a new one lasts, and whether its device still reports."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import NamedTuple

from grader.checks.context import Context
from grader.checks.hearing import LONGEST_S, listen
from grader.evidence import Row
from grader.verdict import Finding, Verdict
from labs.messages import Message, message
from labs.model.durations import format_duration
from labs.model.site import Site
from labs.scenario.data_intents import BatteryLife
from labs.things.battery import life_years
from labs.things.firmware import INSTALLED, is_installed
from labs.things.library.model import Model
from labs.things.lorawan.config import DEVICE, SERVER, parse_device, parse_server
from labs.things.lorawan.coverage import best_rssi
from labs.things.lorawan.energy import device_mah_per_day, tries_needed
from labs.things.sensor import parse_sensor_config
from labs.things.thing_config import ThingConfigError
from labs.things.toml_edit import get_toml_key

__all__ = ["judge_battery"]

SECOND = 1_000_000_000
SENSOR = "/etc/sensor.toml"
PATIENCE_NS = 4 * 60 * SECOND  # eight tries with the duty cycle between them


class _Case(NamedTuple):
    """One device: what it is, what it takes in a day, how often it says it reports, and where."""

    device: str
    model: Model
    per_day_mah: float
    interval_ns: int
    topic: str


def _topic(site: Site, device: str, dev_eui: bytes) -> str:
    """Where a network server publishes what a LoRaWAN sensor says."""
    for server in site.devices.values():
        if SERVER in server.files:
            for known in parse_server(server.files[SERVER]).devices:
                if known.dev_eui == dev_eui:
                    return known.topic
    raise ThingConfigError(f"no network server knows {device}")


def _case(site: Site, healthy: Site, device: str) -> _Case:
    """Raises ThingConfigError. The model is what stands there, whatever its file says."""
    files = site.devices[device].files
    if DEVICE in files:
        config = parse_device(files[DEVICE])
        model = parse_device(healthy.devices[device].files[DEVICE]).model
        assert model is not None
        config = replace(config, model=model)
        per_day = device_mah_per_day(config, tries_needed(config, best_rssi(site, device)))
        return _Case(device, model, per_day, config.interval_s * SECOND, _topic(site, device, config.dev_eui))
    sensor = parse_sensor_config(files.get(SENSOR, ""))
    model = parse_sensor_config(healthy.devices[device].files[SENSOR]).model
    assert model is not None
    sensor = replace(sensor, model=model)
    return _Case(device, model, sensor.mah_per_day, sensor.interval_s * SECOND, sensor.mqtt.topic)


def _unlike(context: Context, body: BatteryLife, device: str) -> Message | None:
    """Why what the file of a device says is not what the device does, or nothing."""
    now, found = context.site.devices[device], context.start.devices[device]
    path, unit = (DEVICE, "lorawan") if DEVICE in now.files else (SENSOR, "sensor")
    if now.room != found.room:
        return message(
            "{device} stands in {room}; it measures in {home}", device=device, room=now.room, home=found.room
        )
    if now.state is not None and unit in now.state.stale_units and now.state.units.get(unit) == "active":
        return message(
            "{device} still does what {file} said before: it was changed and not read again", device=device, file=path
        )
    version, before = (str(_value(each.files.get(path, ""), "device.firmware") or "") for each in (now, found))
    if version != before and not is_installed(now.files.get(INSTALLED, ""), version):
        return message(
            "{device} says that its firmware is {version}, and nobody installed that", device=device, version=version
        )
    if body.acknowledged and path == DEVICE and _value(now.files[path], "lorawan.confirmed") is not True:
        return message("{device} sends messages that nobody has to acknowledge", device=device)
    return None


def _value(text: str, key: str) -> object:
    try:
        return get_toml_key(text, key)
    except (KeyError, ValueError):
        return None


def judge_battery(context: Context, body: BatteryLife) -> Finding:
    """The life of each by its model, its file and its signal. What is dead, or never heard, saves no battery."""
    cases = []
    for device in body.devices:
        unlike = _unlike(context, body, device)
        if unlike is not None:
            return Finding(Verdict.FAIL, unlike, devices=(device,))
        try:
            cases.append(_case(context.site, context.variant.healthy, device))
        except ThingConfigError as error:
            return Finding(
                Verdict.FAIL, message("{device} has no sound settings: {text}", device=device, text=str(error))
            )
    lives = []
    for case in cases:
        assert case.model.battery is not None
        lives.append((life_years(case.model.battery, case.per_day_mah), case))
    worst, case = min(lives, key=lambda pair: pair[0])
    if worst < body.years:
        short = sum(1 for life, _ in lives if life < body.years)
        return Finding(
            Verdict.FAIL,
            message(
                "a battery of {device} lasts {life} years, {years} are asked; {short} of {count} devices fall short",
                device=case.device,
                life=f"{worst:.1f}",
                years=f"{body.years:g}",
                short=short,
                count=len(lives),
            ),
            help=message("sensorctl status on the device tells what it takes on average, and how it sends"),
            evidence=tuple(_shown(life, each.device) for life, each in sorted(lives, key=lambda pair: pair[0])[:5]),
        )
    silent = _silent(context, body, cases)
    if silent is not None:
        return silent
    return Finding(
        Verdict.PASS,
        message(
            "the batteries of {count} devices last {life} years or longer, and all of them report",
            count=len(lives),
            life=f"{worst:.1f}",
        ),
    )


def _shown(life: float, device: str) -> Row:
    return Row(device, message("{life} years", life=f"{life:.1f}"))


def _silent(context: Context, body: BatteryLife, cases: list[_Case]) -> Finding | None:
    """The witness: every device is heard as often as its file says."""
    allowed = {case.device: case.interval_ns * 11 // 10 + PATIENCE_NS for case in cases}
    slowest = max(cases, key=lambda case: case.interval_ns)
    needed = allowed[slowest.device]
    if needed > LONGEST_S * SECOND:
        text = message(
            "{device} reports every {interval}: too seldom to tell whether it is alive",
            device=slowest.device,
            interval=format_duration(slowest.interval_ns),
        )
        return Finding(Verdict.FAIL, text)
    recording = listen(context, replace(body, during=max(body.during, needed)))
    if recording.problem:
        text = message("the broker on {broker} does not answer: {text}", broker=body.broker, text=recording.problem)
        return Finding(Verdict.FAIL, text)
    for case in cases:
        moments = [heard.at_ns for heard in recording.on(case.topic)]
        every = [recording.began_ns, *moments, recording.ended_ns]
        longest = max(after - before for before, after in itertools.pairwise(every))
        if not moments or longest > allowed[case.device]:
            text = message(
                "{device} should report every {interval}, but {topic} was silent for {gap}",
                device=case.device,
                interval=format_duration(case.interval_ns),
                topic=case.topic,
                gap=format_duration(max(longest // SECOND, 1) * SECOND),
            )
            return Finding(
                Verdict.FAIL, text, help=message("a device that is silent saves its battery, and nothing else")
            )
    return None

"""Which devices a check speaks of, and so what the checks together say of each device."""

from __future__ import annotations

from collections.abc import Iterable

from grader.verdict import Grade, Verdict
from labs.model.site import Kind, Site
from labs.scenario.control_intents import Watching
from labs.scenario.data_intents import Authenticated, Authorised, Listening, NoPlaintext, Origin, Reading
from labs.scenario.intents import Fresh, Kept, PolicyHolds, Reach, Refuse, Resolve, Shows, Unique, Untouched
from labs.scenario.scenario import Check, Scenario
from labs.things.display import parse_display_config
from labs.things.thing_config import ThingConfigError
from labs.ui.map_facts import facts_of

__all__ = ["devices_of", "verdicts_of"]

WORST_FIRST = (Verdict.FAIL, Verdict.BLOCKED, Verdict.ERROR, Verdict.PASS)


def devices_of(check: Check, site: Site) -> tuple[str, ...]:
    """The devices that a check is about, in the order of the site.

    The internet is nobody's to repair, so it is never among them; a policy is kept or broken by the routers.
    """
    named = set(_named(check, site))
    return tuple(name for name, device in site.devices.items() if name in named and device.kind is not Kind.INTERNET)


def _named(check: Check, site: Site) -> Iterable[str]:
    body = check.body
    if isinstance(body, (Reach, Refuse)):
        return (*body.sources, *body.targets)
    if isinstance(body, Resolve):
        return (body.source, body.target)
    if isinstance(body, Unique):
        facts = facts_of(site)
        return (name for name, owned in facts.addresses.items() if any(one.subnet == body.subnet for one in owned))
    if isinstance(body, Untouched):
        return body.devices
    if isinstance(body, Origin):
        return (body.broker, *body.of.values())
    if isinstance(body, (Fresh, Kept)):
        return (body.broker,)
    if isinstance(body, Shows):
        return (body.display, *_sensors_in(body.room, site, _topic_of(body.display, site)))
    if isinstance(body, Reading):
        return (body.broker, *_sensors_in(body.room, site, body.topic))
    if isinstance(body, Watching):
        return [d.name for d in site.devices.values() if d.kind is Kind.ACTUATOR and d.room == body.room]
    if isinstance(body, NoPlaintext):
        return (body.broker, *body.devices)
    if isinstance(body, (Listening, Authenticated, Authorised)):
        return (body.broker,)
    if isinstance(body, PolicyHolds):
        return (name for name, device in site.devices.items() if device.kind is Kind.ROUTER)
    return ()


def _sensors_in(room: str, site: Site, topic: str) -> list[str]:
    """The sensors of a room: those that the topic names, or all of them where it names none."""
    there = [device.name for device in site.devices.values() if device.kind is Kind.SENSOR and device.room == room]
    return [name for name in there if name in topic.split("/")] or there


def _topic_of(display: str, site: Site) -> str:
    try:
        return parse_display_config(site.devices[display].files.get("/etc/display.toml", "")).mqtt.topic
    except ThingConfigError:
        return ""


def verdicts_of(scenario: Scenario, grade: Grade, site: Site) -> dict[str, str]:
    """Device -> the worst verdict among the checks that are about it. Hidden checks do not tell on anybody."""
    checks = {check.id: check for check in scenario.checks}
    worst: dict[str, Verdict] = {}
    for result in grade.results:
        if result.hidden or result.id not in checks:
            continue
        for name in result.devices or devices_of(checks[result.id], site):
            worst[name] = min(worst.get(name, result.verdict), result.verdict, key=WORST_FIRST.index)
    return {name: str(verdict) for name, verdict in worst.items()}

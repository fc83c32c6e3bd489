"""Judges of what is published and shown: fresh, kept, shows."""

from __future__ import annotations

import shlex
from datetime import UTC, datetime
from typing import Any

from grader.checks.context import Context
from grader.evidence import quoted
from grader.reach.brokers import BrokerFilter, Client
from grader.reach.topics import TooManyTopics
from grader.verdict import Finding, Verdict
from labs.engines.base import Output
from labs.messages import Message, message
from labs.model.durations import format_duration
from labs.scenario.intents import Fresh, Kept, Shows
from labs.things.mosquitto_conf import ConfigError
from labs.things.payload import read_json
from labs.things.world import RoomSense

__all__ = ["judge_fresh", "judge_kept", "judge_shows"]

SECOND = 1_000_000_000
GRACE_NS = 10 * SECOND  # for a client that gives up by itself to do so
TIMED_OUT = 27  # exit status of mosquitto_sub -W
FOLLOW_NS = 45 * 60 * SECOND  # how much later a screen is looked at again


def _subscribe(context: Context, body: Fresh | Kept, arguments: str, seconds: int) -> Output:
    login = f"-u {shlex.quote(body.user)} -P {shlex.quote(body.password)} " if body.user else ""
    line = f"mosquitto_sub -h 127.0.0.1 {login}-W {seconds} {arguments}"
    return context.engine.run(body.broker, line, longest_ns=seconds * SECOND + GRACE_NS)


def judge_fresh(context: Context, body: Fresh) -> Finding:
    """Two messages within the time each: one might be luck."""
    seconds = max(1, body.within // SECOND)
    topic = shlex.quote(body.topic)
    for _ in (1, 2):
        output = _subscribe(context, body, f"-v -R -C 1 -t {topic}", seconds)
        if output.status == TIMED_OUT:
            return Finding(
                Verdict.FAIL,
                message(
                    "nothing is published on {topic} within {within}",
                    topic=body.topic,
                    within=format_duration(body.within),
                ),
                evidence=quoted(output.text.splitlines()[:3]),
            )
        if output.status != 0:
            return Finding(
                Verdict.FAIL,
                message("the broker on {broker} does not answer: {text}", broker=body.broker, text=output.text.strip()),
            )
        evidence = quoted(output.text.splitlines()[:1])
    return Finding(
        Verdict.PASS,
        message("{topic} is published within every {within}", topic=body.topic, within=format_duration(body.within)),
        evidence=evidence,
    )


def judge_kept(context: Context, body: Kept) -> Finding:
    """Everything the broker keeps is younger than it may be."""
    output = _subscribe(context, body, "-v --retained-only -t '#'", 3)
    if output.status not in (0, TIMED_OUT):
        return Finding(
            Verdict.BLOCKED,
            message("the broker on {broker} does not answer: {text}", broker=body.broker, text=output.text.strip()),
        )
    hidden = _hidden_from(context, body)
    if hidden is not None:
        return hidden
    now = RoomSense(context.site.world, "", "").wall_clock(context.engine.now)
    count = 0
    for line in output.text.splitlines():
        topic, _, payload = line.partition(" ")
        if line == "Timed out" or not payload:  # mosquitto_sub says so on standard error
            continue
        count += 1
        at = _moment(payload)
        if at is None or abs(now - at) > body.older_than / SECOND:  # dated tomorrow, it would stay young for ever
            return Finding(
                Verdict.FAIL,
                message("the broker keeps an old message on {topic}", topic=topic),
                help=message("whoever subscribes gets it at once, whether the sensor lives or not"),
                evidence=quoted([line]),
            )
    return Finding(Verdict.PASS, message("no old message is kept ({count} kept messages)", count=count))


def _hidden_from(context: Context, body: Kept) -> Finding | None:
    """An old message that the grader's own user may not receive would go unseen: then nothing was tested."""
    try:
        found = BrokerFilter(context.site.devices[body.broker]).unreadable(Client(body.user, body.password))
    except (ConfigError, TooManyTopics):
        return None
    if found is None:
        return None
    topic, answer = found
    text = message(
        "{user} may not receive {topic}, so nothing was tested ({where})",
        user=body.user or "-",
        topic=topic,
        where=answer.where,
    )
    return Finding(Verdict.BLOCKED, text, evidence=(answer.evidence,))


def _moment(payload: str) -> float | None:
    """The time inside a payload, in Unix seconds."""
    try:
        return datetime.fromisoformat(read_json(payload)["at"]).astimezone(UTC).timestamp()
    except (ValueError, KeyError, TypeError, OverflowError):
        return None


def _age(context: Context, at: object) -> float | None:
    """How many seconds ago a moment of a payload was, by the clock of the world."""
    try:
        moment = datetime.fromisoformat(str(at)).astimezone(UTC).timestamp()
    except (ValueError, OverflowError):
        return None
    return RoomSense(context.site.world, "", "").wall_clock(context.engine.now) - moment


def _screen(context: Context, display: str) -> dict[str, Any] | None:
    state = context.site.devices[display].state
    if state is None or state.units.get("display") != "active":  # a file is no screen
        return None
    output = context.engine.run(display, "cat /run/display.json")
    try:
        value = read_json(output.text) if output.status == 0 else None
    except ValueError:
        return None
    return value if isinstance(value, dict) else None


def judge_shows(context: Context, body: Shows) -> Finding:
    """Look at the screen, wait, and look again: a value that was right by chance is wrong later.

    A screen that has just begun to listen gets as long for its first value as a value may be old. So does one whose
    clock was put forward: at the end of that time its value is young enough exactly if a new one came within it.
    """
    for later in (False, True):
        if later:
            context.elapse(FOLLOW_NS)
            context.forget()
        if (not later or not context.engine.repeats) and not _fresh(context, body):
            context.wait_until(lambda: _fresh(context, body), body.within)
            context.forget()
        finding = _look(context, body)
        if finding.verdict is not Verdict.PASS:
            return finding
    return finding


def _fresh(context: Context, body: Shows) -> bool:
    """The screen shows something young enough, right or wrong; a dark one is not waited for."""
    if context.site.devices[body.display].state is None:
        return True
    screen = _screen(context, body.display) or {}
    age = _age(context, screen.get("payload_at"))
    return age is not None and age * SECOND <= body.within


def _source(screen: dict[str, Any]) -> Message:
    """Which message stands on a screen."""
    topic = screen.get("topic")
    if screen.get("retain"):
        return message("it shows a message that the broker had kept, on {topic}", topic=topic)
    return message("it shows a message on {topic}, which came when it was sent", topic=topic)


def _look(context: Context, body: Shows) -> Finding:
    if context.site.devices[body.display].state is None:
        return Finding(Verdict.BLOCKED, message("{display} has no power", display=body.display))
    screen = _screen(context, body.display)
    text = str(screen.get("text", "")) if screen else ""
    if screen is None or not isinstance(screen.get("value"), (int, float)):
        return Finding(
            Verdict.FAIL,
            message("{display} shows no value", display=body.display),
            evidence=quoted([text] if text else ()),
        )
    now = context.engine.now
    age = _age(context, screen.get("payload_at"))
    if age is None or age * SECOND > body.within:
        return Finding(
            Verdict.FAIL,
            message("{display} shows {text}, measured too long ago", display=body.display, text=text),
            evidence=(_source(screen),),
        )
    truth = RoomSense(context.site.world, body.room, context.site.seed).sense(body.quantity, now)
    if screen.get("unit") != body.unit:
        return Finding(
            Verdict.FAIL,
            message(
                "{display} shows {text}; the unit should be {unit}", display=body.display, text=text, unit=body.unit
            ),
        )
    if abs(float(screen["value"]) - truth) > body.tolerance:
        return Finding(
            Verdict.FAIL,
            message(
                "{display} shows {text}, but the {quantity} in {room} is {truth}",
                display=body.display,
                text=text,
                quantity=body.quantity,
                room=body.room,
                truth=f"{truth:.1f} {body.unit}",
            ),
            evidence=(_source(screen),),
        )
    return Finding(
        Verdict.PASS,
        message(
            "{display} shows {text}; the thermometer says {truth}",
            display=body.display,
            text=text,
            truth=f"{truth:.1f} {body.unit}",
        ),
    )

"""Judges of what messages say: reading, range, unit, gap, topic, duplicate, monotonic."""

from __future__ import annotations

import itertools

from grader.checks.context import Context
from grader.checks.hearing import Heard, Recording, field_of, listen, moment_of, nothing_heard, number_of
from grader.evidence import quoted
from grader.verdict import Finding, Verdict
from labs.messages import Message, message
from labs.model.durations import format_duration
from labs.scenario.data_intents import Duplicate, Gap, InRange, Monotonic, OnTopic, Reading, Unit
from labs.things.mqtt.topics import matches
from labs.things.sensor import accuracy
from labs.things.units import BASE_UNITS, UnitError, symbol, to_unit

__all__ = [
    "judge_duplicate",
    "judge_gap",
    "judge_monotonic",
    "judge_range",
    "judge_reading",
    "judge_topic",
    "judge_unit",
]

SECOND = 1_000_000_000
ROUNDING = 0.05  # half of the last digit of a message with one decimal


def _fail(text: Message, heard: Heard, help_: Message | None = None) -> Finding:
    return Finding(Verdict.FAIL, text, help=help_, evidence=quoted([heard.text]))


def _no_number(heard: Heard, field: str) -> Finding:
    return _fail(message('{topic} carries no number in "{field}"', topic=heard.topic, field=field), heard)


def judge_reading(context: Context, body: Reading) -> Finding:
    """Every message of the time, against what a perfect instrument read when it came."""
    recording = listen(context, body)
    messages = recording.on(body.topic)
    if not messages:
        return nothing_heard(recording, body, body.topic)
    base = BASE_UNITS.get(body.quantity, body.unit)
    unit = body.unit or base
    worst = 0.0
    for heard in messages:
        value = number_of(heard.payload, body.field)
        if value is None:
            return _no_number(heard, body.field)
        told = field_of(heard.payload, "unit")
        if told is not None and symbol(str(told)) != symbol(unit):
            return _fail(
                message(
                    "{topic} is in {found}; it should be in {wanted}",
                    topic=heard.topic,
                    found=symbol(str(told)),
                    wanted=symbol(unit),
                ),
                heard,
            )
        true_base = context.truth(body.room, body.quantity, heard.at_ns)
        truth, tolerance = _in_unit(true_base, body, base, unit)
        worst = max(worst, abs(value - truth))
        if abs(value - truth) > tolerance:
            return _fail(
                message(
                    "{topic} says {value}, but the {quantity} in {room} was {truth} (± {tolerance} is allowed)",
                    topic=heard.topic,
                    value=f"{value:g} {symbol(unit)}",
                    quantity=body.quantity,
                    room=body.room,
                    truth=f"{truth:.1f} {symbol(unit)}",
                    tolerance=f"{tolerance:.2g}",
                ),
                heard,
            )
    return Finding(
        Verdict.PASS,
        message(
            "{topic} tells the truth in {count} messages, at most {worst} off",
            topic=body.topic,
            count=len(messages),
            worst=f"{worst:.2f} {symbol(unit)}",
        ),
        evidence=quoted([messages[-1].text]),
    )


def _in_unit(true_base: float, body: Reading, base: str, unit: str) -> tuple[float, float]:
    """The truth and the tolerance in the unit of the message."""
    try:
        truth = to_unit(true_base, base, unit)
        high = to_unit(true_base + accuracy(body.quantity, true_base), base, unit)
    except UnitError:
        truth, high = true_base, true_base + accuracy(body.quantity, true_base)
    return truth, body.tolerance if body.tolerance is not None else abs(high - truth) + ROUNDING


def judge_range(context: Context, body: InRange) -> Finding:
    """Nothing outside the limits."""
    recording = listen(context, body)
    messages = recording.on(body.topic)
    if not messages:
        return nothing_heard(recording, body, body.topic)
    for heard in messages:
        value = number_of(heard.payload, body.field)
        if value is None:
            return _no_number(heard, body.field)
        if not body.low <= value <= body.high:
            return _fail(
                message(
                    "{topic} says {value}; it must lie between {low} and {high}",
                    topic=heard.topic,
                    value=f"{value:g}",
                    low=f"{body.low:g}",
                    high=f"{body.high:g}",
                ),
                heard,
            )
    return Finding(
        Verdict.PASS, message("{count} values on {topic} are possible", count=len(messages), topic=body.topic)
    )


def judge_unit(context: Context, body: Unit) -> Finding:
    """Every message says what its number counts."""
    recording = listen(context, body)
    messages = recording.on(body.topic)
    if not messages:
        return nothing_heard(recording, body, body.topic)
    for heard in messages:
        told = field_of(heard.payload, "unit")
        if told is None:
            return _fail(message("{topic} does not say in which unit", topic=heard.topic), heard)
        if symbol(str(told)) != symbol(body.unit):
            return _fail(
                message(
                    "{topic} is in {found}; it should be in {wanted}",
                    topic=heard.topic,
                    found=symbol(str(told)),
                    wanted=symbol(body.unit),
                ),
                heard,
            )
    return Finding(
        Verdict.PASS,
        message("{count} messages on {topic} are in {wanted}", count=len(messages), topic=body.topic, wanted=body.unit),
    )


def _by_topic(messages: list[Heard]) -> dict[str, list[Heard]]:
    found: dict[str, list[Heard]] = {}
    for heard in messages:
        found.setdefault(heard.topic, []).append(heard)
    return found


def judge_gap(context: Context, body: Gap) -> Finding:
    """Each topic by itself, the time before its first and after its last message included."""
    recording = listen(context, body)
    topics = _by_topic(recording.on(body.topic))
    if not topics:
        return nothing_heard(recording, body, body.topic)
    longest = 0
    for topic, messages in topics.items():
        moments = [recording.began_ns, *(heard.at_ns for heard in messages), recording.ended_ns]
        for before, after in itertools.pairwise(moments):
            longest = max(longest, after - before)
            if after - before > body.longest:
                return Finding(
                    Verdict.FAIL,
                    message(
                        "{topic} is silent for {gap}; {longest} is allowed",
                        topic=topic,
                        gap=_seconds(after - before),
                        longest=format_duration(body.longest),
                    ),
                    evidence=quoted([messages[-1].text]),
                )
    if len(topics) < body.topics:
        return Finding(
            Verdict.FAIL,
            message(
                "{count} of {wanted} topics are heard on {topic}",
                count=len(topics),
                wanted=body.topics,
                topic=body.topic,
            ),
            evidence=quoted(sorted(topics)[:5]),
        )
    return Finding(
        Verdict.PASS,
        message(
            "{topic} is never silent for longer than {gap} in {length}",
            topic=body.topic,
            gap=_seconds(longest),
            length=recording.length,
        ),
    )


def _seconds(duration_ns: int) -> str:
    return format_duration(max(SECOND, duration_ns // SECOND * SECOND))


def judge_topic(context: Context, body: OnTopic) -> Finding:
    """Kept messages count too: they are on the broker for everybody to find."""
    recording = listen(context, body)
    for pattern in body.only:
        if not recording.on(pattern):
            return nothing_heard(recording, body, pattern, Verdict.BLOCKED)
    for heard in recording.messages:
        if not any(matches(pattern, heard.topic) for pattern in body.only):
            return _fail(
                message("there is data on {topic}; it belongs on {only}", topic=heard.topic, only=", ".join(body.only)),
                heard,
                message("a message that is kept stays until an empty one with retain deletes it")
                if heard.kept
                else None,
            )
    return Finding(
        Verdict.PASS,
        message(
            "{count} messages in {length}, all on {only}",
            count=len(recording.messages),
            length=recording.length,
            only=", ".join(body.only),
        ),
    )


def _stamped(recording: Recording, body: Duplicate | Monotonic) -> dict[str, list[tuple[float, Heard]]] | Finding:
    """Per topic the moments in the messages, or why they cannot be judged."""
    messages = recording.on(body.topic)
    if not messages:
        return nothing_heard(recording, body, body.topic, Verdict.BLOCKED)
    found: dict[str, list[tuple[float, Heard]]] = {}
    for heard in messages:
        stamp = moment_of(heard.payload, body.field)
        if stamp is None:
            return _fail(
                message('{topic} carries no time or counter in "{field}"', topic=heard.topic, field=body.field), heard
            )
        found.setdefault(heard.topic, []).append((stamp, heard))
    if all(len(series) < 2 for series in found.values()):
        return Finding(
            Verdict.BLOCKED,
            message(
                "only one message on {topic} in {length}: nothing to compare", topic=body.topic, length=recording.length
            ),
        )
    return found


def judge_duplicate(context: Context, body: Duplicate) -> Finding:
    """Two messages of one topic with one time or number are one message that came twice."""
    found = _stamped(listen(context, body), body)
    if isinstance(found, Finding):
        return found
    for topic, series in found.items():
        seen: dict[float, Heard] = {}
        for stamp, heard in series:
            if stamp in seen:
                return Finding(
                    Verdict.FAIL,
                    message(
                        "a message on {topic} comes twice, {gap} apart",
                        topic=topic,
                        gap=f"{(heard.at_ns - seen[stamp].at_ns) / SECOND:.1f} s",
                    ),
                    help=message("one measurement is sent, bridged or forwarded by two"),
                    evidence=quoted([seen[stamp].text, heard.text]),
                )
            seen[stamp] = heard
    return Finding(
        Verdict.PASS,
        message("{count} messages on {topic}, none twice", count=sum(map(len, found.values())), topic=body.topic),
    )


def judge_monotonic(context: Context, body: Monotonic) -> Finding:
    """Each topic by itself; standing still is no going back."""
    found = _stamped(listen(context, body), body)
    if isinstance(found, Finding):
        return found
    for topic, series in found.items():
        for (before, earlier), (after, later) in itertools.pairwise(series):
            if after < before:
                return Finding(
                    Verdict.FAIL,
                    message('"{field}" goes back on {topic}', field=body.field, topic=topic),
                    evidence=quoted([earlier.text, later.text]),
                )
    return Finding(
        Verdict.PASS,
        message(
            '"{field}" never goes back in {count} messages on {topic}',
            field=body.field,
            count=sum(map(len, found.values())),
            topic=body.topic,
        ),
    )

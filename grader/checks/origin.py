"""Judge of `origin`: a topic whose device has no power falls silent, or somebody else speaks in its name."""

from __future__ import annotations

import itertools

from grader.checks.context import Context
from grader.checks.hearing import Recording, listen, nothing_heard, number_of
from grader.evidence import quoted
from grader.verdict import Finding, Verdict
from labs.messages import message
from labs.scenario.data_intents import Origin

__all__ = ["judge_origin"]

SECOND = 1_000_000_000
FADE_NS = 10 * SECOND  # what was on its way when the power went


def judge_origin(context: Context, body: Origin) -> Finding:
    """Hear every topic, then switch devices off in groups such that each is once off while any one other is on."""
    recording = listen(context, body)
    for topic in body.of:
        if recording.problem or not _speaks(recording, topic, body.field, 0):
            return nothing_heard(recording, body, topic)
    devices = sorted(set(body.of.values()))
    for off in _groups(devices):
        finding = _while_off(context, body, off)
        if finding is not None:
            return finding
    return Finding(Verdict.PASS, message("each of {count} topics falls silent with its device", count=len(body.of)))


def _groups(devices: list[str]) -> list[list[str]]:
    """As few groups as can tell any two devices apart: words of equal weight, of which none covers another."""
    length = 1
    while len(list(itertools.combinations(range(length), (length + 1) // 2))) < len(devices):
        length += 1
    words = itertools.combinations(range(length), (length + 1) // 2)
    groups: list[list[str]] = [[] for _ in range(length)]
    for device, word in zip(devices, words, strict=False):
        for number in word:
            groups[number].append(device)
    return [group for group in groups if group]


def _while_off(context: Context, body: Origin, off: list[str]) -> Finding | None:
    """Somebody who goes on speaking although the device is off."""
    powered = [name for name in off if context.site.devices[name].powered]
    for name in powered:
        context.engine.power(name, on=False)
    context.wait(FADE_NS)
    context.recordings.clear()
    recording = listen(context, body)
    for name in powered:
        context.engine.power(name, on=True)
    context.recordings.clear()
    context.forget()
    if recording.problem:
        return nothing_heard(recording, body, next(iter(body.of)), Verdict.BLOCKED)
    for topic, device in body.of.items():
        spoken = _speaks(recording, topic, body.field, recording.began_ns) if device in off else []
        if spoken:
            return Finding(
                Verdict.FAIL,
                message("{topic} goes on although {device} has no power", topic=topic, device=device),
                help=message("somebody else speaks in its name: what is published is not what the device measures"),
                evidence=quoted(spoken[-1:]),
                devices=(device,),
            )
    return None


def _speaks(recording: Recording, topic: str, field: str, since_ns: int) -> list[str]:
    """The messages with a number on a topic."""
    return [
        heard.text
        for heard in recording.on(topic)
        if heard.at_ns >= since_ns and number_of(heard.payload, field) is not None
    ]

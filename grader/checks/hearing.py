"""What was heard at a broker: messages with their moments, recorded once and judged by many checks."""

from __future__ import annotations

import math
import shlex
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from grader.checks.context import Context
from grader.verdict import Finding, Unjudgeable, Verdict
from labs.engines.base import BeyondEngine, CommandRejected, Output
from labs.messages import Message, message
from labs.model.durations import format_duration
from labs.scenario.data_intents import Listening
from labs.things.mqtt.topics import matches
from labs.things.payload import read_json

__all__ = [
    "Heard",
    "Recording",
    "field_of",
    "listen",
    "login",
    "moment_of",
    "nothing_heard",
    "number_of",
]

SECOND = 1_000_000_000
TIMED_OUT = 27  # exit status of mosquitto_sub -W
STOPPED = 124  # exit status of a line that made too much happen on the network
MOST_MESSAGES = 100_000
MOST_OUTPUT = 1 << 25  # characters; a message takes some 250
LONGEST_S = 24 * 3600
EAR = "/run/netwerf.ear"
FORM = "%U %r %x %t"
SUBSCRIBED_NS = SECOND // 2
GRACE_NS = 10 * SECOND  # for a client that gives up by itself to do so
FLOOD = 1000  # with so many messages it is they that were too much, and no loop


@dataclass(frozen=True, slots=True)
class Heard:
    """One message. `at_ns` is simulated time; `kept` is true for a retained one that was not published just now."""

    at_ns: int
    topic: str
    payload: bytes
    kept: bool = False

    @property
    def text(self) -> str:
        """Topic and payload as a technician would see them."""
        return f"{self.topic} {self.payload.decode(errors='replace')}"


@dataclass(frozen=True, slots=True)
class Recording:
    """Everything published between two moments; `problem` says why nothing could be heard at all.

    `excess` says why the recording ends too early to judge by: more was said than can be kept.
    """

    began_ns: int
    ended_ns: int
    messages: tuple[Heard, ...] = ()
    problem: str = ""
    excess: Message | None = None

    def on(self, pattern: str) -> list[Heard]:
        """The fresh messages on topics that match a filter, in order."""
        return [heard for heard in self.messages if not heard.kept and matches(pattern, heard.topic)]

    @property
    def length(self) -> str:
        """How long was listened."""
        return format_duration((self.ended_ns - self.began_ns) // SECOND * SECOND)


def login(body: Any, host: str = "127.0.0.1") -> str:
    """The options of the mosquitto tools that lead to the broker of a check."""
    words = ["-h", host]
    if body.port != 1883:
        words += ["-p", str(body.port)]
    if body.cafile:  # the broker is asked at its own loopback, which no certificate names
        words += ["--cafile", body.cafile, *(["--insecure"] if host == "127.0.0.1" else [])]
    if body.user:
        words += ["-u", body.user, "-P", body.password]
    return shlex.join(words)


def _key(body: Listening) -> tuple[object, ...]:
    return (body.broker, body.user, body.password, body.port, body.cafile)


def listen(context: Context, body: Listening) -> Recording:
    """What the broker says for as long as a check asks. Checks with the same login share one recording.

    Raises Unjudgeable where more was said than can be recorded.
    """
    key = _key(body)
    known = context.recordings.get(key)
    if isinstance(known, Recording) and (known.excess or known.ended_ns - known.began_ns >= body.during):
        return _complete(known)
    bodies = [check.body for check in context.variant.scenario.checks if isinstance(check.body, Listening)]
    longest = max([body.during, *(other.during for other in bodies if _key(other) == key)])
    recording = _record(context, body, longest // SECOND)
    context.recordings[key] = recording
    return _complete(recording)


def _complete(recording: Recording) -> Recording:
    if recording.excess is not None:
        raise Unjudgeable(recording.excess)
    return recording


def _record(context: Context, body: Listening, seconds: int) -> Recording:
    began = context.engine.now
    output = _hurried(context, body, seconds) or context.engine.run(
        body.broker,
        f"{_ear(body)} -W {seconds}",
        most=MOST_OUTPUT,
        longest_ns=seconds * SECOND + GRACE_NS,
    )
    now = context.engine.now
    flood = output.status == STOPPED and output.text.count("\n") >= FLOOD
    if flood or output.was_cut or (output.status == 0 and output.text.count("\n") >= MOST_MESSAGES):
        heard = Recording(began, now).length
        return Recording(
            began,
            now,
            excess=message(
                "too many messages on {broker} to judge: the recording is full after {length}; listen for less long",
                broker=body.broker,
                length=heard,
            ),
        )
    if output.status not in (0, TIMED_OUT):
        return Recording(began, now, problem=output.text.strip())
    return Recording(began, now, _heard(context, body.broker, output.text, began, now))


def _heard(context: Context, broker: str, text: str, began: int, now: int) -> tuple[Heard, ...]:
    """The messages of a recording, with their moments."""
    messages = []
    for line in text.splitlines():
        stamp, _, rest = line.partition(" ")
        kept, _, rest = rest.partition(" ")
        payload, _, topic = rest.partition(" ")
        if kept not in ("0", "1") or not topic:
            continue  # "Timed out" on standard error
        seconds_, _, nanos = stamp.partition(".")
        at = context.engine.moment(broker, int(seconds_) * SECOND + int(nanos))
        messages.append(Heard(min(max(at, began), now), topic, bytes.fromhex(payload), kept == "1"))
    return tuple(messages)


def _ear(body: Listening) -> str:
    return f"mosquitto_sub {login(body)} -t '#' -C {MOST_MESSAGES} -F '{FORM}'"


def _hurried(context: Context, body: Listening, seconds: int) -> Output | None:
    """What `mosquitto_sub` prints, and its exit status, where time passes faster than in life.

    None where it must not: the engine repeats itself (and time costs nothing), or something on site keeps a clock of
    its own, such as a loop in a shell. Then somebody has to listen for as long as that.
    """
    engine = context.engine
    if engine.repeats:
        return None
    engine.run(body.broker, f"{_ear(body)} > {EAR} 2>&1 & ear=$!")
    hurried = True
    try:
        context.wait(SUBSCRIBED_NS)
        context.elapse(seconds * SECOND, besides=FORM)
    except BeyondEngine:
        hurried = False
    ended = engine.run(body.broker, "kill $ear; alive=$?; wait $ear; (exit $(($? * alive)))")
    text = ended.text
    with suppress(CommandRejected):
        text = engine.read_file(body.broker, EAR).decode("utf-8", "replace")
    engine.run(body.broker, f"rm -f {EAR}")
    full = text.count("\n") >= MOST_MESSAGES
    return Output(text, ended.status or (0 if full else TIMED_OUT)) if hurried else None


def nothing_heard(recording: Recording, body: Listening, topic: str, verdict: Verdict = Verdict.FAIL) -> Finding:
    """The finding where a check has no message to judge: a dead site proves nothing."""
    if recording.problem:
        return Finding(
            verdict,
            message("the broker on {broker} does not answer: {text}", broker=body.broker, text=recording.problem),
        )
    others = list(dict.fromkeys(heard.topic for heard in recording.messages))
    return Finding(
        verdict,
        message("nothing is published on {topic} within {within}", topic=topic, within=recording.length),
        help=message("what is published: {topics}", topics=", ".join(others[:5])) if others else None,
    )


def field_of(payload: bytes, path: str) -> Any:
    """What stands at `a.b` in a JSON message; a bare number is its own `value`. None where there is nothing."""
    try:
        found = read_json(payload)
    except ValueError:
        return None
    if not isinstance(found, dict):
        return found if path == "value" else None
    for part in path.split("."):
        if not isinstance(found, dict) or part not in found:
            return None
        found = found[part]
    return found


def number_of(payload: bytes, path: str) -> float | None:
    """The finite number at `a.b`, or None."""
    found = field_of(payload, path)
    if isinstance(found, bool) or not isinstance(found, (int, float)) or not math.isfinite(found):
        return None
    return float(found)


def moment_of(payload: bytes, path: str) -> float | None:
    """A time (as Unix seconds) or counter at `a.b`, or None."""
    found = field_of(payload, path)
    if isinstance(found, str):
        try:
            return datetime.fromisoformat(found).replace(tzinfo=datetime.fromisoformat(found).tzinfo or UTC).timestamp()
        except (ValueError, OverflowError):
            return None
    return number_of(payload, path)

"""Judges of rooms: what is driven follows the truth and does not chatter; a room stays as people want it."""

from __future__ import annotations

import hashlib
import itertools
from bisect import bisect_right
from datetime import datetime

from grader.checks.context import Context
from grader.verdict import Finding, Verdict
from labs.messages import message
from labs.model.durations import format_duration
from labs.model.world import ARRIVAL_NS
from labs.scenario.control_intents import Reacts, Stays, Watching, window_of
from labs.things.conditions import Moment, parse_condition
from labs.things.timezone import local_time, zone
from labs.things.units import BASE_UNITS, symbol

__all__ = ["judge_reacts", "judge_stays"]

SECOND = 1_000_000_000
STEP_NS = 60 * SECOND
HOUR_NS = 3600 * SECOND
PATIENCE_MIN = 180
LATER = message("the hours to come are judged: let the next time come near, or undo a long wait, and check again")


def judge_reacts(context: Context, body: Reacts) -> Finding:
    """Let the time pass, then look back minute by minute. A state that nobody ever asked for is not judged."""
    wanted_on = body.level == "on"
    context = _day_of(context, body)
    if body.without:
        context.watched = None  # whoever looks after this looks from then on
    if body.without and not _came(context, body, wanted=not wanted_on):
        # The checks before this one let hours pass: what was under way when the trainee asked may be over by now.
        anew = context.anew()
        if anew is None or not _came(anew, body, wanted=not wanted_on):
            text = message(
                "the {what} of {room} was {state} anyhow: nothing was tested",
                what=body.what,
                room=body.room,
                state=body.level,
            )
            return Finding(Verdict.BLOCKED, text, help=LATER)
        context = anew
    if not body.without:
        began, ended = _watched(context, body)
        return _judged(context, body, began, ended)
    off = [name for name in body.without if context.site.devices[name].powered]
    for name in off:
        context.engine.power(name, on=False)
    began = context.engine.now
    context.elapse(body.during)
    context.forget()
    finding = _judged(context, body, began, context.engine.now)
    for name in off:
        context.engine.power(name, on=True)
    context.forget()
    return finding


def judge_stays(context: Context, body: Stays) -> Finding:
    """Let the time pass, then look back minute by minute. What nobody heats stays cool: `needs` asks for more."""
    context = _day_of(context, body)
    began, ended = _watched(context, body)
    where = zone(body.timezone)
    window = parse_condition(window_of(body), frozenset())
    unit = symbol(BASE_UNITS.get(body.quantity, ""))
    seen: list[float] = []
    for now in range(began, ended, STEP_NS):
        local = local_time(where, context.site.world.epoch_s + (now - ARRIVAL_NS) / SECOND)[0]
        if not window.judge(Moment({}, local)):
            continue
        truth = context.truth(body.room, body.quantity, now)
        seen.append(truth)
        too_low = body.low is not None and truth < body.low
        if too_low or (body.high is not None and truth > body.high):
            values = {"when": f"{local:%a %d %b %H:%M}", "room": body.room, "quantity": body.quantity}
            said = f"{truth:.1f} {unit}".rstrip()
            limit = f"{body.low if too_low else body.high:g} {unit}".rstrip()
            text = (
                message(
                    "on {when} the {quantity} of {room} is {about}; it may not fall below {limit}",
                    **values,
                    about=said,
                    limit=limit,
                )
                if too_low
                else message(
                    "on {when} the {quantity} of {room} is {about}; it may not rise above {limit}",
                    **values,
                    about=said,
                    limit=limit,
                )
            )
            return Finding(Verdict.FAIL, text)
    if not seen:
        text = message("in {length} the time to look never came", length=format_duration(body.during))
        return Finding(Verdict.BLOCKED, text, help=LATER)
    return Finding(
        Verdict.PASS,
        message(
            "the {quantity} of {room} is between {low} and {high}",
            quantity=body.quantity,
            room=body.room,
            low=f"{min(seen):.1f}",
            high=f"{max(seen):.1f} {unit}".rstrip(),
        ),
    )


def _day_of(context: Context, body: Watching) -> Context:
    """The trial on the day that the check asks for: of several one is drawn by the seed of the variant."""
    if not body.starts:
        return context
    drawn = hashlib.sha256(f"{context.variant.seed}/{body.starts}".encode()).digest()[0]
    return context.on_another_day(body.starts[drawn % len(body.starts)])


def _watched(context: Context, body: Watching) -> tuple[int, int]:
    """Leave the site alone for as long as the longest check asks, once for all up to one that interferes."""
    if context.watched is None or context.watched[1] - context.watched[0] < body.during:
        bodies = [check.body for check in context.variant.scenario.checks if isinstance(check.body, Watching)]
        bodies = [known for known in bodies if known.starts == body.starts]
        together = itertools.takewhile(lambda known: not getattr(known, "without", ()), bodies[bodies.index(body) :])
        durations = [known.during for known in together]
        began = context.engine.now
        context.elapse(max([body.during, *durations]))
        context.forget()
        context.watched = (began, context.engine.now)
    return context.watched[0], context.watched[0] + body.during


def _came(context: Context, body: Reacts, *, wanted: bool) -> bool:
    """Wait until it is on (or off) by itself, for some hours at most."""
    for _ in range(PATIENCE_MIN):
        known = context.level(body.room, body.what)
        if (bool(known) and known[-1][1] > 0) == wanted:
            return True
        context.elapse(STEP_NS)
    return False


def _judged(context: Context, body: Reacts, began: int, ended: int) -> Finding:
    changes = [(at, level) for at, level in context.level(body.room, body.what) if at <= ended]
    times = [at for at, _ in changes]
    where = zone(body.timezone)
    window = parse_condition(window_of(body), frozenset())
    wanted_on = body.level == "on"
    asked_since: int | None = None
    tested = 0
    for now in range(began, ended, STEP_NS):
        local = local_time(where, context.site.world.epoch_s + (now - ARRIVAL_NS) / SECOND)[0]
        if not _asked(context, body, now) or not window.judge(Moment({}, local)):
            asked_since = None
            continue
        asked_since = now if asked_since is None else asked_since
        if now - asked_since < body.within:
            continue
        tested += 1
        index = bisect_right(times, now)
        level = changes[index - 1][1] if index else 0.0
        if (level > 0) != wanted_on:
            return _late(context, body, now, local, level)
    if not tested:
        return Finding(
            Verdict.BLOCKED,
            message(
                "in {length} nothing asked for the {what} of {room} to be {state}: nothing was tested",
                length=format_duration(body.during),
                what=body.what,
                room=body.room,
                state=body.level,
            ),
            help=LATER,
        )
    hours = [sum(1 for at in times if since <= at < since + HOUR_NS) for since in (t for t in times if t >= began)]
    most = max(hours, default=0)
    if body.switches is not None and most > body.switches:
        return Finding(
            Verdict.FAIL,
            message(
                "the {what} of {room} changes {count} times in an hour; {most} is allowed",
                what=body.what,
                room=body.room,
                count=most,
                most=body.switches,
            ),
            help=message("two limits, one for on and one for off, keep it from chattering"),
        )
    return Finding(
        Verdict.PASS,
        message(
            "the {what} of {room} is {state} whenever it has to be, and changes at most {count} times an hour",
            what=body.what,
            room=body.room,
            state=body.level,
            count=most,
        ),
    )


def _asked(context: Context, body: Reacts, now: int) -> bool:
    if not body.quantity:
        return True
    truth = context.truth(body.room, body.quantity, now)
    return not ((body.below is not None and truth >= body.below) or (body.above is not None and truth <= body.above))


def _late(context: Context, body: Reacts, now: int, local: datetime, level: float) -> Finding:
    about = ""
    if body.quantity:
        unit = symbol(BASE_UNITS.get(body.quantity, ""))
        about = f"{context.truth(body.room, body.quantity, now):.1f} {unit}".rstrip()
    text = (
        message(
            "on {when} the {what} of {room} is {state}; the {quantity} is {about}, so it should be {wanted}",
            when=f"{local:%a %d %b %H:%M}",
            what=body.what,
            room=body.room,
            state="on" if level else "off",
            quantity=body.quantity,
            about=about,
            wanted=body.level,
        )
        if about
        else message(
            "on {when} the {what} of {room} is {state}; it should be {wanted}",
            when=f"{local:%a %d %b %H:%M}",
            what=body.what,
            room=body.room,
            state="on" if level else "off",
            wanted=body.level,
        )
    )
    return Finding(Verdict.FAIL, text)

"""Time of the site that passes faster than real time: from one moment at which something is due to the next.

Programs of ours live by the clock of the lab alone. So the clock is put forward to the earliest of their deadlines,
whoever is due acts, and nothing goes on before it has arrived: who speaks MQTT leaves a topic that it never asked for,
and the broker confirms that after everything it was told before, and after everything that it had to say by then. When
a round passes in which nobody said anything, all that was said has been heard, and the site rests until the next one is
due. Clients of others are waited for until they have read what came.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from labs.engines.kernel.capability import slow
from labs.engines.kernel.channel import LONGEST_WAIT_NS
from labs.engines.kernel.lab.exchange import Refused
from labs.hands.workbench import HandsError, Told
from labs.messages import message
from labs.model.durations import format_duration

if TYPE_CHECKING:
    from labs.engines.kernel.lab.process import Lab

__all__ = ["catch_up", "elapse", "forget", "let_pass"]

MINUTE = 60_000_000_000
IN_PERSON_NS = 20_000_000_000  # so long anybody waits for a kernel
LOOK_NS = 500_000_000  # how often spanning trees are looked at
STALE_NS = 30_000_000_000  # base_reachable_time_ms, arp(7)
RESTLESS = 200  # rounds without rest between two deadlines
BUS_STEP = 50_000_000  # a cable keeps the moments within such a step by itself, in their order


def elapse(lab: Lab, duration_ns: int, *, besides: str = "") -> None:
    """Put every clock of the site forward. Raises Refused where somebody there would have noticed the time by another.

    `besides` is a line that runs in a shell and may.
    """
    asked = lab.ask(lab.devices, do="ageing", duration_ns=duration_ns, besides=besides)
    for name, answer in asked.items():
        if answer["ageing"]:
            raise Refused(f"{name}: {answer['ageing']}", "beyond")
    forget(lab, duration_ns)
    catch_up(lab, lab.now + duration_ns)


def let_pass(lab: Lab, duration_ns: int) -> Told:
    """Let time pass for a person: a moment in real time, more by putting the clocks forward. Raises HandsError."""
    if duration_ns <= IN_PERSON_NS:
        lab.wait(duration_ns)
        return []
    duration_ns = _trees(lab, duration_ns)
    if not duration_ns:
        return []
    try:
        elapse(lab, duration_ns)
    except Refused as error:
        if duration_ns > LONGEST_WAIT_NS:
            refused = message(
                "time cannot be put forward here, and nobody waits more than 15 min: {reason}", reason=str(error)
            )
            raise HandsError(refused) from None
        lab.wait(duration_ns)
        return []
    return [
        message("The clocks of the site were put forward for it; date and other tools show the time of this machine.")
    ]


def _trees(lab: Lab, duration_ns: int) -> int:
    """Wait in real time while a spanning tree still lets ports neither forward nor block; how much is left to wait."""
    while duration_ns and any(answer["spanning"] for answer in lab.ask(lab.devices, do="quiet").values()):
        step = min(LOOK_NS, duration_ns)
        lab.wait(step)
        duration_ns -= step
    return duration_ns


def forget(lab: Lab, duration_ns: int) -> None:
    """Let devices forget what a kernel forgets in such a time when nobody speaks."""
    if duration_ns >= STALE_NS:
        lab.ask(lab.devices, do="forget")


def catch_up(lab: Lab, until: int) -> None:
    """Let the site live until a time. Raises Refused where that takes more than a quarter of an hour of real time."""
    lab.ask(lab.devices, do="pace", quick=not any(slow(link) for link in lab.panel.links))
    try:
        _live(lab, until)
    finally:
        lab.ask(lab.devices, do="pace", quick=False)
    lab.ask(lab.devices, do="arrive")  # alarms are set anew


def _live(lab: Lab, until: int) -> None:
    latest, since = time.monotonic() + LONGEST_WAIT_NS / 1e9, lab.now
    _rest(lab, list(lab.devices), latest)
    while (now := lab.now) < until:
        due = min((at for name in lab.devices if (at := lab.due.get(name)) is not None), default=until)
        if lab.buses.due is not None:
            due = min(due, max(lab.buses.due, now + BUS_STEP))
        lab.clock.forward(max(0, min(due, until) - now))
        now = lab.now
        _rest(lab, [name for name in lab.devices if (lab.due.get(name) or now + 1) <= now], latest)
        if time.monotonic() > latest:
            done = format_duration((now - since) // MINUTE * MINUTE)
            raise Refused(f"a quarter of an hour of real time brought the site {done} forward and no further", "beyond")


def _rest(lab: Lab, names: list[str], latest: float) -> None:
    """Let these devices do what is due, and everybody hear of it, until nobody says anything any more."""
    spoke = lab.round(names)
    for _ in range(RESTLESS):
        if not spoke or time.monotonic() > latest:
            return
        spoke = lab.round(lab.devices)
    raise Refused("programs of the site go on talking without time passing", "beyond")

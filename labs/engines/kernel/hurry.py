"""Time of the site that passes faster than real time: from one moment at which something is due to the next.

Programs of ours live by the clock of the lab alone. So the clocks are put forward to the earliest of their deadlines,
they do what is due, and nothing goes on before it has arrived: whoever speaks MQTT leaves a topic that it never asked
for, and the broker confirms that after everything it was told before, and after everything that it had to say by then.
When a round passes in which nobody said or heard anything, the site rests until the next deadline.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from labs.engines.kernel.channel import LONGEST_WAIT_NS
from labs.engines.kernel.exchange import Refused
from labs.model.durations import format_duration

if TYPE_CHECKING:
    from labs.engines.kernel.process import Lab

__all__ = ["hurry"]

MINUTE = 60_000_000_000
RESTLESS = 200  # rounds without rest between two deadlines


def hurry(lab: Lab, until: int) -> None:
    """Let the site live until a time. Raises Refused where that takes more than a quarter of an hour of real time."""
    latest, since = time.monotonic() + LONGEST_WAIT_NS / 1e9, lab.now
    forward = 0
    while True:
        due = _rested(lab, forward, latest)
        now = lab.now
        if now >= until:
            return
        forward = max(0, (until if due is None or due > until else due) - now)
        if time.monotonic() > latest:
            done = format_duration((now - since) // MINUTE * MINUTE)
            raise Refused(f"a quarter of an hour of real time brought the site {done} forward and no further", "beyond")


def _rested(lab: Lab, forward: int, latest: float) -> int | None:
    """Put the clocks forward, and wait until everybody has done what is due; when something is due again."""
    active, due = lab.forward(forward)
    for _ in range(RESTLESS):
        if not active or time.monotonic() > latest:
            return due
        active, due = lab.forward(0)
    raise Refused("programs of the site go on talking without time passing", "beyond")

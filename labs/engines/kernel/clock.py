"""The clock of the lab: that of the machine, put forward. One memory that every process of the lab shares.

So a jump costs nobody a message, and all see it at the same moment.
"""

from __future__ import annotations

import mmap
import struct
import time

__all__ = ["LabClock"]

HEAD = struct.Struct("<qqq")  # how far it was put forward, how far of that since the trainee arrived, number of jumps
JUMP = struct.Struct("<qq")  # Unix time of a jump, how far forward the clock was from then on
MOST_JUMPS = 1 << 17  # afterwards the last one stands for all


class LabClock:
    """Nanoseconds since the site was switched on. Made before the devices fork."""

    def __init__(self, began: int | None = None) -> None:
        """`began` is when the site was switched on, by time.monotonic_ns."""
        self._started = time.monotonic_ns() if began is None else began
        self._memory = mmap.mmap(-1, HEAD.size + MOST_JUMPS * JUMP.size)

    @property
    def now(self) -> int:
        """The time of the lab."""
        return time.monotonic_ns() - self._started + self._head[0]

    @property
    def elapsed_ns(self) -> int:
        """How far it was put forward since the trainee arrived: time of the site in which no real time passed."""
        return self._head[1]

    def arrive(self, now: int) -> None:
        """The trainee arrives at this time, whatever it took to start."""
        self._jump(now - self.now, 0)

    def forward(self, duration_ns: int) -> None:
        """Put the clock forward."""
        if duration_ns:
            self._jump(duration_ns, duration_ns)

    def moment(self, unix_ns: int) -> int:
        """The time of the lab when the clock of the machine showed a Unix time."""
        return unix_ns - time.time_ns() + time.monotonic_ns() - self._started + self._shift_at(unix_ns)

    @property
    def _head(self) -> tuple[int, int, int]:
        shift, elapsed, count = HEAD.unpack_from(self._memory)
        return shift, elapsed, count

    def _jump(self, duration_ns: int, elapsed_ns: int) -> None:
        shift, elapsed, count = self._head
        shift += duration_ns
        place = min(count, MOST_JUMPS - 1)
        JUMP.pack_into(self._memory, HEAD.size + place * JUMP.size, time.time_ns(), shift)
        HEAD.pack_into(self._memory, 0, shift, elapsed + elapsed_ns, place + 1)

    def _shift_at(self, unix_ns: int) -> int:
        """How far forward the clock was: by halves, there may be many jumps."""
        below, above = 0, self._head[2]
        while below < above:
            middle = (below + above) // 2
            if JUMP.unpack_from(self._memory, HEAD.size + middle * JUMP.size)[0] <= unix_ns:
                below = middle + 1
            else:
                above = middle
        return int(JUMP.unpack_from(self._memory, HEAD.size + (below - 1) * JUMP.size)[1]) if below else 0

"""What chronyd knows of one time source, and how it chooses among several.

Before changing this file read RFC 5905 §8 and §11.2 and compare with chronyd 4.3. Simplified: an estimate is the newest
sample, not a regression over many; frequency errors do not exist, because every simulated clock runs at the same speed.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from labs.model.addresses import IPv4
from labs.net.chrony_conf import SourceLine
from labs.net.ntp import NtpPacket, unix_ns

__all__ = ["Sample", "Source", "select"]

SECOND = 1_000_000_000
SAMPLES_NEEDED = 3  # MIN_SAMPLES_FOR_REGRESS
BURST = 4  # IBURST_GOOD_SAMPLES
BURST_TRIES = 8  # IBURST_TOTAL_SAMPLES
BURST_INTERVAL_NS = 2 * SECOND
FIRST_POLL_NS = SECOND // 5  # INITIAL_DELAY
ERROR_PPB = 1000  # maxclockerror: a clock is trusted to one part in a million
PRECISION_NS = 30  # 2**-25 s
SAMPLES_KEPT = 8
POLL_UP = 8  # good samples in a row before the interval doubles


class Sample(NamedTuple):
    """One measurement: `offset_ns` is this clock minus the source's, positive where this clock is fast."""

    offset_ns: int
    delay_ns: int
    at_ns: int


@dataclass(slots=True, eq=False)
class Source:
    """One server of the configuration, once its address is known."""

    line: SourceLine
    address: IPv4
    next_ns: int = 0
    poll: int = 6
    reach: int = 0
    state: str = "?"
    samples: deque[Sample] = field(default_factory=lambda: deque(maxlen=SAMPLES_KEPT))
    measured_ns: int = 0
    """The offset of the last sample before the clock was corrected."""
    received_ns: int | None = None
    last: NtpPacket | None = None
    pending: int = 0
    """The transmit timestamp of the question that waits for its answer; 0 for none."""
    sent_clock_ns: int = 0
    burst_good: int = 0
    burst_tries: int = 0
    good: int = 0

    def begin(self, now: int) -> None:
        """Get ready for the first question."""
        self.poll = self.line.minpoll
        self.next_ns = now + FIRST_POLL_NS
        self.burst_good, self.burst_tries = (BURST, BURST_TRIES) if self.line.iburst else (0, 0)

    @property
    def stratum(self) -> int:
        """The stratum of the source, 0 where it never answered."""
        return self.last.stratum if self.last is not None else 0

    @property
    def selectable(self) -> bool:
        """True where the source may be chosen."""
        answered = self.last is not None and self.last.synchronised and self.reach != 0
        return answered and len(self.samples) >= SAMPLES_NEEDED and not self.line.noselect

    @property
    def bursting(self) -> bool:
        """True during the quick questions of iburst."""
        return self.burst_good > 0 and self.burst_tries > 0

    def asked(self, transmit: int, clock_ns: int, now: int) -> None:
        """A question went out."""
        self.pending, self.sent_clock_ns = transmit, clock_ns
        self.reach = self.reach << 1 & 0xFF
        if self.bursting:
            self.burst_tries -= 1
        self.next_ns = now + (BURST_INTERVAL_NS if self.bursting else SECOND << self.poll)

    def answered(self, packet: NtpPacket, clock_ns: int, now: int) -> bool:
        """Take an answer; True where it holds a usable time (RFC 5905 §8, the on-wire protocol)."""
        self.pending = 0
        self.last = packet
        if not packet.synchronised:
            self.good = 0
            return False
        self.reach |= 1
        self.received_ns = now
        offset = ((self.sent_clock_ns - unix_ns(packet.receive)) + (clock_ns - unix_ns(packet.transmit))) // 2
        held = unix_ns(packet.transmit) - unix_ns(packet.receive)
        self.samples.append(Sample(offset, max(clock_ns - self.sent_clock_ns - held, 0), now))
        self.measured_ns = offset
        if self.bursting:
            self.burst_good -= 1
            self.next_ns = now + (BURST_INTERVAL_NS if self.bursting else SECOND << self.poll)
        self._relax()
        return True

    def _relax(self) -> None:
        """Ask less often while all goes well."""
        self.good += 1
        if self.good >= POLL_UP and self.poll < self.line.maxpoll:
            self.poll, self.good = self.poll + 1, 0

    def moved(self, step_ns: int) -> None:
        """The clock of this device was set forward: what was measured before looks later now."""
        self.samples = deque((s._replace(offset_ns=s.offset_ns + step_ns) for s in self.samples), maxlen=SAMPLES_KEPT)
        self.sent_clock_ns += step_ns

    @property
    def offset_ns(self) -> int:
        """How far this clock is ahead of the source's, after corrections."""
        return self.samples[-1].offset_ns if self.samples else 0

    def root_delay_ns(self) -> int:
        """The way to the reference clock and back."""
        return (self.samples[-1].delay_ns if self.samples else 0) + (self.last.root_delay_ns if self.last else 0)

    def dispersion_ns(self, now: int) -> int:
        """What the answer can be wrong by, apart from the delay; it grows with age."""
        if not self.samples or self.last is None:
            return 0
        return PRECISION_NS + self.last.root_dispersion_ns + (now - self.samples[-1].at_ns) * ERROR_PPB // SECOND

    def distance_ns(self, now: int) -> int:
        """The root distance (RFC 5905 §11.2.1): the error bar of `chronyc sources`."""
        return self.root_delay_ns() // 2 + self.dispersion_ns(now)


def select(sources: Sequence[Source], current: Source | None, now: int) -> tuple[Source | None, str]:
    """Choose the source to follow and mark all of them; the text says what chronyd would log when there is none."""
    for source in sources:
        source.state = "?"
    able = [source for source in sources if source.selectable]
    if not able:
        return None, "Can't synchronise: no selectable sources"
    agreed = _largest_agreement(able, now)
    if len(agreed) * 2 <= len(able):
        for source in able:
            source.state = "x"
        return None, "Can't synchronise: no majority"
    for source in able:
        source.state = "+" if source in agreed else "x"
    favoured = [source for source in agreed if source.line.prefer] or agreed
    best = min(favoured, key=lambda source: (source.stratum, source.distance_ns(now)))
    if current in favoured and current is not None and current.stratum <= best.stratum:
        best = current
    best.state = "*"
    return best, ""


def _largest_agreement(sources: Sequence[Source], now: int) -> list[Source]:
    """The most sources whose intervals of possible true time share a point (§11.2.1, the intersection of Marzullo)."""
    bounds = {}
    for source in sources:
        wide = source.distance_ns(now) + 1000
        bounds[source] = (source.offset_ns - wide, source.offset_ns + wide)
    best: list[Source] = []
    for low, _ in bounds.values():
        here = [source for source in sources if bounds[source][0] <= low <= bounds[source][1]]
        if len(here) > len(best):
            best = here
    return best

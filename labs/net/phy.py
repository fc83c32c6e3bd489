"""Transceivers: what a port offers or was set to, and the mode in which two of them end up.

Before changing this file read IEEE 802.3 clause 28.2.3 (autonegotiation, parallel detection) and annex 28B.3.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

__all__ = ["UNTOUCHED", "LinkMode", "Transceiver", "agreed_modes"]

MEGABIT = 1_000_000
NEGOTIATED_BPS = 1000 * MEGABIT  # from here on copper has to negotiate (clause 40.5.1)


class LinkMode(NamedTuple):
    """A speed and whether both directions may be used at once."""

    speed_bps: int
    full: bool

    def __str__(self) -> str:
        return f"{self.speed_bps // MEGABIT}baseT/{'Full' if self.full else 'Half'}"


MODES = (
    *(LinkMode(speed * MEGABIT, full) for speed in (10, 100) for full in (False, True)),
    *(LinkMode(speed * MEGABIT, full=True) for speed in (1000, 2500, 10_000)),
)


@dataclass(frozen=True, slots=True)
class Transceiver:
    """One port. `able_bps` is its best speed; `only` narrows what it offers, or is what it is forced to.

    A speed of 1000 Mb/s cannot be forced: the port then negotiates with this mode alone on offer, as e1000e does.
    """

    able_bps: int = 1000 * MEGABIT
    autoneg: bool = True
    only: tuple[LinkMode, ...] = ()
    """Empty is everything it can do."""

    @property
    def supported(self) -> tuple[LinkMode, ...]:
        """Every mode, the slowest first."""
        return tuple(mode for mode in MODES if mode.speed_bps <= self.able_bps)

    @property
    def offered(self) -> tuple[LinkMode, ...]:
        """What it tells the other end while it negotiates."""
        return self.only or self.supported

    @property
    def forced(self) -> LinkMode | None:
        """The mode it takes without asking, or None."""
        return None if self.autoneg or self.only[0].speed_bps >= NEGOTIATED_BPS else self.only[0]


UNTOUCHED = Transceiver()


def agreed_modes(near: Transceiver, far: Transceiver) -> tuple[LinkMode, LinkMode] | None:
    """The mode of each end, or None where they do not find each other.

    An end that negotiates with one that does not hears its speed and has to take half duplex (parallel detection).
    """
    if near.autoneg and far.autoneg and not near.only and not far.only:
        best = LinkMode(min(near.able_bps, far.able_bps), full=True)
        return best, best
    if near.forced is None and far.forced is None:
        common = [mode for mode in near.offered if mode in far.offered]
        return (common[-1], common[-1]) if common else None
    if near.forced is not None and far.forced is not None:
        return (near.forced, far.forced) if near.forced.speed_bps == far.forced.speed_bps else None
    if near.forced is None:
        swapped = agreed_modes(far, near)
        return None if swapped is None else (swapped[1], swapped[0])
    heard = LinkMode(near.forced.speed_bps, full=False)
    able = any(mode.speed_bps == heard.speed_bps for mode in far.offered)
    return (near.forced, heard) if able else None

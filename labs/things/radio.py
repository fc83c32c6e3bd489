"""How strong a signal arrives: log-distance path loss and the walls between two rooms.

PL(d) = FSPL(1 m) + 10 n log10(d) + walls, with n = 3 for a building (ITU-R P.1238 gives 2.8 to 3.3 for offices). There
is no fading: the same two places always give the same figure.
"""

from __future__ import annotations

import math

from labs.model.radio import MATERIALS_DB, RadioPlan

__all__ = ["distance_m", "free_space_loss_db", "path_loss_db"]

EXPONENT = 3.0
SAME_ROOM_M = 4.0
UNKNOWN_M = 10.0  # between rooms that are not on the plan


def free_space_loss_db(distance: float, mhz: float) -> float:
    """20 log10(d) + 20 log10(f) - 27.55, in metres and MHz (ITU-R P.525).

    Examples
    --------
    >>> round(free_space_loss_db(1, 2412), 1), round(free_space_loss_db(1, 868), 1)
    (40.1, 31.2)
    """
    return 20 * math.log10(distance) + 20 * math.log10(mhz) - 27.55


def distance_m(plan: RadioPlan, a: str, b: str) -> float:
    """Metres between two rooms; things in one room stand some metres apart."""
    if a == b:
        return SAME_ROOM_M
    if a not in plan.places or b not in plan.places:
        return UNKNOWN_M
    (ax, ay), (bx, by) = plan.places[a], plan.places[b]
    return max(math.hypot(ax - bx, ay - by), SAME_ROOM_M)


def path_loss_db(plan: RadioPlan, a: str, b: str, mhz: float) -> float:
    """What a signal between two rooms loses."""
    loss = free_space_loss_db(1.0, mhz) + 10 * EXPONENT * math.log10(distance_m(plan, a, b))
    return loss + sum(MATERIALS_DB[wall.material] for wall in plan.walls if wall.rooms == {a, b} and a != b)


def received_dbm(plan: RadioPlan, a: tuple[str, str], b: tuple[str, str], power_dbm: float, mhz: float) -> float:
    """How strong one device hears another; each is given as (device, room)."""
    antennas = plan.antenna_db.get(a[0], 0.0) + plan.antenna_db.get(b[0], 0.0)
    return power_dbm - path_loss_db(plan, a[1], b[1], mhz) - antennas

"""How long a battery lasts, and what is left in it.

C_day = N * sum(I * t) / 3.6e6 + I_sleep * (24 - N * sum(t) / 3.6e6), in mAh (mA, ms), and days = C * U / C_day: the
formula of Semtech's "The Book", battery life, without the second division by 24 of that page. The shelf life of the
cell is the limit of what is promised.
"""

from __future__ import annotations

from typing import NamedTuple

from labs.things.library.model import Battery, Model

__all__ = ["Charge", "charge_left", "life_years", "mah_per_day"]

DAY_S = 86_400
MS_PER_HOUR = 3.6e6
DAYS_PER_YEAR = 365.25
LOW = 0.15
RESISTANCE_PART = 0.25  # how much of the way from full to empty the voltage of a healthy cell falls under load


class Charge(NamedTuple):
    """What a battery is like: the share of its usable capacity, and its voltage idle and while sending."""

    share: float
    idle_v: float
    loaded_v: float

    @property
    def low(self) -> bool:
        """Time to replace it."""
        return self.share < LOW


def mah_per_day(model: Model, report_s: float, sample_s: float = 0.0) -> float:
    """What a model takes in a day that reports every `report_s` and samples every `sample_s` (0: with each report)."""
    reports = DAY_S / report_s
    samples = DAY_S / sample_s if sample_s else reports
    awake_h = (samples * model.measure_ms + reports * model.send_ms) / MS_PER_HOUR
    work = (samples * model.measure_ma * model.measure_ms + reports * model.send_ma * model.send_ms) / MS_PER_HOUR
    return work + model.sleep_ua / 1000 * max(24 - awake_h, 0.0)


def life_years(model: Model, battery: Battery, report_s: float, sample_s: float = 0.0) -> float:
    """How long a new battery lasts, at most its shelf life."""
    days = battery.capacity_mah * battery.usable / mah_per_day(model, report_s, sample_s)
    return min(days / DAYS_PER_YEAR, battery.shelf_years)


def charge_left(battery: Battery, share: float, seconds: float, per_day_mah: float) -> Charge:
    """What is left of a `share` after some seconds. A nearly empty cell has a high resistance: it sags under load."""
    used = per_day_mah * seconds / DAY_S / (battery.capacity_mah * battery.usable)
    left = max(share - used, 0.0)
    span = battery.full_v - battery.empty_v
    idle = battery.full_v - span * 0.3 * (1 - left) - (span * 0.4 if left == 0 else 0.0)
    loaded = idle - span * RESISTANCE_PART * (1 + 3 * (1 - left) ** 4)
    return Charge(left, idle, loaded)

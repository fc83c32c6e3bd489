"""How long a battery lasts, and what is left in it.

C_day = N * sum(I * t) / 3.6e6 + I_sleep * (24 - N * sum(t) / 3.6e6), in mAh (mA, ms), and days = C * U / C_day: the
formula of Semtech's "The Book", battery life, without the second division by 24 of that page. The shelf life of the
cell is the limit of what is promised.
"""

from __future__ import annotations

from typing import NamedTuple

from labs.things.library.model import Battery, Model

__all__ = ["DAYS_PER_YEAR", "Charge", "Report", "charge_left", "life_years", "mah_per_day"]

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


class Report(NamedTuple):
    """What one report takes of the radio: its charge, and how long it is on."""

    ma_ms: float
    ms: float


def mah_per_day(
    model: Model,
    report_s: float,
    sample_s: float = 0.0,
    *,
    firmware: str = "",
    awake: bool = False,
    report: Report | None = None,
) -> float:
    """What a model takes in a day that reports every `report_s` and samples every `sample_s` (0: with each report).

    `firmware` is the version that is installed, `awake` a receiver that never sleeps, `report` what the radio really
    takes (None: what the model says).
    """
    reports = DAY_S / report_s
    samples = DAY_S / sample_s if sample_s else reports
    send = report or Report(model.send_ma * model.send_ms, model.send_ms)
    awake_h = (samples * model.measure_ms + reports * send.ms) / MS_PER_HOUR
    work = (samples * model.measure_ma * model.measure_ms + reports * send.ma_ms) / MS_PER_HOUR
    rest_ma = (model.sleep_ua + model.leaks.get(firmware, 0.0)) / 1000 + (model.awake_ma if awake else 0.0)
    return work + rest_ma * max(24 - awake_h, 0.0)


def life_years(battery: Battery, per_day_mah: float) -> float:
    """How long a new battery lasts where so much is taken in a day, at most its shelf life."""
    return min(battery.capacity_mah * battery.usable / per_day_mah / DAYS_PER_YEAR, battery.shelf_years)


def charge_left(battery: Battery, share: float, seconds: float, per_day_mah: float) -> Charge:
    """What is left of a `share` after some seconds. A nearly empty cell has a high resistance: it sags under load."""
    used = per_day_mah * seconds / DAY_S / (battery.capacity_mah * battery.usable)
    left = max(share - used, 0.0)
    span = battery.full_v - battery.empty_v
    idle = battery.full_v - span * 0.3 * (1 - left) - (span * 0.4 if left == 0 else 0.0)
    loaded = idle - span * RESISTANCE_PART * (1 + 3 * (1 - left) ** 4)
    return Charge(left, idle, loaded)

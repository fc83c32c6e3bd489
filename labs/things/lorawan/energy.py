"""What a message costs a LoRaWAN sensor: how often it is sent, how slowly, and how long the receiver is on.

Before changing this file read the LoRaWAN Specification 1.0.3, §18.4 (a confirmed frame is sent up to eight times, and
after every second time one data rate slower) and §3.3 (receive windows). A window is open for eight symbols, the
preamble that it waits for; current in it as in the data sheet of Semtech SX1276 (11.5 mA).
"""

from __future__ import annotations

from labs.things.battery import Report, mah_per_day
from labs.things.lorawan.airtime import RX2_SF, SECOND, SNR_LIMIT_DB, airtime_ns, margin_db
from labs.things.lorawan.config import EndDevice

__all__ = ["FRAME_BYTES", "device_mah_per_day", "spreading_factors", "tries_needed"]

FRAME_BYTES = 17  # header and code 13, temperature 4
ACK_BYTES = 12
WINDOW_SYMBOLS = 8
RECEIVE_MA = 11.5
NS_PER_MS = 1_000_000
BANDWIDTH_HZ = 125_000


def spreading_factors(config: EndDevice) -> tuple[int, ...]:
    """With which spreading factor each try of a message goes out, as far as it may go.

    Examples
    --------
    >>> from types import SimpleNamespace
    >>> spreading_factors(SimpleNamespace(sf=7, confirmed=True, tries=8))
    (7, 7, 8, 8, 9, 9, 10, 10)
    """
    tries = config.tries if config.confirmed else 1
    return tuple(min(config.sf + number // 2, max(SNR_LIMIT_DB)) for number in range(tries))


def tries_needed(config: EndDevice, rssi_dbm: float | None) -> int | None:
    """The number of the try that is heard by the best gateway; None where none is (`rssi_dbm` None: no gateway)."""
    if rssi_dbm is None:
        return None
    for number, sf in enumerate(spreading_factors(config), 1):
        if margin_db(rssi_dbm, sf) >= 0:
            return number
    return None


def _window_ms(sf: int) -> float:
    return WINDOW_SYMBOLS * (1 << sf) * SECOND / BANDWIDTH_HZ / NS_PER_MS


def _report(config: EndDevice, tries: int | None, send_ma: float) -> Report:
    """The charge of one message that is heard at a try; None is never."""
    factors = spreading_factors(config)
    charge = on = 0.0
    for number, sf in enumerate(factors[:tries], 1):
        sending = airtime_ns(FRAME_BYTES, sf) / NS_PER_MS
        answered = config.confirmed and number == tries
        receiving = (
            airtime_ns(ACK_BYTES, sf, crc=False) / NS_PER_MS if answered else _window_ms(sf) + _window_ms(RX2_SF)
        )
        charge += sending * send_ma + receiving * RECEIVE_MA
        on += sending + receiving
    return Report(charge, on)


def device_mah_per_day(config: EndDevice, tries: int | None) -> float:
    """What a sensor takes of its battery whose messages are heard at a try. Without a model it takes nothing."""
    if config.model is None:
        return 0.0
    version = config.firmware or config.model.firmware[0]
    return mah_per_day(
        config.model,
        config.interval_s,
        config.sample_s,
        firmware=version,
        awake=config.stay_awake,
        report=_report(config, tries, config.model.send_ma),
    )

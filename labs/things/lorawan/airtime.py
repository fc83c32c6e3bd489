"""Time on air of LoRa, what a receiver can still read, and the channels of EU863-870.

Before changing this file read Semtech AN1200.13 §4 (the formula), the SX1272 data sheet (sensitivities) and LoRaWAN
Regional Parameters 1.0.2 §2.2.
"""

from __future__ import annotations

import math

__all__ = ["CHANNELS_MHZ", "airtime_ns", "margin_db", "off_time_ns", "snr_db"]

BANDWIDTH_HZ = 125_000
PREAMBLE_SYMBOLS = 8
CODING_RATE = 1  # 4/5
LOW_DATA_RATE_NS = 16_000_000  # from this symbol time on the optimisation is on
SECOND = 1_000_000_000
CHANNELS_MHZ = (868.1, 868.3, 868.5)  # §2.2.2, the join channels
RX2_MHZ, RX2_SF = 869.525, 12
DUTY_CYCLE = 0.01  # sub-band 868.0 to 868.6 MHz
RX1_NS, RX2_NS = SECOND, 2 * SECOND
JOIN_RX1_NS, JOIN_RX2_NS = 5 * SECOND, 6 * SECOND
NOISE_FLOOR_DBM = -117.0  # -174 dBm/Hz + 10 log10(125 kHz) + 6 dB of the receiver
SENSITIVITY_DBM = {7: -124.0, 8: -127.0, 9: -130.0, 10: -133.0, 11: -135.0, 12: -137.0}
SNR_LIMIT_DB = {7: -7.5, 8: -10.0, 9: -12.5, 10: -15.0, 11: -17.5, 12: -20.0}
MAX_PAYLOAD = {7: 222, 8: 222, 9: 115, 10: 51, 11: 51, 12: 51}


def airtime_ns(size: int, sf: int, *, crc: bool = True) -> int:
    """How long a frame of so many bytes (LoRaWAN header and code included) is on the air at 125 kHz.

    Examples
    --------
    >>> airtime_ns(25, 7) / 1e6, airtime_ns(25, 12) / 1e6
    (61.696, 1482.752)
    """
    symbol = (1 << sf) * SECOND // BANDWIDTH_HZ
    optimised = symbol >= LOW_DATA_RATE_NS
    bits = 8 * size - 4 * sf + 28 + 16 * crc
    symbols = 8 + max(math.ceil(bits / (4 * (sf - 2 * optimised))) * (CODING_RATE + 4), 0)
    return (4 * PREAMBLE_SYMBOLS + 17) * symbol // 4 + symbols * symbol


def off_time_ns(airtime: int, duty_cycle: float = DUTY_CYCLE) -> int:
    """How long a sub-band is not used after a frame."""
    return round(airtime * (1 / duty_cycle - 1))


def snr_db(rssi_dbm: float) -> float:
    """Signal over noise."""
    return rssi_dbm - NOISE_FLOOR_DBM


def margin_db(rssi_dbm: float, sf: int) -> float:
    """What is left above the weakest signal that can be read at a spreading factor; below 0 nothing is heard."""
    return min(snr_db(rssi_dbm) - SNR_LIMIT_DB[sf], rssi_dbm - SENSITIVITY_DBM[sf])

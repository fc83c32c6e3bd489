"""What a LoRaWAN message costs, against figures reckoned by hand, and frames that want an answer."""

from __future__ import annotations

from dataclasses import replace

import pytest

from labs.things.lorawan.config import EndDevice, Registered, parse_device
from labs.things.lorawan.energy import device_mah_per_day, spreading_factors, tries_needed
from labs.things.lorawan.frames import DataFrame, JoinRequest, decode_accept, decode_data, session_keys
from labs.things.lorawan.server import Joined, NetworkServer, Uplink
from labs.things.thing_config import ThingConfigError

KEY = bytes(range(16))
TEXT = """[lorawan]
dev_eui = "70b3d5a1a2a3a4a5"
join_eui = "70b3d57ed1234567"
app_key = "000102030405060708090a0b0c0d0e0f"
confirmed = true
[sensor]
quantity = "temperature"
interval_s = 600
model = "climate-logger"
[device]
firmware = "2.1.0"
"""
CONFIG = parse_device(TEXT)


def test_confirmed_message_goes_slower_after_every_second_try() -> None:
    """LoRaWAN 1.0.3 section 18.4: eight times, two at each data rate."""
    assert spreading_factors(CONFIG) == (7, 7, 8, 8, 9, 9, 10, 10)
    assert spreading_factors(replace(CONFIG, sf=11)) == (11, 11, 12, 12, 12, 12, 12, 12)
    assert spreading_factors(replace(CONFIG, tries=3)) == (7, 7, 8)
    assert spreading_factors(replace(CONFIG, confirmed=False)) == (7,)


@pytest.mark.parametrize(("rssi", "tries"), [(-80, 1), (-124, 1), (-125, 3), (-128, 5), (-131, 7), (-134, None)])
def test_weaker_signal_takes_more_tries(rssi: float, tries: int | None) -> None:
    """The sensitivities of the data sheet: -124 dBm at SF7, three dB more for every step."""
    assert tries_needed(CONFIG, rssi) == tries


def test_day_of_a_sensor_is_that_of_the_hand_reckoning() -> None:
    """Every 600 s: 51.456 ms at 44 mA, 41.216 ms of answer at 11.5 mA, 50 ms at 2 mA of measuring; 5 uA of sleep.

    144 x (2264.1 + 474.0 + 100) mA ms = 0.1135 mAh, and 0.12 mAh of sleep.
    """
    assert device_mah_per_day(CONFIG, 1) == pytest.approx(0.2335, abs=0.0005)


def test_tries_sleep_and_firmware_cost_what_they_should() -> None:
    once = device_mah_per_day(CONFIG, 1)
    lives = [device_mah_per_day(CONFIG, tries) for tries in (1, 3, 5, 7, None)]
    assert lives == sorted(lives)
    assert lives[3] > 10 * lives[0]
    assert device_mah_per_day(replace(CONFIG, firmware="2.0.3"), 1) - once == pytest.approx(0.2 * 24, abs=0.01)
    assert device_mah_per_day(replace(CONFIG, stay_awake=True), 1) - once == pytest.approx(11.5 * 24, abs=0.1)
    assert device_mah_per_day(replace(CONFIG, model=None), 1) == 0.0


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ('"climate-logger"', '"teapot"', 'not a sensor of the library: "teapot"'),
        ('"climate-logger"', '"lux-node"', "is illuminance, not"),
        ("= 600", "= 600\nsample_s = 900", '"sensor.sample_s" is longer'),
        ("= 600", "= 30\n#", "is from"),
    ],
)
def test_file_that_does_not_fit_says_why(before: str, after: str, said: str) -> None:
    text = TEXT.replace(before, after, 1)
    if said == "is from":
        text = text.replace('"climate-logger"', '"lht65n"')
    with pytest.raises(ThingConfigError, match=said):
        parse_device(text)


def joined(config: EndDevice) -> tuple[NetworkServer, Joined]:
    known = Registered("t1", config.dev_eui, config.join_eui, config.app_key, "house/t1")
    server = NetworkServer([known], 0x13)
    event = server.receive(JoinRequest(config.join_eui, config.dev_eui, 1).encode(config.app_key), 0)
    assert isinstance(event, Joined)
    return server, event


def test_confirmed_message_is_answered_and_one_that_is_not_is_not() -> None:
    server, event = joined(CONFIG)
    keys = session_keys(CONFIG.app_key, decode_accept(event.accept, CONFIG.app_key), 1)
    plain = server.receive(DataFrame(event.dev_addr, 0, 85, b"x").encode(keys), 10**9)
    assert isinstance(plain, Uplink)
    assert plain.answer == b""
    asking = server.receive(DataFrame(event.dev_addr, 1, 85, b"x", confirmed=True).encode(keys), 2 * 10**9)
    assert isinstance(asking, Uplink)
    answer = decode_data(asking.answer, keys, -1)
    assert (answer.ack, answer.uplink, answer.counter) == (True, False, 0)


def test_message_that_is_repeated_is_answered_again_and_counted_once() -> None:
    server, event = joined(CONFIG)
    keys = session_keys(CONFIG.app_key, decode_accept(event.accept, CONFIG.app_key), 1)
    frame = DataFrame(event.dev_addr, 0, 85, b"x", confirmed=True).encode(keys)
    first, second = (server.receive(frame, at * 10**9) for at in (1, 5))
    assert isinstance(first, Uplink)
    assert isinstance(second, Uplink)
    assert (first.again, second.again) == (False, True)
    assert [decode_data(each.answer, keys, -1).counter for each in (first, second)] == [0, 1]

"""What a sensor reads and says, and what its file may say."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labs.things.sensor import accuracy, measure, parse_sensor_config, sensor_payload, to_unit
from labs.things.thing_config import ThingConfigError, parse_number
from labs.things.toml_edit import set_toml_key
from labs.things.units import SCALES, UnitError
from tests.things_site import SENSOR

CONFIG = parse_sensor_config(SENSOR)
SAME_KIND = [(a, b) for a in SCALES for b in SCALES if SCALES[a].dimension == SCALES[b].dimension]


@given(st.sampled_from(SAME_KIND), st.floats(-1e4, 1e4))
def test_unit_and_back_is_the_same_value(pair: tuple[str, str], value: float) -> None:
    there = to_unit(value, *pair)
    assert to_unit(there, pair[1], pair[0]) == pytest.approx(value, abs=1e-6)


@pytest.mark.parametrize(
    ("value", "unit", "wanted", "expected"),
    [
        (22.2, "C", "F", 71.96),
        (72, "F", "C", 22.222),
        (0, "C", "K", 273.15),
        (1, "bar", "kPa", 100),
        (1, "xyz", "xyz", 1),
    ],
)
def test_known_conversions(value: float, unit: str, wanted: str, expected: float) -> None:
    assert to_unit(value, unit, wanted) == pytest.approx(expected, abs=0.001)


@pytest.mark.parametrize(("unit", "wanted"), [("C", "%"), ("C", "smoot"), ("smoot", "C")])
def test_units_of_different_things_do_not_convert(unit: str, wanted: str) -> None:
    with pytest.raises(UnitError):
        to_unit(1, unit, wanted)


@given(st.text(), st.floats(-40, 80))
def test_reading_is_within_the_class_and_has_one_decimal(device: str, truth: float) -> None:
    value = measure(CONFIG, truth, device)
    assert abs(value - truth) <= accuracy("temperature", truth) + 0.05001
    assert value == round(value, 1)
    assert str(value) != "-0.0"


def test_offset_and_scale_of_the_file_change_the_reading() -> None:
    plain = measure(CONFIG, 20.0, "s")
    shifted = parse_sensor_config(set_toml_key(SENSOR, "sensor.offset", 2.0))
    scaled = parse_sensor_config(set_toml_key(SENSOR, "sensor.scale", 10))
    assert measure(shifted, 20.0, "s") == pytest.approx(plain + 2.0, abs=0.1)
    assert measure(scaled, 20.0, "s") == pytest.approx(plain * 10, abs=1)


def test_payload_is_json_with_the_time_of_the_sensor() -> None:
    payload = json.loads(sensor_payload(21.4, "C", 1_776_150_030.9))
    assert payload == {"value": 21.4, "unit": "C", "at": "2026-04-14T07:00:30Z"}


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        ('unit = "C"', "unit = C", "line 5, column 8: Invalid value"),
        ('unit = "C"', "", 'missing key "sensor.unit"'),
        ("interval_s", "intervall_s", 'unknown key "sensor.intervall_s"; did you mean "sensor.interval_s"?'),
        ("interval_s = 30", 'interval_s = "30"', '"sensor.interval_s" must be a whole number'),
        ("interval_s = 30", "interval_s = 0", '"sensor.interval_s" is 0; it must be from 1 to 86400'),
        ("port = 1883", "port = 70000", '"mqtt.port" is 70000; it must be from 1 to 65535'),
        ("retain = false", "retain = 0", '"mqtt.retain" must be true or false'),
        ('"home/garden/temperature"', '"home/#"', "\"mqtt.topic\" is not a topic to publish to: 'home/#'"),
        (
            'unit = "C"',
            'unit = "%"',
            '"sensor.unit" does not fit temperature: C measures temperature, % measures ratio',
        ),
        ('host = "broker"', 'host = ""', '"mqtt.host" is empty'),
    ],
)
def test_mistake_in_the_file_is_told_in_one_line(before: str, after: str, message: str) -> None:
    with pytest.raises(ThingConfigError) as caught:
        parse_sensor_config(SENSOR.replace(before, after, 1))
    assert str(caught.value) == message


@pytest.mark.parametrize(("text", "value"), [("21.5", 21.5), ("21,5", 21.5), ("-3", -3.0), (" 1e3 ", 1000.0)])
def test_number_is_read_with_point_or_comma(text: str, value: float) -> None:
    assert parse_number(text) == value


@pytest.mark.parametrize("text", ["", "1.2.3", "1,2,3", "nan", "inf", "x"])
def test_what_is_no_number_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not a number"):
        parse_number(text)

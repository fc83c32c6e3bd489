"""The files of slaves and gateways: what they must say, and one line for what they say wrong."""

from __future__ import annotations

import pytest

from labs.things.modbus.config import parse_gateway_config, parse_slave_config
from labs.things.thing_config import ThingConfigError

SLAVE = '[serial]\nunit = 3\n[register.level]\naddress = 4\ntable = "input"\ntype = "float32"\nquantity = "level"\n'
GATEWAY = '[mqtt]\nhost = "b"\ntopic = "plant"\nclient_id = "g"\n[poll.tank]\nunit = 3\naddress = 4\ntype = "float32"\n'


def test_slave_file_is_read_with_defaults() -> None:
    config = parse_slave_config(SLAVE)
    assert (config.unit, str(config.settings), config.tcp_port) == (3, "9600 8N1", 0)
    assert config.registers[0].place.count == 2


def test_poll_without_topic_stands_below_the_topic_of_the_gateway() -> None:
    assert parse_gateway_config(GATEWAY).polls[0].topic == "plant/tank"


@pytest.mark.parametrize(
    ("parse", "text", "said"),
    [
        (parse_slave_config, SLAVE.replace("unit = 3", "unit = 248"), '"serial.unit" is 248; it must be from 1 to 247'),
        (parse_slave_config, SLAVE + "[serial2]\n", None),
        (parse_slave_config, SLAVE.replace("[serial]", "[serial]\nspeed = 9601"), "must be one of 1200, 2400"),
        (parse_slave_config, SLAVE.replace('"float32"', '"bool"'), "of a input entry cannot be bool"),
        (parse_slave_config, SLAVE.replace('"input"', '"inputs"'), "must be one of coil, discrete, holding, input"),
        (parse_slave_config, SLAVE.replace("address", "adress"), 'did you mean "register.level.address"'),
        (parse_gateway_config, GATEWAY.replace("unit = 3\n", ""), 'missing key "poll.tank.unit"'),
        (parse_gateway_config, GATEWAY + 'topic = "a/+"\n', "is not a topic to publish to"),
        (parse_gateway_config, GATEWAY + "scale = 0\n", 'scale" must not be 0'),
        (parse_gateway_config, "poll = 3\n" + GATEWAY.partition("[poll")[0], '"poll" must be a table'),
    ],
)
def test_mistake_in_a_file_is_told_in_one_line(parse, text: str, said: str | None) -> None:  # type: ignore[no-untyped-def]
    if said is None:
        parse(text)
        return
    with pytest.raises(ThingConfigError) as caught:
        parse(text)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)

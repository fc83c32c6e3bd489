"""Commands that an actuator understands, and the file that it starts with."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labs.things.actuator import parse_actuator_config, read_command, state_word
from labs.things.thing_config import ThingConfigError

TEXT = """
[actuator]
name = "boiler"
drives = "heater"
[mqtt]
host = "server"
topic = "boiler/set"
client_id = "boiler"
"""


def test_file_has_safe_defaults() -> None:
    config = parse_actuator_config(TEXT)
    assert (config.fail_safe, config.fail_safe_after_s, config.inverted, config.stays) == ("off", 300, False, False)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('[actuator]\nfail_safe = "loud"', "it must be off, on, hold"),
        ('[mqtt]\nstate_topic = "a/#"', "is not a topic to publish to"),
        ("[actuator]\nfail_safe_after_s = -1", "it must be from 0 to 86400"),
    ],
)
def test_bad_value_is_told(line: str, said: str) -> None:
    table, _, rest = line.partition("\n")
    with pytest.raises(ThingConfigError, match=said):
        parse_actuator_config(TEXT.replace(table, line) if rest else TEXT)


@given(st.floats(0, 1))
def test_level_is_read_back(level: float) -> None:
    assert read_command(f"{level:.6f}".encode()) == pytest.approx(level, abs=1e-6)


@given(st.binary(max_size=40))
def test_any_payload_is_a_level_or_refused(payload: bytes) -> None:
    try:
        assert 0 <= read_command(payload) <= 1
    except (ValueError, AttributeError):
        return


def test_level_has_a_word() -> None:
    assert [state_word(level) for level in (0.0, 0.4, 1.0)] == ["off", "40%", "on"]

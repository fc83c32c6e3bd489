"""JSON that somebody else wrote."""

from __future__ import annotations

import math

import pytest

from labs.things.payload import read_json


def test_ordinary_json_is_read_as_it_stands():
    assert read_json(b'{"value": -12, "list": [1.5, null, true]}') == {"value": -12, "list": [1.5, None, True]}


@pytest.mark.parametrize(("text", "value"), [("1" + "0" * 400, math.inf), ("-1" + "0" * 5000, -math.inf)])
def test_number_beyond_every_double_is_infinite(text, value):
    assert read_json(text) == value


@pytest.mark.parametrize("text", ["[" * 100_000, '{"a":' * 100_000, "nonsense", ""])
def test_what_cannot_be_read_is_refused_like_any_bad_json(text):
    with pytest.raises(ValueError, match=r"."):
        read_json(text)

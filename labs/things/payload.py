"""JSON that somebody else wrote: whatever it is, it is read or refused, never worse.

Before changing this file read RFC 8259 §4, §6 and §9: a reader may set limits on depth and on the range of numbers.
"""

from __future__ import annotations

import json
import math
from typing import Any

__all__ = ["read_json"]

MOST_DIGITS = 300  # the largest double has 309


def read_json(text: str | bytes) -> Any:
    """The value; a whole number beyond every double is infinite. Raises ValueError, also for one nested too deep."""
    try:
        return json.loads(text, parse_int=_whole)
    except RecursionError:
        message = "nested too deep"
        raise ValueError(message) from None


def _whole(digits: str) -> int | float:
    if len(digits) <= MOST_DIGITS:
        return int(digits)
    return -math.inf if digits.startswith("-") else math.inf

"""The names of chain priorities. Read first: nft(8), tables "Standard priority names"."""

from __future__ import annotations

from collections.abc import Mapping

__all__ = ["priority_number", "priority_text"]

_IP: Mapping[str, int] = {"raw": -300, "mangle": -150, "dstnat": -100, "filter": 0, "security": 50, "srcnat": 100}
_BRIDGE: Mapping[str, int] = {"dstnat": -300, "filter": -200, "out": 100, "srcnat": 300}
_ONLY_AT = {"dstnat": "prerouting", "srcnat": "postrouting", "out": "output"}
_NEAR = 10  # nft writes "filter - 7" up to this distance


def _names(family: str, hook: str) -> Mapping[str, int]:
    table = _BRIDGE if family == "bridge" else {"filter": 0} if family == "arp" else _IP
    return {name: number for name, number in table.items() if _ONLY_AT.get(name, hook) == hook}


def priority_number(family: str, hook: str, name: str) -> int | None:
    """The number of a name, or None where the name means nothing."""
    return _names(family, hook).get(name)


def priority_text(family: str, hook: str, number: int) -> str:
    """A number as it is listed: `filter`, `mangle + 1`, `33`."""
    for name, base in _names(family, hook).items():
        offset = number - base
        if offset == 0:
            return name
        if abs(offset) <= _NEAR:
            return f"{name} {'+' if offset > 0 else '-'} {abs(offset)}"
    return str(number)

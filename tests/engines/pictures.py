"""All that the devices of a site hold, as plain values: two runs that came to the same have equal pictures."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from functools import partial
from types import BuiltinFunctionType, FunctionType, GeneratorType, MethodType
from typing import Any

from labs.engines.sim import SimEngine
from labs.net.process import Process, Signal

# What only remembers: derived from the rest, and allowed to differ.
MEMORIES = frozenset(
    {
        "receive",
        "outlet",
        "departure",
        "version",
        "watch",
        "_ways",
        "_types",
        "_cache",
        "_sources",
        "oracle",
        "bystander",
        "_combined",
        "world",
    }
)
OPAQUE = (FunctionType, MethodType, BuiltinFunctionType, GeneratorType, partial, Process, Signal, type)


def picture(thing: Any, seen: dict[int, int]) -> Any:
    """All that an object holds, as plain values."""
    if thing is None or isinstance(thing, (int, str, bytes, float)):
        return (
            thing if type(thing) in (int, str, bytes, float, bool, type(None)) else (type(thing).__name__, str(thing))
        )
    if isinstance(thing, OPAQUE):
        return type(thing).__name__
    if id(thing) in seen:
        return f"again {seen[id(thing)]}"
    seen[id(thing)] = len(seen)
    if isinstance(thing, Mapping):
        return [(picture(key, seen), picture(value, seen)) for key, value in thing.items()]
    if isinstance(thing, (set, frozenset)):
        return sorted(map(str, thing))
    if hasattr(thing, "__dict__") or hasattr(type(thing), "__slots__"):
        names = [*getattr(thing, "__dict__", ())]
        names += [name for kind in type(thing).__mro__ for name in getattr(kind, "__slots__", ())]
        if not isinstance(thing, tuple):
            held = [(name, picture(getattr(thing, name, None), seen)) for name in names if name not in MEMORIES]
            return (type(thing).__name__, held)
    return [picture(part, seen) for part in thing] if isinstance(thing, (list, tuple, deque)) else repr(thing)


def pictures(engine: SimEngine) -> dict[str, dict[str, Any]]:
    """Every part of every device."""
    engine.observe()  # every clock says the same
    seen: dict[int, int] = {}
    return {
        name: {key: picture(value, seen) for key, value in vars(engine.node(name)).items() if key not in MEMORIES}
        for name in engine.site.devices
    }


def assert_same(before: dict[str, dict[str, Any]], after: dict[str, dict[str, Any]]) -> None:
    """Equal, or the device and the part where they differ."""
    for name, held in before.items():
        for key, value in held.items():
            assert after[name][key] == value, (name, key)

"""All probes of a question at once: each device sends its own, and how they ended is put together again."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from labs.engines.base import Disposition, Observation, Probe
from labs.engines.kernel.codec import decode, encode

if TYPE_CHECKING:
    from labs.engines.kernel.process import Lab

__all__ = ["probe_all"]


def probe_all(lab: Lab, probes: Sequence[Probe]) -> list[Observation]:
    """One observation for each probe, in order."""
    orders: dict[str, list[Any]] = {}
    endings: dict[int, tuple[Disposition, str, str]] = {}
    for number, probe in enumerate(probes):
        if probe.source in lab.devices:
            orders.setdefault(probe.source, []).append([number, encode(probe)])
        else:
            endings[number] = (Disposition.NO_SENDER, "", "")
    answers = lab.ask_each({name: {"do": "probe", "probes": listed} for name, listed in orders.items()})
    for answer in answers.values():
        for number, how, address, detail in answer["endings"]:
            endings[number] = (decode(how), address, detail)
    return [Observation(probe, *endings[number]) for number, probe in enumerate(probes)]

"""Netwerf: a network and IoT simulation lab for training.

>>> import labs
>>> lab = labs.open("bakery-address-clash", seed=7)
>>> print(lab.run("till", "hostname").text, end="")
till
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from labs.engines.base import CommandRejected, Output
    from labs.journal import Journal, JournalError
    from labs.lab import Lab, resume
    from labs.lab import open_lab as open  # noqa: A004 - `labs.open` is the published name
    from labs.scenario.scenario import ScenarioError

__all__ = [
    "CommandRejected",
    "Journal",
    "JournalError",
    "Lab",
    "Output",
    "ScenarioError",
    "load_ipython_extension",
    "open",
    "resume",
]

# Loaded at first use: whoever wants one part of the model should not wait for the simulator.
_HOMES = {
    "CommandRejected": ("labs.engines.base", "CommandRejected"),
    "Journal": ("labs.journal", "Journal"),
    "JournalError": ("labs.journal", "JournalError"),
    "Lab": ("labs.lab", "Lab"),
    "Output": ("labs.engines.base", "Output"),
    "ScenarioError": ("labs.scenario.scenario", "ScenarioError"),
    "open": ("labs.lab", "open_lab"),
    "resume": ("labs.lab", "resume"),
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        message = f"module 'labs' has no attribute {name!r}"
        raise AttributeError(message)
    module, attribute = _HOMES[name]
    value = getattr(import_module(module), attribute)
    globals()[name] = value
    return value


def load_ipython_extension(ipython: Any) -> None:
    """`%load_ext labs`: the magics of the notebook."""
    from labs.ui.notebook import load_ipython_extension as load

    load(ipython)

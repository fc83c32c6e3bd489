"""Models of things, as data: what they measure or move, how well, with what supply, and how they leave the factory."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from labs.things.library.actuators import ACTUATORS
from labs.things.library.field_devices import FIELD_DEVICES
from labs.things.library.model import Model
from labs.things.library.sensors import SENSORS

__all__ = ["MODELS", "Model", "model_named"]

MODELS: Mapping[str, Model] = MappingProxyType({model.name: model for model in (*SENSORS, *FIELD_DEVICES, *ACTUATORS)})


def model_named(name: str) -> Model:
    """A model of the library. Raises KeyError."""
    return MODELS[name]

"""What hands see of a device on the real kernel: the lamps at its ports, and its screen."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from labs.engines.kernel.codec import decode
from labs.model.site import Endpoint

if TYPE_CHECKING:
    from labs.engines.kernel.process import Lab

__all__ = ["View"]


class View:
    """What hands see of a device: the lamps at its ports, and its screen."""

    def __init__(self, lab: Lab, name: str) -> None:
        self.files = _Screen(lab, name)
        self.interfaces = {
            port.name: _Lamp(lab.panel.lit(Endpoint(name, port.name))) for port in lab.site.devices[name].ports
        }


@dataclass(frozen=True)
class _Lamp:
    running: bool


class _Screen:
    def __init__(self, lab: Lab, name: str) -> None:
        self._lab = lab
        self._name = name

    def get(self, path: str, default: str = "") -> str:
        running = self._lab.devices.get(self._name)
        if running is None:
            return default
        answer = self._lab.ask([self._name], do="read", path=path)[self._name]
        content = decode(answer.get("content"))
        return default if content is None else content.decode("utf-8", "replace")

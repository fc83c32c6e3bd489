"""What hands see of a device on the real kernel: the lamps at its ports, its files, and what its screen shows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from labs.engines.kernel.codec import decode
from labs.model.site import Endpoint

if TYPE_CHECKING:
    from labs.engines.kernel.lab.process import Lab

__all__ = ["View"]


class View:
    """What hands see of a device: the lamps at its ports, its files, and its screen."""

    def __init__(self, lab: Lab, name: str) -> None:
        self.files = _Files(lab, name)
        self.interfaces = {
            port.name: _Lamp(lab.panel.lit(Endpoint(name, port.name))) for port in lab.site.devices[name].ports
        }


@dataclass(frozen=True)
class _Lamp:
    running: bool


class _Files:
    """The files of a device, powered or not; what it keeps below /run, only while it runs."""

    def __init__(self, lab: Lab, name: str) -> None:
        self._lab = lab
        self._name = name

    def is_file(self, path: str) -> bool:
        """True for a regular file."""
        return self._lab.stored[self._name].is_file(path)

    def get(self, path: str, default: str = "") -> str:
        """The text, or `default` where there is no such file."""
        if not path.startswith("/run/"):
            return self._lab.stored[self._name].get(path, default)
        if self._name not in self._lab.devices:
            return default
        answer = self._lab.ask([self._name], do="read", path=path)[self._name]
        content = decode(answer.get("content"))
        return default if content is None else content.decode("utf-8", "replace")

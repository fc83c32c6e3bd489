"""Settings that tell when they change: whoever keeps an answer derived from them knows when to derive it anew."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

__all__ = ["Watched"]


class Watched:
    """Calls `watch` whenever an attribute is given another value; what is watched hands `watch` on to its own parts."""

    __slots__ = ("watch",)

    watch: Callable[[], None]
    UNWATCHED: ClassVar[frozenset[str]] = frozenset()
    """Attributes that are no settings."""

    def __setattr__(self, name: str, value: object) -> None:
        old = getattr(self, name, None)
        object.__setattr__(self, name, value)
        if value is old or name in self.UNWATCHED:
            return
        watch = getattr(self, "watch", None)
        if watch is None:
            return
        if name == "watch":
            for part in self.parts():
                part.watch = watch
        elif isinstance(value, Watched):
            value.watch = watch
        watch()

    def parts(self) -> tuple[Watched, ...]:
        """What is watched together with it."""
        return ()

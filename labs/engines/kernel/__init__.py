"""Engine `kernel`: the site on real Linux stacks and real daemons, in namespaces that vanish with their process.

Nothing here is imported before it is asked for: Mininet, asyncio and ctypes belong to the engine's own process, which
in turn begins its work before it has imported the rest.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from labs.engines.kernel.engine import KernelEngine

__all__ = ["KernelEngine"]


def __getattr__(name: str) -> Any:
    if name == "KernelEngine":
        from labs.engines.kernel.engine import KernelEngine

        return KernelEngine
    message = f"module {__name__!r} has no attribute {name!r}"
    raise AttributeError(message)

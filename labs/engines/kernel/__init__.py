"""Engine `kernel`: the site on real Linux stacks and real daemons, in namespaces that vanish with their process.

Nothing here is imported before it is asked for: Mininet, asyncio and ctypes belong to the engine's own process.
"""

from __future__ import annotations

from labs.engines.kernel.engine import KernelEngine

__all__ = ["KernelEngine"]

"""The simulator: every device a machine in virtual time."""

from labs.engines.sim.engine import SimEngine

__all__ = ["SimEngine"]

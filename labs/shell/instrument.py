"""What the instrument in a thing reads: the truth of its room, and where in its class this one lies."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from labs.things.sensor import accuracy

if TYPE_CHECKING:
    from labs.net.linux.node import LinuxNode

__all__ = ["read_instrument"]


def read_instrument(node: LinuxNode, quantity: str) -> float:
    """A reading in the base unit of the quantity. Raises ValueError where there is nothing to measure."""
    try:
        truth = node.world.sense(quantity, node.now)
    except KeyError:
        message = f"there is no {quantity} to measure here"
        raise ValueError(message) from None
    digest = hashlib.sha256(f"{node.name}/{quantity}".encode()).digest()
    return truth + (int.from_bytes(digest[:8]) / (1 << 63) - 1.0) * accuracy(quantity, truth)

"""What the objects of `bridge` have in common: naming a device, and words that are on or off."""

from __future__ import annotations

from typing import TYPE_CHECKING

from labs.shell.commands.ip.words import EXIT_USAGE, IpError, Words

if TYPE_CHECKING:
    from labs.net.interface import Interface
    from labs.net.process import Process

__all__ = ["device", "flag", "kernel_refuses"]


def kernel_refuses(text: str) -> IpError:
    """What the kernel answers, in the words of strerror(3)."""
    return IpError(f"RTNETLINK answers: {text}", status=EXIT_USAGE)


def device(process: Process, words: Words, text: str = 'Cannot find device "{}"') -> Interface:
    """The interface that the next word names."""
    name = words.value()
    if name not in process.node.interfaces:
        raise IpError(text.format(name), status=EXIT_USAGE)
    return process.node.interfaces[name]


def flag(name: str, words: Words) -> bool:
    """`on` or `off` (parse_on_off)."""
    word = words.value()
    if word not in ("on", "off"):
        raise IpError(f'Error: argument of "{name}" must be one of "off" or "on", not "{word}"', status=EXIT_USAGE)
    return word == "on"

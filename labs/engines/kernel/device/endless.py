"""Which commands run until somebody presses Ctrl-C."""

from __future__ import annotations

from collections.abc import Callable

__all__ = ["is_endless"]


def _without(*options: str) -> Callable[[list[str]], bool]:
    """Endless unless one of these options bounds it, joined to its value or not."""
    return lambda words: not any(word.startswith(options) for word in words)


def _with(*options: str) -> Callable[[list[str]], bool]:
    return lambda words: any(word.startswith(options) for word in words)


def _always(words: list[str]) -> bool:
    del words
    return True


ENDLESS: dict[str, Callable[[list[str]], bool]] = {
    "ping": _without("-c", "-w"),
    "arping": _without("-c", "-w", "-f"),
    "tcpdump": _without("-c", "-r"),
    "tshark": _without("-c", "-r", "-a"),
    "mosquitto_sub": _without("-C", "-W", "-E"),
    "tail": _with("-f", "-F", "--follow"),
    "watch": _always,
    "top": _without("-n", "-b"),
    "nc": _always,
    "nc.openbsd": _always,
    "mtr": _without("-c", "-r"),
    "ip": lambda words: "monitor" in words or "mon" in words,
    "bridge": lambda words: "monitor" in words,
    "nft": lambda words: "monitor" in words,
    "conntrack": _with("-E", "--event"),
    "dmesg": _with("-w", "--follow"),
    "cat": lambda words: not words,
    "yes": _always,
    "sleep": lambda words: "infinity" in words or "inf" in words,
    "python3": _with("-m"),
    "journalctl": _with("-f", "--follow"),
}


def is_endless(argv: list[str]) -> bool:
    """True for a command line that does not end by itself."""
    if not argv:
        return False
    name = argv[0].rpartition("/")[2]
    if name == "bash" and len(argv) > 1:  # one of our own commands is a script
        argv = argv[1:]
        name = argv[0].rpartition("/")[2]
    rule = ENDLESS.get(name)
    return rule is not None and rule(argv[1:])

"""What the Tab key offers: commands, options, files, interfaces, units, jobs' variables and names from /etc/hosts."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable
from typing import TYPE_CHECKING

from labs.net.filesystem import FileError
from labs.shell.bash.builtins import BUILTINS
from labs.shell.registry import command_names

if TYPE_CHECKING:
    from labs.net.linux.node import LinuxNode

__all__ = ["complete"]

MAX_OFFERS = 200
SEPARATORS = re.compile(r"(?:^|[|;&(]|\$\(|`|\bdo\b|\bthen\b|\belse\b|!)\s*(?:\w+=\S*\s+)*")
WRAPPERS = {"sudo", "nohup", "env", "timeout", "time", "xargs", "exec", "command"}
HOST_COMMANDS = set(
    "ping traceroute tracepath nc dig arping mosquitto_pub mosquitto_sub getent curl wget ssh telnet".split()
)
INTERFACE_COMMANDS = {"ifup", "ifdown", "dhclient", "ifquery"}
UNIT_VERBS = ("start", "stop", "restart", "reload", "status", "enable", "disable", "is-active", "is-enabled", "cat")

# The words that may follow the first one, and the options
WORDS: dict[str, tuple[str, ...]] = {
    "bridge": ("fdb", "link", "mdb", "vlan", "-d", "-s", "-j"),
    "bridge link": ("set", "show"),
    "bridge vlan": ("add", "delete", "show"),
    "bridge fdb": ("add", "delete", "flush", "show"),
    "chronyc": ("activity", "makestep", "sources", "tracking", "waitsync", "-n"),
    "curl": ("-f", "-i", "-I", "-k", "-L", "-m", "-o", "-s", "-S", "-v", "-w", "--connect-timeout"),
    "dig": ("+short", "+noall", "+answer", "-x", "A", "AAAA", "MX", "NS", "PTR"),
    "grep": ("-i", "-v", "-n", "-c", "-E", "-F", "-o", "-q", "-r", "-w"),
    "ip": ("address", "link", "neighbour", "route", "rule", "-4", "-6", "-br", "-c", "-d", "-j", "-s"),
    "ip address": ("add", "change", "delete", "flush", "replace", "show"),
    "ip link": ("add", "delete", "set", "show"),
    "ip neighbour": ("add", "delete", "flush", "replace", "show"),
    "ip route": ("add", "append", "change", "delete", "flush", "get", "replace", "show"),
    "journalctl": ("-u", "-f", "-n", "-e", "--no-pager", "--since"),
    "ls": ("-l", "-a", "-1", "-R", "-d"),
    "nft": ("add", "delete", "flush", "insert", "list", "monitor", "replace", "-a", "-c", "-f", "-j", "-n"),
    "nft list": ("chain", "ruleset", "set", "table", "tables"),
    "nft flush": ("chain", "ruleset", "set", "table"),
    "ping": ("-c", "-i", "-I", "-n", "-q", "-s", "-t", "-w", "-W"),
    "ss": ("-a", "-l", "-n", "-p", "-t", "-u", "-tlnp", "-ulnp"),
    "sysctl": ("-a", "-n", "-p", "-w"),
    "systemctl": (*UNIT_VERBS, "daemon-reload", "list-units", "list-unit-files"),
    "tcpdump": ("-c", "-e", "-i", "-l", "-n", "-nn", "-v"),
}
SHORT = {"a": "address", "addr": "address", "l": "link", "n": "neighbour", "neigh": "neighbour", "r": "route"}


def complete(node: LinuxNode, line: str, cursor: int, directory: str = "/root") -> list[str]:
    """The words that could stand where the cursor is, sorted; each replaces the word that is being typed.

    `cursor` is an index into `line`; `directory` is where relative paths start.
    """
    before = line[:cursor]
    start = 0
    for match in SEPARATORS.finditer(before):
        start = match.end()
    words = before[start:].split()
    typed = "" if not words or before[-1:].isspace() else words.pop()
    while words and words[0] in WRAPPERS:
        words.pop(0)
    redirected = re.search(r"[<>]\s*$", before[: len(before) - len(typed)]) is not None
    offers: set[str] = set()
    if typed.startswith("$") and not typed.startswith("$("):
        offers = {f"${name}" for name in ("HOME", "HOSTNAME", "OLDPWD", "PATH", "PWD", "USER")}
    elif not words and not redirected and "/" not in typed:
        offers = {*command_names(), *BUILTINS}
    else:
        if not redirected:
            offers |= _arguments(node, words)
        offers |= _paths(node, typed, directory)
    return sorted(offer for offer in offers if offer.startswith(typed))[:MAX_OFFERS]


def _arguments(node: LinuxNode, words: list[str]) -> set[str]:
    name, rest = words[0], [SHORT.get(word, word) for word in words[1:] if not word.startswith("-")]
    offers = set(WORDS.get(f"{name} {rest[0]}" if rest else name, ()))
    if not rest:
        offers |= set(WORDS.get(name, ()))
    for wanted, give in _SOURCES:
        if wanted(name, words[-1], rest):
            offers |= give(node)
    return offers


def _interfaces(node: LinuxNode) -> set[str]:
    return set(node.interfaces)


def _units(node: LinuxNode) -> set[str]:
    return set(node.units.installed())


def _hosts(node: LinuxNode) -> set[str]:
    found: set[str] = set()
    for line in node.files.get("/etc/hosts").splitlines():
        found |= set(line.partition("#")[0].split()[1:])
    return found


def _settings(node: LinuxNode) -> set[str]:
    return set(node.sysctl.names())


_SOURCES: tuple[tuple[Callable[[str, str, list[str]], bool], Callable[[LinuxNode], set[str]]], ...] = (
    (lambda name, last, rest: last in ("dev", "-i", "-I", "iif", "oif", "master"), _interfaces),
    (lambda name, last, rest: name in INTERFACE_COMMANDS, _interfaces),
    (lambda name, last, rest: name == "ip" and rest[:1] == ["link"] and last in ("set", "show"), _interfaces),
    (lambda name, last, rest: name == "systemctl" and rest[:1] != [] and rest[0] in UNIT_VERBS, _units),
    (lambda name, last, rest: name == "journalctl" and last == "-u", _units),
    (lambda name, last, rest: name in HOST_COMMANDS, _hosts),
    (lambda name, last, rest: name == "sysctl", _settings),
)


def _paths(node: LinuxNode, typed: str, directory: str) -> set[str]:
    """Files below what is typed; directories end in a slash."""
    folder, base = posixpath.split(typed)
    shown = typed[: len(typed) - len(base)]
    place = node.files.resolve(folder or ("/" if typed.startswith("/") else "."), directory)
    try:
        names = node.files.list(place)
    except FileError:
        return set()
    offers = set()
    for name in names:
        if name.startswith(".") and not base.startswith("."):
            continue
        path = node.files.resolve(name, place)
        slash = "/" if node.files.is_directory(path) and not node.files.is_file(path) else ""
        offers.add(shown + name + slash)
    return offers

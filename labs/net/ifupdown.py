"""The file /etc/network/interfaces as values: reading, changing and writing it.

Before changing this file read interfaces(5). Faults edit a site through these values; `ifup` reads them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import lru_cache

__all__ = ["Allow", "InterfacesError", "InterfacesFile", "Stanza", "parse_interfaces", "render_interfaces"]

PATH = "/etc/network/interfaces"
METHODS = {
    "inet": frozenset({"loopback", "static", "manual", "dhcp", "bootp", "tunnel", "ppp", "wvdial", "ipv4ll"}),
    "inet6": frozenset({"auto", "loopback", "static", "manual", "dhcp", "v4tunnel", "6to4"}),
}
KEPT = ("source", "source-directory", "source-dir", "mapping", "no-auto-down", "no-scripts", "rename", "template")
ALIASES = {"post-up": "up", "pre-down": "down"}  # ifupdown keeps one list for both spellings


class InterfacesError(ValueError):
    """A mistake in the file, in ifupdown's words: `/etc/network/interfaces:4: misplaced option`."""

    def __init__(self, file: str, line: int, text: str) -> None:
        super().__init__(f"{file}:{line}: {text}")
        self.line = line


@dataclass(frozen=True, slots=True)
class Allow:
    """One name of an `auto` or `allow-CLASS` line; `group` is `auto`, `hotplug` or another class."""

    group: str
    name: str


@dataclass(frozen=True, slots=True)
class Stanza:
    """One `iface` paragraph: its options in order, spelled as in the file."""

    name: str
    family: str = "inet"
    method: str = "static"
    options: tuple[tuple[str, str], ...] = ()

    def get(self, option: str) -> str | None:
        """The first value of an option; `_` and `-` are one in option names."""
        return next(iter(self.values(option)), None)

    def values(self, option: str) -> list[str]:
        """Every value of an option (`up` and `post-up` are one)."""
        wanted = canonical(option)
        return [value for name, value in self.options if canonical(name) == wanted]

    def with_option(self, option: str, value: str | None) -> Stanza:
        """The same paragraph with one option changed in place, added at the end, or removed where `value` is None."""
        wanted = canonical(option)
        kept: list[tuple[str, str]] = []
        placed = value is None
        for name, old in self.options:
            if canonical(name) != wanted:
                kept.append((name, old))
            elif not placed and value is not None:
                kept.append((name, value))
                placed = True
        if not placed and value is not None:
            kept.append((option, value))
        return replace(self, options=tuple(kept))


@dataclass(frozen=True, slots=True)
class InterfacesFile:
    """The whole file. `other` are lines of other kinds (`source …`), kept as they are."""

    allowed: tuple[Allow, ...] = ()
    stanzas: tuple[Stanza, ...] = ()
    other: tuple[str, ...] = ()

    def names(self, group: str = "auto") -> list[str]:
        """The interfaces of an `auto` (or `allow-CLASS`) group, in order."""
        return [entry.name for entry in self.allowed if entry.group == group]

    @property
    def auto(self) -> list[str]:
        """What `ifup -a` brings up."""
        return self.names("auto")

    @property
    def allow_hotplug(self) -> list[str]:
        """What the kernel's hotplug events bring up."""
        return self.names("hotplug")

    @property
    def sources(self) -> list[str]:
        """Patterns of the `source` lines."""
        return [line.split(None, 1)[1] for line in self.other if line.split(None, 1)[0] == "source" and " " in line]

    def of(self, name: str) -> list[Stanza]:
        """Every paragraph of an interface (it may have several, one per address)."""
        return [stanza for stanza in self.stanzas if stanza.name == name]

    def stanza(self, name: str, family: str = "inet") -> Stanza | None:
        """The first paragraph of an interface, if any."""
        return next((stanza for stanza in self.of(name) if stanza.family == family), None)

    def with_stanza(self, stanza: Stanza, *, auto: bool = False) -> InterfacesFile:
        """The same file with the first paragraph of that interface replaced, or added at the end."""
        stanzas = list(self.stanzas)
        for index, old in enumerate(stanzas):
            if (old.name, old.family) == (stanza.name, stanza.family):
                stanzas[index] = stanza
                break
        else:
            stanzas.append(stanza)
        allowed = self.allowed
        if auto and stanza.name not in self.auto:
            allowed = (*allowed, Allow("auto", stanza.name))
        return replace(self, stanzas=tuple(stanzas), allowed=allowed)

    def without(self, name: str) -> InterfacesFile:
        """The same file without an interface."""
        return replace(
            self,
            stanzas=tuple(stanza for stanza in self.stanzas if stanza.name != name),
            allowed=tuple(entry for entry in self.allowed if entry.name != name),
        )

    def merged(self, other: InterfacesFile) -> InterfacesFile:
        """Both files, one after the other, as `source` does it."""
        allowed = self.allowed + tuple(entry for entry in other.allowed if entry not in self.allowed)
        return InterfacesFile(allowed, self.stanzas + other.stanzas, self.other)


@lru_cache(maxsize=1024)
def canonical(option: str) -> str:
    """One spelling per option: `bridge_ports` and `bridge-ports` are the same."""
    name = option.replace("_", "-")
    return ALIASES.get(name, name)


def logical_lines(text: str) -> Iterator[tuple[int, str]]:
    """Lines with the number of their last physical line; comments and blank lines left out, continuations joined."""
    pending = ""
    number = 0
    for number, raw in enumerate(text.split("\n"), start=1):
        line = raw.strip()
        if not pending and (not line or line.startswith("#")):
            continue
        if line.endswith("\\"):
            pending += line[:-1]
            continue
        joined, pending = (pending + line).strip(), ""
        if joined:
            yield number, joined
    if pending.strip():
        yield number, pending.strip()


@lru_cache(maxsize=256)
def parse_interfaces(text: str, *, file: str = PATH) -> InterfacesFile:
    """Read the file. Raises InterfacesError at the first mistake, as ifupdown does."""
    allowed: list[Allow] = []
    stanzas: list[Stanza] = []
    other: list[str] = []
    options: list[tuple[str, str]] | None = None
    head: Stanza | None = None
    mapping: list[str] | None = None

    def close() -> None:
        if head is not None and options is not None:
            stanzas.append(replace(head, options=tuple(options)))

    for number, line in logical_lines(text):
        word, rest = line.split(None, 1) if len(line.split(None, 1)) == 2 else (line, "")
        if word == "iface":
            close()
            mapping = None
            head, options = _head(file, number, rest.split()), []
        elif word == "auto" or word.startswith("allow-"):
            close()
            head, options, mapping = None, None, None
            group = "auto" if word == "auto" else word.removeprefix("allow-")
            for name in rest.split():
                entry = Allow("auto" if group == "auto" else group, name)
                if entry not in allowed:
                    allowed.append(entry)
        elif word in KEPT:
            close()
            head, options = None, None
            mapping = [line] if word == "mapping" else None
            other.append(line)
        elif options is not None:
            if not rest:
                raise InterfacesError(file, number, "option with empty value")
            options.append((word, rest))
        elif mapping is not None:
            other[-1] += f"\n    {line}"
        else:
            raise InterfacesError(file, number, "misplaced option")
    close()
    return InterfacesFile(tuple(allowed), tuple(stanzas), tuple(other))


def _head(file: str, line: int, words: list[str]) -> Stanza:
    """The `iface NAME FAMILY METHOD` line."""
    if not words:
        raise InterfacesError(file, line, "too few parameters for iface line")
    if len(words) < 2 or words[1] not in METHODS:
        raise InterfacesError(file, line, "unknown or no address type and no inherits keyword specified")
    if len(words) < 3 or words[2] not in METHODS[words[1]]:
        raise InterfacesError(file, line, "unknown or no method and no inherits keyword specified")
    return Stanza(words[0], words[1], words[2])


def render_interfaces(file: InterfacesFile) -> str:
    """Write the file: `parse_interfaces(render_interfaces(f)) == f`."""
    lines: list[str] = list(file.other)
    waiting = list(file.allowed)
    for stanza in file.stanzas:
        if lines:
            lines.append("")
        while any(entry.name == stanza.name for entry in waiting):
            lines.append(_allow_line(waiting.pop(0)))
        lines.append(f"iface {stanza.name} {stanza.family} {stanza.method}")
        lines.extend(f"    {option} {value}" for option, value in stanza.options)
    if waiting:
        lines.append("")
    lines.extend(map(_allow_line, waiting))
    return "\n".join(lines) + "\n"


def _allow_line(entry: Allow) -> str:
    return f"auto {entry.name}" if entry.group == "auto" else f"allow-{entry.group} {entry.name}"


def stanza(name: str, method: str = "static", options: Iterable[tuple[str, str]] = ()) -> Stanza:
    """A paragraph for IPv4: `stanza("eth0", options=[("address", "192.168.1.2/24")])`."""
    return Stanza(name, "inet", method, tuple(options))

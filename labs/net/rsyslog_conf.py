"""The configuration of rsyslogd, and the messages it sends. Read first: rsyslog.conf(5), RFC 3164 §4.

Simulated are selectors, files, `@host` and `@@host`, and the inputs imudp and imtcp; the rest is reported.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import NamedTuple

__all__ = ["FACILITIES", "SEVERITIES", "Action", "RsyslogConf", "Selector", "message", "parse_rsyslog", "read_priority"]

PORT = 514
VERSION = "[v8.2302.0 try https://www.rsyslog.com/e/{} ]"
FACILITIES = (
    "kern user mail daemon auth syslog lpr news uucp cron authpriv ftp ntp security console solaris-cron "
    "local0 local1 local2 local3 local4 local5 local6 local7"
).split()  # RFC 3164 §4.1.1
SEVERITIES = "emerg alert crit err warning notice info debug".split()
ALIASES = {"panic": "emerg", "error": "err", "warn": "warning"}
MODULES = frozenset("imuxsock imklog imjournal immark imudp imtcp imfile omfwd omfile".split())
QUIET = frozenset(
    "actionfiledefaulttemplate fileowner filegroup filecreatemode dircreatemode umask workdirectory includeconfig "
    "repeatedmsgreduction privdroptouser privdroptogroup maxmessagesize".split()
)


class Selector(NamedTuple):
    """One `facility.priority`: which facilities (None for all) and from which severity on; -1 for `none`."""

    facilities: frozenset[int] | None
    severity: int
    exact: bool = False

    def decides(self, facility: int) -> bool:
        """True where the selector speaks of that facility."""
        return self.facilities is None or facility in self.facilities


class Action(NamedTuple):
    """A rule: the selectors (the last that speaks of a facility decides) and where the lines go."""

    selectors: tuple[Selector, ...]
    kind: str
    """file, udp or tcp."""
    target: str
    port: int = PORT

    def takes(self, facility: int, severity: int) -> bool:
        """True where a message of that kind goes there."""
        taken = False
        for selector in self.selectors:
            if selector.decides(facility):
                taken = severity == selector.severity if selector.exact else severity <= selector.severity
        return taken


@dataclass(slots=True)
class RsyslogConf:
    """What the file says; `complaints` are lines for the journal."""

    actions: list[Action] = field(default_factory=list)
    udp_ports: list[int] = field(default_factory=list)
    tcp_ports: list[int] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)


def _parse_error(path: str, number: int, text: str) -> str:
    return f"error during parsing file {path}, on or before line {number}: {text} {VERSION.format(2207)}"


def parse_rsyslog(text: str, path: str = "/etc/rsyslog.conf") -> RsyslogConf:
    """Read the file. A bad line is complained about and left out, as rsyslogd does."""
    conf = RsyslogConf()
    modules: set[str] = set()
    for number, raw in enumerate(text.splitlines(), start=1):
        line = raw.strip()
        if not line or line.startswith("#"):
            continue
        if line.startswith("$"):
            _legacy(conf, modules, line[1:].split())
        elif match := re.fullmatch(r"(\w+)\s*\(\s*(.*?)\s*\)\s*(?:#.*)?", line):
            _object(
                conf, modules, match[1].lower(), dict(re.findall(r"(\w+)\s*=\s*\"([^\"]*)\"", match[2])), path, number
            )
        else:
            _rule(conf, line, path, number)
    if not conf.actions:
        conf.complaints.append(
            "there are no active actions configured. Inputs would run, but no output whatsoever were created. "
            + VERSION.format(2103)
        )
    return conf


def _module(conf: RsyslogConf, modules: set[str], name: str) -> None:
    if name in MODULES:
        modules.add(name)
        return
    library = f"/usr/lib/x86_64-linux-gnu/rsyslog/{name}.so"
    conf.complaints.append(
        f"could not load module '{name}', errors: trying to load module {library}: {library}: "
        f"cannot open shared object file: No such file or directory {VERSION.format(2066)}"
    )


def _legacy(conf: RsyslogConf, modules: set[str], words: list[str]) -> None:
    name, value = words[0] if words else "", words[1] if len(words) > 1 else ""
    key = name.lower()
    needs = {"udpserverrun": ("imudp", conf.udp_ports), "inputtcpserverrun": ("imtcp", conf.tcp_ports)}
    if key == "modload":
        _module(conf, modules, value)
    elif key in needs and needs[key][0] in modules and value.isdecimal() and 0 < int(value) < 65536:
        needs[key][1].append(int(value))
    elif key not in QUIET:
        conf.complaints.append(
            f"invalid or yet-unknown config file command '{name}' - have you forgotten to load a module? "
            + VERSION.format(3003)
        )


def _object(conf: RsyslogConf, modules: set[str], kind: str, values: dict[str, str], path: str, number: int) -> None:
    if kind == "module" and "load" in values:
        _module(conf, modules, values["load"])
    elif kind == "input":
        name, port = values.get("type", ""), values.get("port", str(PORT))
        if name not in modules:
            conf.complaints.append(f"input module name '{name}' is unknown {VERSION.format(2209)}")
        elif not port.isdecimal() or not 0 < int(port) < 65536:
            conf.complaints.append(_parse_error(path, number, f"invalid port '{port}'"))
        elif name in ("imudp", "imtcp"):
            (conf.udp_ports if name == "imudp" else conf.tcp_ports).append(int(port))
    elif kind in ("global", "template", "include"):
        conf.complaints.append(f'"{kind}()" at line {number} of {path} is not simulated here')
    else:
        conf.complaints.append(_parse_error(path, number, f"warnings occurred in file '{path}' around line {number}"))


def _rule(conf: RsyslogConf, line: str, path: str, number: int) -> None:
    head, _, target = line.partition(" " if " " in line else "\t")
    target = target.strip()
    if "." not in head or not target:
        conf.complaints.append(_parse_error(path, number, f"warnings occurred in file '{path}' around line {number}"))
        return
    selectors: list[Selector] = []
    for part in head.split(";"):
        selector = _selector(part)
        if isinstance(selector, str):
            conf.complaints.append(selector)
            return
        selectors.append(selector)
    if target.lstrip("-").startswith("/"):
        conf.actions.append(Action(tuple(selectors), "file", target.lstrip("-").split(";")[0]))
    elif match := re.fullmatch(r"(@@?)(?:\([^)]*\))?([\w.-]+)(?::(\d{1,5}))?(?:;.*)?", target):
        conf.actions.append(
            Action(tuple(selectors), "udp" if match[1] == "@" else "tcp", match[2], int(match[3] or PORT))
        )
    elif target.startswith("@"):
        text = "invalid character '@' - is there an invalid escape sequence somewhere?"
        conf.complaints.append(_parse_error(path, number, text))
    elif not target.startswith((":omusrmsg:", "*", "~", "stop", "|")):
        conf.complaints.append(_parse_error(path, number, f"warnings occurred in file '{path}' around line {number}"))


def _selector(text: str) -> Selector | str:
    names, _, priority = text.rpartition(".")
    facilities: set[int] = set()
    for name in names.split(","):
        if name != "*" and name not in FACILITIES:
            return f'unknown facility name "{name}" [v8.2302.0]'
        if name != "*":
            facilities.add(FACILITIES.index(name))
    chosen = None if "*" in names.split(",") else frozenset(facilities)
    exact = priority.startswith("=")
    word = ALIASES.get(priority.lstrip("="), priority.lstrip("="))
    if word == "*":
        return Selector(chosen, len(SEVERITIES))
    if word == "none":
        return Selector(chosen, -1)
    if word not in SEVERITIES:
        return f'unknown priority name "{priority}" [v8.2302.0]'
    return Selector(chosen, SEVERITIES.index(word), exact)


def message(facility: int, severity: int, line: str) -> bytes:
    """A message on the wire; `line` is `TIMESTAMP HOST TAG: TEXT` (RFC 3164 §4.1)."""
    return f"<{facility * 8 + severity}>{line}".encode()[:8192]


def read_priority(data: bytes) -> tuple[int, int, str]:
    """Facility, severity and the line of a message; without a priority it is user.notice (RFC 3164 §4.3.3)."""
    text = data.decode("utf-8", "replace").rstrip("\r\n")
    match = re.match(r"<(\d{1,3})>", text)
    if match is None or int(match[1]) > 191:
        return 1, 5, text
    return int(match[1]) // 8, int(match[1]) % 8, text[match.end() :]

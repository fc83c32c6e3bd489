"""The configuration of chronyd. Before changing this file read chrony.conf(5) and compare with chronyd 4.3."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

from labs.model.addresses import Address, IPv4, Network

__all__ = ["ChronyConf", "ChronyError", "Rule", "SourceLine", "parse_chrony"]

COMMENT = "!;#%"
MAX_SOURCES = 64
DEFAULT_MINPOLL, DEFAULT_MAXPOLL = 6, 10  # SRC_DEFAULT_MINPOLL, SRC_DEFAULT_MAXPOLL: powers of two of seconds
SHORTEST_POLL, LONGEST_POLL = 0, 24  # MIN_POLL of whole seconds, MAX_POLL
LOCAL_STRATUM = 10
# Read and without consequence here; the number is how many words may follow, None for any
QUIET: dict[str, tuple[int, int | None]] = {
    "driftfile": (1, None),
    "rtcsync": (0, 0),
    "keyfile": (1, 1),
    "leapsectz": (1, 1),
    "logdir": (1, 1),
    "maxupdateskew": (1, 1),
    "ntsdumpdir": (1, 1),
    "dumpdir": (1, 1),
    "user": (1, 1),
    "log": (1, None),
    "logchange": (1, 1),
}
LOUD = frozenset(
    "acquisitionport allowcmd authselectmode bindacqaddress bindaddress bindcmdaddress bindcmddevice binddevice "
    "clientloglimit cmdallow cmddeny cmdport cmdratelimit combinelimit confdir corrtimeratio denycmd dscp dumponexit "
    "fallbackdrift hwclockfile hwtimestamp include initstepslew lock_all logbanner mailonchange manual maxchange "
    "maxclockerror maxdistance maxdrift maxjitter maxntsconnections maxsamples maxslewrate minsamples minsources "
    "noclientlog nosystemcert ntpsigndsocket ntsaeads ntscachedir ntsport ntsprocesses ntsrefresh ntsrotate "
    "ntsservercert ntsserverkey ntstrustedcerts peer pidfile port ptpport ratelimit refclock reselectdist "
    "rtcautotrim rtcdevice rtcfile rtconutc sched_priority smoothtime sourcedir stratumweight tempcomp".split()
)
FLAGS = frozenset("iburst prefer trust require noselect burst auto_offline offline nts xleave copy ephemeral".split())
NUMBERS = frozenset(
    "minpoll maxpoll port key maxsources minsamples maxsamples minstratum polltarget presend version filter "
    "maxdelay maxdelayratio maxdelaydevratio mindelay asymmetry offset extfield certset ntsport".split()
)


class ChronyError(ValueError):
    """A line that chronyd refuses, in its words; the daemon ends."""


class SourceLine(NamedTuple):
    """One `server` or `pool` line."""

    name: str
    pool: bool = False
    iburst: bool = False
    prefer: bool = False
    noselect: bool = False
    minpoll: int = DEFAULT_MINPOLL
    maxpoll: int = DEFAULT_MAXPOLL
    port: int = 123


class Rule(NamedTuple):
    """One `allow` or `deny` line."""

    allow: bool
    network: Network


@dataclass(slots=True)
class ChronyConf:
    """What the file says."""

    sources: list[SourceLine] = field(default_factory=list)
    rules: list[Rule] = field(default_factory=list)
    local_stratum: int | None = None
    step_threshold_ns: int = 0
    step_limit: int = 0
    """Updates during which the clock may be stepped; negative for ever."""
    others: list[str] = field(default_factory=list)
    """Directives that are real and not simulated."""

    @property
    def serves(self) -> bool:
        """True where the NTP port is open: some client is allowed."""
        return any(rule.allow for rule in self.rules)

    def allows(self, address: Address) -> bool:
        """True where a client may ask: the longest matching rule decides, the last of equal ones."""
        matching = [rule for rule in self.rules if address in rule.network]
        longest = max((rule.network.length for rule in matching), default=-1)
        return any(rule.allow for rule in [r for r in matching if r.network.length == longest][-1:])


def parse_chrony(text: str, path: str = "/etc/chrony/chrony.conf") -> ChronyConf:
    """Read a whole file. Raises ChronyError at the first bad line, as chronyd does."""
    conf = ChronyConf()
    for number, line in enumerate(text.splitlines(), start=1):
        words = line.split()
        if words and words[0][0] not in COMMENT:
            _directive(conf, words, f" at line {number} in file {path}")
    return conf


def _bad(directive: str, where: str) -> ChronyError:
    return ChronyError(f"Could not parse {directive} directive{where}")


def _directive(conf: ChronyConf, words: list[str], where: str) -> None:
    name, rest = words[0].lower(), words[1:]
    if name in ("server", "pool"):
        if len(conf.sources) < MAX_SOURCES:
            conf.sources.append(_source(name, rest, where))
    elif name in ("allow", "deny"):
        conf.rules.append(Rule(name == "allow", _network(rest, where, name)))
    elif name == "local":
        conf.local_stratum = _local(rest, where)
    elif name == "makestep":
        _count(name, rest, 2, 2, where)
        try:
            conf.step_threshold_ns, conf.step_limit = round(float(rest[0]) * 1e9), int(rest[1])
        except (ValueError, OverflowError):
            raise _bad(name, where) from None
    elif name in QUIET:
        _count(name, rest, *QUIET[name], where)
    elif name in LOUD:
        conf.others.append(" ".join(words))
    else:
        raise ChronyError(f"Invalid directive{where}")


def _count(name: str, rest: list[str], least: int, most: int | None, where: str) -> None:
    if len(rest) < least:
        raise ChronyError(f"Missing arguments for {name} directive{where}")
    if most is not None and len(rest) > most:
        raise ChronyError(f"Too many arguments for {name} directive{where}")


def _source(kind: str, rest: list[str], where: str) -> SourceLine:
    if not rest:
        raise _bad(kind, where)
    flags: dict[str, bool] = {}
    numbers: dict[str, int] = {}
    words = iter(rest[1:])
    for word in (word.lower() for word in words):
        if word in FLAGS:
            flags[word] = True
            continue
        value = next(words, "")
        if word not in NUMBERS or not value.lstrip("-").replace(".", "", 1).isdecimal():
            raise _bad(kind, where)
        numbers[word] = int(float(value))
    low = min(max(numbers.get("minpoll", DEFAULT_MINPOLL), SHORTEST_POLL), LONGEST_POLL)
    high = max(min(numbers.get("maxpoll", DEFAULT_MAXPOLL), LONGEST_POLL), low)
    return SourceLine(
        rest[0],
        kind == "pool",
        flags.get("iburst", False),
        flags.get("prefer", False),
        flags.get("noselect", False),
        low,
        high,
        numbers.get("port", 123),
    )


def _local(rest: list[str], where: str) -> int:
    stratum = LOCAL_STRATUM
    words = iter(rest)
    for word in words:
        if word.lower() == "orphan":
            continue
        value = next(words, "")
        if word.lower() == "distance" and value.replace(".", "", 1).isdecimal():
            continue
        if word.lower() != "stratum" or not value.isdecimal() or not 1 <= int(value) < 16:
            raise _bad("local", where)
        stratum = int(value)
    return stratum


def _network(rest: list[str], where: str, name: str) -> Network:
    words = [word for word in rest if word.lower() != "all"]
    if not words:
        return Network.parse("0.0.0.0/0")
    if len(words) > 1:
        raise _bad(name, where)
    address, slash, length = words[0].partition("/")
    parts = address.rstrip(".").split(".")
    whole = ".".join([*parts, "0", "0", "0"][:4])
    bits = length if slash else str(8 * min(len(parts), 4))
    try:
        base = IPv4.parse(whole)
    except ValueError:
        raise _bad(name, where) from None
    if not bits.isdecimal() or int(bits) > 32:
        raise ChronyError(f"Bad subnet in {words[0]}")
    mask = (0xFFFFFFFF << (32 - int(bits))) & 0xFFFFFFFF
    return Network.parse(f"{IPv4(int(base) & mask)}/{bits}")

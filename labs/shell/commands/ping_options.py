"""The options of ping (iputils)."""

from __future__ import annotations

from dataclasses import dataclass

from labs.net.ipv4 import DEFAULT_TTL
from labs.shell.options import Refusal, UsageError, parse_options

__all__ = ["USAGE", "Options", "read_options"]

SECOND = 1_000_000_000
LINGER_NS = 10 * SECOND  # MAXWAIT, ping.h: how long to wait for the first answer after the last request
MAX_COUNT = (1 << 63) - 1
MIN_INTERVAL_NS = 2_000_000
SWITCHES = {
    "-n": "numeric", "-q": "quiet", "-v": "verbose", "-b": "broadcast", "-D": "stamps", "-O": "outstanding",
}  # fmt: skip
FLOOD_NS = 10_000_000  # -f: a hundred times a second, or as fast as answers come
USAGE = """
Usage
  ping [options] <destination>

Options:
  <destination>      dns name or ip address
  -b                 allow pinging broadcast
  -c <count>         stop after <count> replies
  -D                 print timestamps
  -f                 flood ping
  -I <interface>     either interface name or address
  -i <interval>      seconds between sending each packet
  -M <pmtud opt>     define mtu discovery, can be one of <do|dont|want>
  -n                 no dns name resolution
  -O                 report outstanding replies
  -q                 quiet output
  -s <size>          use <size> as number of data bytes to be sent
  -t <ttl>           define time to live
  -V                 print version and exit
  -v                 verbose output
  -w <deadline>      reply wait <deadline> in seconds
  -W <timeout>       time to wait for response

IPv4 options:
  -4                 use IPv4

IPv6 options:
  -6                 use IPv6"""


@dataclass(slots=True)
class Options:
    """What was asked for, with the defaults of the tool."""

    count: int = 0
    interval_ns: int = SECOND
    linger_ns: int = LINGER_NS
    deadline_ns: int = 0
    size: int = 56
    ttl: int = DEFAULT_TTL
    discovery: str = "want"
    device: str = ""
    numeric: bool = False
    quiet: bool = False
    flood: bool = False
    verbose: bool = False
    broadcast: bool = False
    stamps: bool = False
    outstanding: bool = False
    family: str = ""


def _number(text: str, low: int, high: int) -> int:
    if not text.removeprefix("-").isdecimal():
        raise Refusal(f"invalid argument: '{text}'", 1)
    if not low <= int(text) <= high:
        raise Refusal(f"invalid argument: '{text}': out of range: {low} <= value <= {high}", 1)
    return int(text)


def _seconds(text: str) -> int:
    try:
        value = float(text)
    except ValueError:
        raise Refusal(f"option argument contains garbage: {text}", 2) from None
    if not 0 <= value < 1e9:
        raise Refusal(f"bad timing interval: {text}", 2)
    return int(value * SECOND)


def read_options(arguments: list[str]) -> tuple[Options, str]:
    """The options and the destination. Raises Refusal and UsageError."""
    options = Options()
    words, operands = parse_options(arguments, "4bc:Dfi:I:M:nOqs:t:vVW:w:6AaBC:de:hl:Lm:p:Q:R:S:T:U")
    for option, value in words:
        match option:
            case "-c":
                options.count = _number(value, 1, MAX_COUNT)
            case "-i":
                options.interval_ns = _seconds(value)
                if options.interval_ns < MIN_INTERVAL_NS:
                    raise Refusal("an interval below 0.002 s is not simulated here", 2)
            case "-W":
                options.linger_ns = _seconds(value)
            case "-w":
                options.deadline_ns = _number(value, 0, (1 << 31) - 1) * SECOND
            case "-s":
                options.size = _number(value, 0, (1 << 31) - 1)
            case "-t":
                options.ttl = _number(value, 0, 255)
            case "-M":
                if value not in ("do", "dont", "want"):
                    raise Refusal(f"invalid -M argument: {value}", 2)
                options.discovery = value
            case "-I":
                options.device = value
            case _ if option in SWITCHES:
                setattr(options, SWITCHES[option], True)
            case "-f":
                options.flood = options.quiet = True
                options.interval_ns = FLOOD_NS
            case "-4" | "-6":
                family = "ip" if option == "-4" else "ip6"
                if options.family and options.family != family:
                    raise Refusal("only one -4 or -6 option may be specified", 2)
                options.family = family
            case "-V":
                raise Refusal("", 0)
            case "-h":
                raise UsageError("")
            case _:
                raise Refusal(f'"{option}" is not simulated here', 2)
    if not operands:
        raise Refusal("usage error: Destination address required", 1)
    if len(operands) > 1:
        raise Refusal("source routes are not simulated here: give one destination", 2)
    return options, operands[0]

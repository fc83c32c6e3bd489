"""The command line of nmap: scan types, ports, targets, and the words of the real program for mistakes (nmap 7.93)."""

from __future__ import annotations

import getopt
from dataclasses import dataclass, field

from labs.model.addresses import IPv4
from labs.shell.commands.nmap.services import COMMON_PORTS, port_of

__all__ = ["Options", "Refusal", "read_options", "targets"]

SHORT = "s:p:P:nRo:T:vdFrhVe:AO6f"
LONG = (
    "open", "top-ports=", "reason", "help", "version", "exclude=", "max-retries=", "min-rate=", "max-rate=", "script=",
    "traceroute", "system-dns", "host-timeout=", "unprivileged", "privileged", "iflist",
)  # fmt: skip
ABSENT = {"-O": "finding out the operating system", "-A": "finding out the operating system and versions", "-6": "IPv6",
          "-f": "fragmenting", "--script": "scripts", "--traceroute": "--traceroute", "--iflist": "--iflist",
          "-e": "choosing an interface"}  # fmt: skip
SCANS_ABSENT = {
    "V": "finding out versions",
    "U": "the UDP scan",
    "C": "scripts",
    "A": "the ACK scan",
    "L": "the list scan",
}
MAX_TARGETS = 4096


class Refusal(Exception):
    """The program ends: lines for stderr, and a status."""

    def __init__(self, *lines: str, status: int = 1, started: bool = True) -> None:
        super().__init__("\n".join(lines))
        self.lines = lines
        self.status = status
        self.started = started
        """True where the first line of the report has been printed before."""


@dataclass(slots=True)
class Options:
    """What was asked."""

    scan_ports: bool = True
    connect: bool = False
    discover: bool = True
    resolve: bool = True
    only_open: bool = False
    reason: bool = False
    grepable: bool = False
    ports: list[int] = field(default_factory=lambda: sorted(COMMON_PORTS))
    ports_given: bool = False
    exclude: str = ""
    targets: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


def _absent(what: str) -> Refusal:
    return Refusal(f"nmap: {what} is not simulated here", status=255, started=False)


def read_options(arguments: list[str]) -> Options:
    """Read the words. Raises Refusal."""
    options = Options()
    try:
        words, options.targets = getopt.gnu_getopt(arguments, SHORT, list(LONG))
    except getopt.GetoptError as error:
        raise _wrong(error, arguments) from None
    scans: set[str] = set()
    for option, value in words:
        if option in ABSENT:
            raise _absent(ABSENT[option])
        if option == "-s":
            _scan_type(options, scans, value)
        elif option == "-P":
            if not value.startswith("n"):
                raise _absent(f'"-P{value}"')
            options.discover = False
        elif option == "-p":
            options.ports, options.ports_given = _ports(options, value), True
        elif option in ("-F", "--top-ports"):
            if option == "--top-ports" and not (value.isdecimal() and int(value)):
                raise Refusal("--top-ports should be an integer 1 or greater", "QUITTING!", started=False)
            number = 100 if option == "-F" else int(value)
            options.ports, options.ports_given = sorted(COMMON_PORTS[:number]), option == "-F"
        elif option == "-n":
            options.resolve = False
        elif option == "--open":
            options.only_open = True
        elif option == "--reason":
            options.reason = True
        elif option == "--exclude":
            options.exclude = value
        elif option == "-o":
            _output(options, value)
    if not options.scan_ports and options.ports_given:
        text = "You cannot use -F (fast scan) or -p (explicit port selection) when not doing a port scan"
        raise Refusal(text, "QUITTING!")
    return options


def _wrong(error: getopt.GetoptError, arguments: list[str]) -> Refusal:
    if "requires argument" in error.msg:
        short = len(error.opt) == 1
        text = (
            f"option requires an argument -- '{error.opt}'" if short else f"option '--{error.opt}' requires an argument"
        )
    else:  # getopt_long_only shows the whole word
        word = next((word for word in arguments if word.startswith("-") and error.opt in word), f"-{error.opt}")
        text = f"unrecognized option '{word}'"
    help_line = "See the output of nmap -h for a summary of options."
    return Refusal(f"nmap: {text}", help_line, status=255, started=False)


def _scan_type(options: Options, scans: set[str], letters: str) -> None:
    for letter in letters:
        if letter in SCANS_ABSENT:
            raise _absent(SCANS_ABSENT[letter])
        if letter in "nP":
            options.scan_ports = False
        elif letter in "ST":
            scans.add(letter)
            options.connect = letter == "T"
        else:
            raise _absent(f'"-s{letter}"')
    if len(scans) > 1:
        choice = "-sA, -b, -sT, -sF, -sI, -sM, -sN, -sS, -sW, and -sX"
        text = f"You specified more than one type of TCP scan.  Please choose only one of {choice}"
        raise Refusal(text, "QUITTING!", started=False)


def _output(options: Options, value: str) -> None:
    if value != "G":
        raise _absent(f'"-o{value}"')
    if not options.targets or options.targets[0] != "-":
        raise _absent("writing the report to a file")
    options.grepable = True
    del options.targets[0]


def _ports(options: Options, text: str) -> list[int]:
    found: list[int] = []
    for part in text.split(","):
        word = part.removeprefix("T:")
        if word.startswith(("U:", "S:", "P:")):
            raise _absent(f'"{word}" in -p')
        low, dash, high = word.partition("-")
        if not dash and not word.isdecimal():
            number = port_of(word)
            if number is None:
                raise Refusal(
                    f"Found no matches for the service mask '{word}' and your specified protocols", "QUITTING!"
                )
            found.append(number)
            continue
        if (low and not low.isdecimal()) or (high and not high.isdecimal()):
            raise Refusal(f"Found no matches for the service mask '{word}' and your specified protocols", "QUITTING!")
        first = int(low) if low else 1
        last = (int(high) if high else 65535) if dash else first
        if first > 65535 or last > 65535:
            raise Refusal("Ports specified must be between 0 and 65535 inclusive", "QUITTING!")
        if last < first:
            raise Refusal(f"Your port range {word} is backwards. Did you mean {last}-{first}?", "QUITTING!")
        found += range(first, last + 1)
    if len(set(found)) < len(found):
        options.warnings.append(
            "WARNING: Duplicate port number(s) specified.  Are you alert enough to be using Nmap?  "
            "Have some coffee or Jolt(tm)."
        )
    return sorted(set(found))


def targets(text: str) -> list[IPv4] | None:
    """The addresses of `192.168.1.0/24`, `192.168.1.1-9` or `10.0.0,1.*`; None where it is a name. Raises Refusal."""
    body, slash, length = text.partition("/")
    octets = [_octet(part) for part in body.split(".")]
    if len(octets) != 4 or any(octet is None for octet in octets):
        return None
    addresses = [0]
    for octet in octets:
        assert octet is not None
        if len(addresses) * len(octet) > MAX_TARGETS:
            raise _too_many()
        addresses = [address << 8 | number for address in addresses for number in octet]
    if not slash:
        return [IPv4(address) for address in addresses]
    bits = int(length) if length.isdecimal() and int(length) <= 32 else 32
    if 1 << 32 - bits > MAX_TARGETS:
        raise _too_many()
    size = 1 << 32 - bits
    start = addresses[0] & ~(size - 1)
    return [IPv4(start + offset) for offset in range(size)]


def _too_many() -> Refusal:
    return Refusal(f"nmap: more than {MAX_TARGETS} addresses at once is not simulated here", status=255)


def _octet(text: str) -> list[int] | None:
    """`7`, `1-9`, `3,5`, `*`."""
    numbers: list[int] = []
    for part in text.split(","):
        low, dash, high = ("0", "-", "255") if part == "*" else part.partition("-")
        low, high = low or ("0" if dash else ""), high or ("255" if dash else low)
        if not low.isdecimal() or not high.isdecimal() or not int(low) <= int(high) <= 255:
            return None
        numbers += range(int(low), int(high) + 1)
    return numbers

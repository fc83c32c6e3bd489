"""What this machine offers the engine kernel, found by doing: each thing is tried in namespaces that vanish at once."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec

from labs.engines.kernel.users import SEARCH, User, unshare_command

__all__ = ["FEATURES", "REQUIRED_FEATURES", "REQUIRED_TOOLS", "Answer", "Host", "Survey", "Tool", "survey"]

LONGEST_S = 20.0
NUMBER = re.compile(r"\d+(?:\.\d+)+(?:-?[pP]\d+)?|\d{8}")
USED_SHARE = 0.9  # of the neighbour table; the rest is for whoever else is there

# Program, Debian package, and how it tells its version (nothing: it does not).
TOOLS = (
    ("unshare", "util-linux", "--version"),
    ("bash", "bash", "--version"),
    ("ip", "iproute2", "-V"),
    ("bridge", "iproute2", "-V"),
    ("tc", "iproute2", "-V"),
    ("ss", "iproute2", "-V"),
    ("nft", "nftables", "--version"),
    ("bwrap", "bubblewrap", "--version"),
    ("newuidmap", "uidmap", ""),
    ("ping", "iputils-ping", "-V"),
    ("tcpdump", "tcpdump", "--version"),
    ("traceroute", "traceroute", "--version"),
    ("nc", "netcat-openbsd", ""),
    ("dig", "bind9-dnsutils", "-v"),
    ("dnsmasq", "dnsmasq-base", "--version"),
    ("dhclient", "isc-dhcp-client", "--version"),
    ("mosquitto", "mosquitto", "-h"),
    ("mosquitto_sub", "mosquitto-clients", "--version"),
    ("sshd", "openssh-server", "-V"),
    ("nginx", "nginx-light", "-v"),
    ("chronyd", "chrony", "--version"),
    ("rsyslogd", "rsyslog", "-v"),
    ("radvd", "radvd", "--version"),
    ("ovs-vswitchd", "openvswitch-switch", "--version"),
)
REQUIRED_TOOLS = frozenset({"unshare", "bash", "ip", "bridge", "ss", "nft", "bwrap"})
# What is tried, in this order; later lines use what earlier ones made.
TRIALS = (
    ("veth", "ip link add nwa type veth peer name nwb"),
    ("bridge", "ip link add nwc type bridge"),
    ("vlan_filtering", "ip link add nwd type bridge vlan_filtering 1"),
    ("vlan", "ip link add link nwa name nwa.2 type vlan id 2"),
    ("netem", "tc qdisc add dev nwa root netem delay 1ms"),
    ("tbf", "tc qdisc add dev nwb root tbf rate 10mbit burst 15k latency 50ms"),
    ("rules", "nft add table ip t ; add chain ip t f { type filter hook forward priority 0 ; }"),
    ("ingress", "nft add table netdev n ; add chain netdev n i { type filter hook ingress device nwa priority 0 ; }"),
    ("fwd", "nft add rule netdev n i fwd to nwb"),
    ("nftrace", "nft add rule ip t f meta nftrace set 1"),
    ("ct", "nft add rule ip t f ct state established accept"),
    ("masquerade", "nft add chain ip t p { type nat hook postrouting priority 100 ; } ; add rule ip t p masquerade"),
    ("reject", "nft add rule ip t f reject"),
    ("limit", "nft add rule ip t f limit rate 5/second"),
    ("log", "nft add rule ip t f log group 5"),
    ("numgen", "nft add rule ip t f numgen random mod 10 1 drop"),
    ("tun", "ip tuntap add dev nwt mode tap"),
    ("gre", "ip tunnel add nwg mode gre local 192.0.2.1 remote 192.0.2.2"),
    ("ipip", "ip tunnel add nwi mode ipip local 192.0.2.1 remote 192.0.2.2"),
)  # fmt: skip
FEATURES = tuple(name for name, _ in TRIALS)
REQUIRED_FEATURES = frozenset({"veth", "bridge", "rules", "ingress", "fwd", "nftrace", "ct"})


@dataclass(frozen=True, slots=True)
class Answer:
    """What a program said."""

    status: int
    out: str = ""
    err: str = ""


class Host:
    """The machine as the survey sees it; a test puts another in its place."""

    platform = sys.platform

    @property
    def is_root(self) -> bool:
        """True for real root, and for root of a container."""
        return os.geteuid() == 0

    def tool(self, name: str) -> str:
        """Where a program is, or nothing."""
        return shutil.which(name, path=SEARCH) or ""

    def run(self, argv: Sequence[str]) -> Answer:
        """Run a program to its end. One that cannot be started has the status 127."""
        try:
            done = subprocess.run(
                list(argv), capture_output=True, timeout=LONGEST_S, check=False, stdin=subprocess.DEVNULL,
                env={"PATH": SEARCH, "LANG": "C.UTF-8"},
            )  # fmt: skip
        except (OSError, subprocess.SubprocessError) as error:
            return Answer(127, err=str(error))
        return Answer(done.returncode, done.stdout.decode("utf-8", "replace"), done.stderr.decode("utf-8", "replace"))

    def read(self, path: str) -> str:
        """A file of /proc, or nothing."""
        try:
            with open(path, encoding="utf-8", errors="replace") as file:
                return file.read()
        except OSError:
            return ""

    @property
    def user(self) -> User:
        """Who asks."""
        return User.now()

    def module(self, name: str) -> str:
        """The version of a Python package, or nothing."""
        try:
            return version(name) if find_spec(name) is not None else ""
        except PackageNotFoundError:
            return ""


@dataclass(frozen=True, slots=True)
class Tool:
    """A program that the engine or its devices use."""

    name: str
    package: str
    path: str
    version: str


@dataclass(frozen=True, slots=True)
class Survey:
    """What was found. `refused` is why there are no namespaces, `cause` the setting that forbids them.

    `numbers` are those that an ordinary user gives to daemons; `alone` is why there are none, and how to mend that.
    """

    platform: str
    is_root: bool
    tools: tuple[Tool, ...] = ()
    mininet: str = ""
    refused: str = ""
    cause: str = ""
    features: Mapping[str, bool] = field(default_factory=dict)
    neighbour_limit: int = 0
    neighbours: int = 0
    numbers: str = ""
    alone: tuple[str, str] = ("", "")

    @property
    def has_vlans(self) -> bool:
        """True where the kernel filters VLANs in bridges and has VLAN interfaces."""
        return all(self.features.get(name, False) for name in ("vlan_filtering", "vlan"))

    @property
    def missing(self) -> tuple[Tool, ...]:
        """Programs that are not here. An ordinary user alone needs newuidmap, a kernel without VLANs Open vSwitch."""
        spare = {"newuidmap"} if self.is_root else set()
        spare |= {"ovs-vswitchd"} if self.has_vlans or not self.features else set()
        return tuple(tool for tool in self.tools if not tool.path and tool.name not in spare)

    @property
    def packages(self) -> tuple[str, ...]:
        """What to install."""
        return tuple(dict.fromkeys(tool.package for tool in self.missing))

    @property
    def most_hosts(self) -> int:
        """The largest number of hosts on one segment of which each may talk with each; 0 where nothing is known."""
        room = int(self.neighbour_limit * USED_SHARE) - self.neighbours
        return max(2, int((1 + (1 + 4 * max(0, room)) ** 0.5) / 2)) if self.neighbour_limit else 0


def survey(host: Host | None = None) -> Survey:
    """Look at this machine. Takes a fraction of a second and leaves nothing."""
    host = host or Host()
    if host.platform != "linux":
        return Survey(host.platform, is_root=False)
    tools = tuple(_tool(host, *known) for known in TOOLS)
    here = {tool.name for tool in tools if tool.path}
    refused = cause = ""
    features: dict[str, bool] = {}
    if {"unshare", "bash"} <= here:
        refused, cause, features = _try(host)
    return Survey(
        host.platform,
        host.is_root,
        tools,
        host.module("mininet"),
        refused,
        cause,
        features,
        _number(host.read("/proc/sys/net/ipv4/neigh/default/gc_thresh3")),
        _entries(host.read("/proc/net/stat/arp_cache")),
        "" if host.is_root else host.user.numbers,
        host.user.lacking(),
    )


def _tool(host: Host, name: str, package: str, option: str) -> Tool:
    path = host.tool(name)
    if not path or not option:
        return Tool(name, package, path, "")
    said = host.run([path, option])
    found = NUMBER.search(said.out + said.err)
    return Tool(name, package, path, found[0] if found else "")


def _try(host: Host) -> tuple[str, str, dict[str, bool]]:
    """Why there are no namespaces and the setting that forbids them; what works inside."""
    done = host.run([*unshare_command(), "bash", "-c", _script()])
    lines = done.out.split()
    if "begun" in lines:
        return "", "", {name: name in lines for name in FEATURES}
    said = ([line for line in done.err.splitlines() if line.strip()] or ["refused"])[-1]
    return said.removeprefix("unshare: "), _cause(host), {}


def _script() -> str:
    """One shell that tries everything, and prints the name of what worked."""
    lines = ["echo begun", "ip link set lo up"]
    for name, command in TRIALS:
        tried = f"nft '{command.removeprefix('nft ')}'" if command.startswith("nft ") else command
        lines.append(f"{tried} >/dev/null 2>&1 && echo {name}")
    return "\n".join([*lines, "true"])


def _cause(host: Host) -> str:
    """The setting that keeps an ordinary user, or a container, from namespaces; nothing where none is known."""
    for path, forbids in (
        ("/proc/sys/kernel/apparmor_restrict_unprivileged_userns", "1"),
        ("/proc/sys/kernel/unprivileged_userns_clone", "0"),
        ("/proc/sys/user/max_user_namespaces", "0"),
        ("/proc/sys/user/max_net_namespaces", "0"),
    ):
        if host.read(path).strip() == forbids:
            return path.removeprefix("/proc/sys/").replace("/", ".")
    return "seccomp" if re.search(r"^Seccomp:\s*2", host.read("/proc/self/status"), re.MULTILINE) else ""


def _number(text: str) -> int:
    return int(text) if text.strip().isdecimal() else 0


def _entries(table: str) -> int:
    """How many neighbours the kernel knows now: the first column, the same in each line after the heading."""
    lines = table.splitlines()[1:]
    try:
        return int(lines[0].split()[0], 16) if lines else 0
    except (ValueError, IndexError):
        return 0

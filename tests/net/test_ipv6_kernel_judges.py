"""The same small IPv6 network in the simulator and in network namespaces: every line prints the same."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from labs.net.linux.node import LinuxNode
from labs.shell.init import boot
from labs.shell.services import UNITS
from labs.testing import connect, device, pass_time, run
from tests.kernel_lab import judged

pytestmark = [
    pytest.mark.kernel,
    judged(),
    pytest.mark.skipif(not shutil.which("radvd"), reason="radvd is not installed"),
]

SECOND = 1_000_000_000
RADVD = """interface lan
{
    AdvSendAdvert on;
    MinRtrAdvInterval 3;
    MaxRtrAdvInterval 10;
    prefix 2001:db8:1::/64
    {
        AdvOnLink on;
        AdvAutonomous on;
    };
};
"""
SETTINGS = {
    "a": "net.ipv6.conf.all.disable_ipv6 = 0\n",
    "r": "net.ipv6.conf.all.disable_ipv6 = 0\nnet.ipv6.conf.all.forwarding = 1\nnet.ipv6.icmp.ratelimit = 0\n",
    "b": "net.ipv6.conf.all.disable_ipv6 = 0\n",
}
PORTS = {"a": ("eth0",), "r": ("lan", "wan"), "b": ("eth0",)}
LEADS = (("a", "eth0", "r", "lan"), ("b", "eth0", "r", "wan"))
START = (
    ("r", "ip link set lan up"),
    ("r", "ip link set wan up"),
    ("r", "ip addr add 2001:db8:1::1/64 dev lan"),
    ("r", "ip addr add 2001:db8:2::1/64 dev wan"),
    ("a", "ip link set eth0 up"),
    ("b", "ip link set eth0 up"),
    ("b", "ip addr add 2001:db8:2::5/64 dev eth0"),
    ("b", "ip -6 route add default via 2001:db8:2::1"),
)
LINES = (
    ("a", "ip -6 addr show dev eth0"),
    ("a", "ip -6 route"),
    ("a", "ip -6 route show default"),
    ("b", "ip -6 route"),
    ("b", "ip -6 addr show scope link"),
    ("a", "ping -c1 2001:db8:2::5"),
    ("a", "ping -c1 -t1 2001:db8:2::5"),
    ("a", "ping -c1 2001:db8:9::1"),
    ("a", "ping -c1 -W4 2001:db8:2::99"),
    ("a", "ping -c1 -W4 2001:db8:1::99"),
    ("a", "ping -c1 ::1"),
    ("a", "ping -6 -c1 10.0.0.1"),
    ("a", "ping -4 -c1 2001:db8::1"),
    ("a", "ping -c1 -s 2000 2001:db8:1::1"),
    ("a", "ip -6 neigh"),
    ("a", "ip -6 route get 2001:db8:2::5"),
    ("a", "ip route get ::1"),
    ("a", "ip -6 route get ff02::1"),
    ("b", "ip -6 route get 2001:db8:1::1"),
    ("a", "traceroute -n 2001:db8:2::5"),
    ("a", "traceroute -n 2001:db8:9::1"),
    ("a", "nc -vz 2001:db8:2::5 81"),
    ("r", "ip -6 route add prohibit 2001:db8:77::/48"),
    ("a", "ping -c1 2001:db8:77::1"),
    ("r", "ip -6 route add unreachable 2001:db8:78::/48"),
    ("a", "ping -c1 2001:db8:78::1"),
    ("a", "ip -6 addr add 2001:db8::1/129 dev eth0"),
    ("a", "ip addr add 2001:db8:7::1/64 dev eth0 nodad"),
    ("a", "ip addr add 2001:db8:7::1/64 dev eth0"),
    ("a", "ip addr del 2001:db8:7::2/64 dev eth0"),
    ("a", "ip -6 route add 2001:db8:7::/48 via 2001:db8:77::1"),
    ("a", "ip -6 route add 2001:db8:8::/48 dev eth0"),
    ("a", "ip -6 route add 2001:db8:8::/48 dev eth0"),
    ("a", "ip -6 route add unreachable 2001:db8:66::/48"),
    ("a", "ip -6 route add prohibit 2001:db8:67::/48"),
    ("a", "ip -6 route add blackhole 2001:db8:68::/48"),
    ("a", "ip -6 route add default via fe80::1"),
    ("a", "ip -6 route add 2001:db8:1234::/48 via fe80::1 dev eth0 metric 5"),
    ("a", "ip -6 route add 2001:db8:1235::/48 via 2001:db8:1::1 src 2001:db8:7::1"),
    ("a", "ip -6 route"),
    ("a", "ip -j -6 route"),
    ("a", "ip -6 route del 2001:db8:99::/48"),
    ("a", "ip -6 route del 2001:db8:8::/48"),
    ("a", "ping -c1 2001:db8:66::1"),
    ("a", "ping -c1 2001:db8:67::1"),
    ("a", "ip route get 2001:db8:66::1"),
    ("a", "ip -6 route get 2001:db8:1235::1"),
    ("a", "ping -c1 -W1 2001:db8:77::1"),  # now from 2001:db8:7::1, to which the router knows no way back
    ("a", "ip -6 neigh add 2001:db8:1::77 lladdr 02:00:00:00:00:07 dev eth0"),
    ("a", "ip -6 neigh show 2001:db8:1::77"),
    ("a", "ip -6 addr del 2001:db8:7::1/64 dev eth0"),
    ("a", "ip -6 addr show dev eth0 scope global"),
    # The firewall, on the router
    ("r", "nft add table ip6 f"),
    ("r", "nft add chain ip6 f through '{ type filter hook forward priority 0; policy accept; }'"),
    ("r", "nft add rule ip6 f through ip6 saddr 2001:db8:1::/64 icmpv6 type echo-request reject"),
    ("a", "ping -c1 2001:db8:2::5"),
    ("r", "nft flush chain ip6 f through"),
    ("r", "nft add rule ip6 f through icmpv6 type echo-request reject with icmpv6 type admin-prohibited"),
    ("a", "ping -c1 2001:db8:2::5"),
    ("r", "nft flush chain ip6 f through"),
    ("r", "nft add rule ip6 f through meta l4proto tcp reject with tcp reset"),
    ("a", "nc -vz 2001:db8:2::5 81"),
    ("r", "nft flush chain ip6 f through"),
    ("r", "nft add rule ip6 f through ip6 hoplimit 63 ip6 daddr 2001:db8:2::5 counter drop"),
    ("a", "ping -c1 -W1 2001:db8:2::5"),
    ("r", "nft list chain ip6 f through"),
    ("r", "nft flush ruleset"),
    ("r", "nft add table inet g"),
    ("r", "nft add chain inet g through '{ type filter hook forward priority 0; policy drop; }'"),
    ("r", "nft add rule inet g through ct state established,related accept"),
    ("r", "nft add rule inet g through iifname lan meta nfproto ipv6 accept"),
    ("a", "ping -c1 2001:db8:2::5"),
    ("b", "ping -c1 -W1 2001:db8:1::1"),
    ("b", "ping -c1 -W1 2001:db8:1:0:4e:ff:fe00:6100"),
    ("r", "nft flush ruleset"),
    # Off and on again
    ("a", "sysctl -w net.ipv6.conf.eth0.disable_ipv6=1"),
    ("a", "ip -6 addr show dev eth0"),
    ("a", "ping -c1 2001:db8:2::5"),
    ("a", "ip -6 addr add 2001:db8:7::1/64 dev eth0"),
)
NORMAL = (
    (r"time=[\d.]+ ms", "time=T"),
    (r"time \d+ms", "time T"),
    (r"rtt min/avg/max/mdev = .*", "rtt T"),
    (r"expires \d+sec", "expires T"),
    (r'"expires":\d+', '"expires":T'),
    (r"valid_lft \d+sec preferred_lft \d+sec", "lft T"),
    (r"@if\d+", ""),
    (r" link-netns \S+", ""),
    (r"qdisc \S+", "qdisc Q"),
    (r"  [\d.]+ ms", "  T"),
    (r"\b(REACHABLE|STALE|DELAY|PROBE)\b", "KNOWN"),
    (r"bytes \d+ drop", "bytes N drop"),
)


def normal(text: str) -> list[str]:
    for pattern, instead in NORMAL:
        text = re.sub(pattern, instead, text)
    lines = [line.rstrip() for line in text.splitlines() if line.strip()]
    return sorted(lines) if all(" dev eth0" in line for line in lines) and "lladdr" in text else lines


def mac(node: LinuxNode, port: str) -> str:
    return str(node.interfaces[port].mac)


def simulated() -> dict[str, LinuxNode]:
    nodes = {}
    for name, ports in PORTS.items():
        files = {"/etc/sysctl.d/60.conf": SETTINGS[name], "/etc/radvd.conf": RADVD}
        nodes[name] = device(name, files=files, ports=ports, units=UNITS, boot=boot)
    for one, port, other, far in LEADS:
        connect(nodes[one], port, nodes[other], far)
    for name, line in START:
        assert run(nodes[name], line).status == 0, line
    pass_time(nodes["a"], 3 * SECOND)
    run(nodes["r"], "systemctl start radvd")
    pass_time(nodes["a"], 5 * SECOND)
    return nodes


class Real:
    """The network in namespaces; radvd runs until the end."""

    def __init__(self, folder: Path) -> None:
        self._names = {name: f"nw{os.getpid()}six{name}" for name in PORTS}
        self._folder = folder
        self._radvd: subprocess.Popen[bytes] | None = None

    def run(self, name: str, line: str) -> tuple[str, int]:
        words = ["ip", "netns", "exec", self._names[name], "bash", "-c", line]
        done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=20)
        return done.stdout + done.stderr, done.returncode

    def begin(self, nodes: dict[str, LinuxNode]) -> None:
        for name in self._names.values():
            subprocess.run(["ip", "netns", "add", name], check=True)
        for one, port, other, far in LEADS:
            words = ["ip", "link", "add", port, "netns", self._names[one], "address", mac(nodes[one], port)]
            words += [
                "type",
                "veth",
                "peer",
                "name",
                far,
                "netns",
                self._names[other],
                "address",
                mac(nodes[other], far),
            ]
            subprocess.run(words, check=True)
        for name, text in SETTINGS.items():
            self.run(name, "ip link set lo up")
            for line in text.splitlines():
                self.run(name, f"sysctl -q -w {line.replace(' = ', '=')}")
            for port in PORTS[name]:
                self.run(name, f"sysctl -q -w net.ipv6.neigh.{port}.retrans_time_ms=100")
        for name, line in START:
            assert self.run(name, line)[1] == 0, line
        self._settle("tentative", absent=True)
        conf = self._folder / "radvd.conf"
        conf.write_text(RADVD)
        words = ["ip", "netns", "exec", self._names["r"], "radvd", "-n", "-m", "none", "-C", str(conf), "-p"]
        self._radvd = subprocess.Popen([*words, str(self._folder / "pid")], stderr=subprocess.DEVNULL)
        self._settle("mngtmpaddr", absent=False)
        self._settle("tentative", absent=True)

    def _settle(self, word: str, *, absent: bool) -> None:
        until = time.monotonic() + 15
        while time.monotonic() < until:
            texts = [self.run(name, "ip -6 addr")[0] for name in (PORTS if absent else ("a",))]
            if all((word not in text) is absent for text in texts) and (
                word != "tentative" or "scope link" in texts[0]
            ):
                return
            time.sleep(0.1)
        raise TimeoutError(word)

    def end(self) -> None:
        if self._radvd is not None:
            self._radvd.terminate()
            self._radvd.wait(10)
        for name in self._names.values():
            subprocess.run(["ip", "netns", "del", name], check=False)


@contextmanager
def real(nodes: dict[str, LinuxNode], folder: Path) -> Iterator[Real]:
    lab = Real(folder)
    try:
        lab.begin(nodes)
        yield lab
    finally:
        lab.end()


def test_every_line_prints_what_it_prints_in_namespaces(tmp_path: Path) -> None:
    """Addresses, routes, neighbours, errors, refusals of the tools and verdicts of the firewall, in one go."""
    nodes = simulated()
    different = {}
    with real(nodes, tmp_path) as lab:
        for name, line in LINES:
            found = run(nodes[name], line)
            ours = (normal(found.text), found.status)
            text, status = lab.run(name, line)
            theirs = (normal(text), status)
            if ours != theirs:
                different[f"{name}# {line}"] = (ours, theirs)
    assert different == {}, "(simulated, real)"

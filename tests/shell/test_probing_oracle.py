"""The same probes on the same small network, typed at a simulated machine and at a real one."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from labs.engines.sim import SimEngine
from labs.model.site import Site
from tests.kernel_lab import KernelLab, judged, lasting
from tests.sites import machine, site, switch
from tests.traffic import serve

TOOLS = ("ping", "arping", "traceroute", "nc", "dig", "tcpdump")
ABSENT = [tool for tool in TOOLS if shutil.which(tool) is None]
pytestmark = [pytest.mark.kernel, judged(), pytest.mark.skipif(bool(ABSENT), reason=f"needs {' '.join(ABSENT)}")]

HOSTS = "127.0.0.1 localhost\n10.0.2.2 cam\n10.0.1.1 gw\n10.0.1.77 ghost\n"
PORTS = """
    tcp dport 81 drop
    tcp dport 82 reject
    tcp dport 83 reject with tcp reset
    tcp dport 84 reject with icmp type admin-prohibited
"""
RULES = "table ip f {{\n  chain input {{\n    type filter hook input priority 0;\n    {}\n  }}\n}}\n"
LINES = [
    "ping -c 1 gw",
    "ping -c 2 10.0.1.1",
    "ping -c 2 -n cam",
    "ping -q -c 2 cam",
    "ping -c 3 10.0.1.70",
    "ping -c 2 ghost",
    "ping -c 1 -W 1 10.0.1.71",
    "ping -c 2 -w 4 -i 2 10.0.1.72",
    "ping -c 2 -O -W 1 -i 0.5 10.0.1.73",
    "ping -c 1 -t 1 10.0.2.2",
    "ping -c 1 -t 1 cam",
    "ping -c 1 10.9.9.9",
    "ping -c 1 10.0.1.255",
    "ping -b -c 1 -W 1 10.0.1.255",
    "ping -c 1 -s 2000 -M do 10.0.1.1",
    "ping -c 1 -s 4 10.0.1.1",
    "ping -c 1 -s 1472 -M do 10.0.1.1",
    "ping -c 1 -I eth0 10.0.1.1",
    "ping -c 1 -I 10.0.1.2 10.0.1.1",
    "ping -c 1 -I 10.0.1.9 10.0.1.1",
    "ping -c 1 -I eth9 10.0.1.1",
    "ping -c 1 nosuch",
    "ping",
    "ping -c 0 10.0.1.1",
    "ping -c x 10.0.1.1",
    "ping -t 300 10.0.1.1",
    "ping -M what 10.0.1.1",
    "ping -w x 10.0.1.1",
    "ping -i 0.2 -c 3 10.0.1.1",
    "ping -c 1 localhost",
    "ping -c 1 10.0.1.2",
    "ping -c 1 10.0.2.3",
    "ping -c 2 -W 1 10.0.2.4",
    "ping -c 1 -W 1 10.0.2.5",
    "arping -c 2 -I eth0 10.0.1.1",
    "arping -c 1 10.0.1.1",
    "arping -c 1 -I eth0 10.0.1.78",
    "arping -f -I eth0 gw",
    "arping -q -c 1 -I eth0 gw",
    "arping -D -c 2 -I eth0 10.0.1.1",
    "arping -D -c 1 -I eth0 10.0.1.79",
    "arping -U -c 1 -I eth0 10.0.1.2",
    "arping -A -c 1 -I eth0 10.0.1.2",
    "arping -b -c 1 -I eth0 10.0.1.1",
    "arping -c 1 -I eth9 10.0.1.1",
    "arping -c 1 -I lo 10.0.1.1",
    "arping -c 1 -s 10.0.1.9 -I eth0 10.0.1.1",
    "arping -c x 10.0.1.1",
    "arping",
    "traceroute cam",
    "traceroute -n 10.0.2.2",
    "traceroute -n -q 1 -m 3 -w 1 10.0.1.74",
    "traceroute -n -q 1 10.9.9.9",
    "traceroute -I -n 10.0.2.2",
    "traceroute -T -n -w 5 10.0.2.2",  # else it gives up on an answer that takes 3 times as long as the one before
    "traceroute -n -m 4 -w 1 10.0.2.4",
    "traceroute -n 10.0.2.3",
    "traceroute nosuch",
    "traceroute -m 300 cam",
    "traceroute -q 20 cam",
    "nc -zv cam 7",
    "nc -zv cam 8",
    "nc -z cam 8",
    "nc -zvn 10.0.2.2 7-9",
    "nc -zvu cam 7",
    "nc -zvu cam 8",
    "nc -zv -w 1 10.0.1.75 80",
    "nc -zv nosuch 80",
    "nc -zvn cam 80",
    "nc -zvn cam http",
    "nc -zvn cam 7-9",
    "nc -ln nosuch 99",
    "nc -zv cam nosvc",
    "nc -zv cam echo",
    "nc -zv cam",
    "nc",
    "nc -zv cam 70000",
    "nc -y",
    "nc -zv -w 1 cam 81",
    "nc -zv -w 1 cam 82",
    "nc -zv -w 1 cam 83",
    "nc -zv -w 1 cam 84",
    "dig @10.0.1.1 +time=1 +tries=1 cam",
    "dig @10.0.1.1 +short +time=1 cam",
    "dig +foo",
    "tcpdump -i eth9",
    "tcpdump -i eth0 foo",
    "tcpdump -i eth0 port",
    "tcpdump -i eth0 host nosuch",
    "tcpdump -i eth0 port 70000",
    "tcpdump -i eth0 net 10.0.0.0/33",
    "tcpdump -i eth0 net 10.0.0.1/24",
    "tcpdump -i eth0 -c 0",
    "tcpdump -i eth0 ether host 1",
]


def network() -> Site:
    """Host a, router r, and behind it a switch with c (some ports closed), d (rejects), e (drops) and nobody."""
    a = machine("a", {"eth0": "10.0.1.2/24"}, gateway="10.0.1.1")
    a = a.with_file("/etc/hosts", HOSTS).with_file("/etc/resolv.conf", "nameserver 10.0.1.1\n")
    r = machine("r", {"lan": "10.0.1.1/24", "wan": "10.0.2.1/24"}, forward=True)
    reject = "reject with icmp type admin-prohibited"
    far = [
        machine(name, {"eth0": f"10.0.2.{number}/24"}, gateway="10.0.2.1", rules=RULES.format(rules))
        for name, number, rules in (("c", 2, PORTS), ("d", 3, reject), ("e", 4, "drop"))
    ]
    made = site(
        [a, r, switch("s", 4), *far], ["a:eth0 r:lan", "r:wan s:p1", "c:eth0 s:p2", "d:eth0 s:p3", "e:eth0 s:p4"]
    )
    for device in made.devices.values():
        text = device.files["/etc/sysctl.conf"] + "net.ipv4.icmp_ratemask = 0\nnet.ipv4.route.error_cost = 0\n"
        made = made.with_device(device.with_file("/etc/sysctl.conf", text))
    return made


def plain(text: str) -> list[str]:
    """Lines without what no two runs share; sorted, because the two streams of a tool meet in any order."""
    for pattern, instead in (
        (r"time=[0-9.]+ ms", "time=T"),
        (r"time \d+ms", "time T"),
        (r"(min/avg/max/mdev) = [0-9./]+ ms", r"\1 = T"),
        (r"[0-9.]+ ?ms\b", "T"),
        (r"DiG [0-9][^ ]*", "DiG V"),
        (r"\bid: \d+", "id: N"),
        (r"libpcap version.*|tcpdump version.*|OpenSSL .*", ""),
    ):
        text = re.sub(pattern, instead, text)
    return sorted(line.rstrip() for line in text.splitlines() if line.strip())


class Real:
    """The network in namespaces, with the files that tools read."""

    def __init__(self, lab: KernelLab) -> None:
        self.told: dict[str, tuple[str, int]] = {}
        self._lab = lab
        self._files = Path("/etc/netns", lab.space("a"))

    def prepare(self) -> None:
        self._files.mkdir(parents=True)
        (self._files / "hosts").write_text(HOSTS, encoding="ascii")
        (self._files / "resolv.conf").write_text("nameserver 10.0.1.1\n", encoding="ascii")
        (self._files / "nsswitch.conf").write_text("hosts: files dns\n", encoding="ascii")
        for device in self._lab.site.devices:
            with self._lab.inside(device):
                for where in Path("/proc/sys/net/ipv4/neigh").iterdir():
                    (where / "retrans_time_ms").write_text("1000", encoding="ascii")
        subprocess.run(self.command("ping -c 1 10.0.2.2"), capture_output=True, check=False)

    def command(self, line: str) -> list[str]:
        return ["ip", "netns", "exec", self._lab.space("a"), *line.split()]

    def run(self, line: str) -> tuple[str, int]:
        done = subprocess.run(
            self.command(line),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=40,
            check=False,
        )
        return done.stdout, done.returncode

    def clean(self) -> None:
        shutil.rmtree(self._files, ignore_errors=True)


def _groups() -> list[list[str]]:
    """What may run together: not two that hear each other's answers, nor two that measure time."""
    alone = [[line for line in LINES if line.startswith(tool)] for tool in ("arping", "traceroute")]
    return [*alone, *([line] for line in LINES if not line.startswith(("arping", "traceroute")))]


@pytest.fixture(scope="module")
def real() -> Iterator[Real]:
    """The network, and what every line says there, all at once."""
    with KernelLab(network()) as lab:
        space = Real(lab)
        try:
            space.prepare()
            with ThreadPoolExecutor(40) as pool:
                told = pool.map(lambda group: [(line, space.run(line)) for line in group], _groups())
                space.told = dict(pair for group in told for pair in group)
            yield space
        finally:
            space.clean()


@pytest.fixture(scope="module")
def simulated() -> SimEngine:
    engine = SimEngine()
    engine.start(network())
    serve(engine)
    engine.run("a", "ping -c 1 10.0.2.2")
    return engine


@pytest.mark.parametrize("line", LINES)
def test_simulated_tool_says_what_the_real_one_says(line: str, real: Real, simulated: SimEngine) -> None:
    simulated.wait(2 * 10**9)
    output = simulated.run("a", line)

    def look(patience: int) -> dict[str, object]:
        text, status = real.told[line] if patience == 1 else real.run(line)  # in the crowd, then alone
        pair = (plain(output.text), output.status), (plain(text), status)
        return {} if pair[0] == pair[1] else {line: pair}

    assert lasting(look) == {}, "(simulated, real)"

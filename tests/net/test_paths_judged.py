"""The same lines on the same network, here and in a real kernel: what does not fit, and what is learned from it."""

from __future__ import annotations

import re
import shutil
import subprocess

import pytest

from labs.engines.sim import SimEngine
from labs.model.site import Site
from tests.kernel_lab import KernelLab, judged
from tests.net.test_kernel_judges import LEADS, near_and_far
from tests.sites import machine, site, switch, unlimited

pytestmark = [pytest.mark.kernel, judged()]

SILENT = (
    "table ip f {\n chain o {\n type filter hook output priority 0; icmp type destination-unreachable drop\n }\n}\n"
)
LINES = {
    "narrow link": [
        "ping -c 3 -i 0.3 -s 1472 10.0.2.20",
        "ip route get 10.0.2.20",
        "ip route show cache",
        "ip -j route get 10.0.2.20",
        "ping -c 2 -i 0.3 -s 1472 -M do 10.0.2.20",
        "ping -c 2 -i 0.3 -s 1372 -M do 10.0.2.20",
        "ip route flush cache",
        "ip route show cache",
        "ping -c 2 -i 0.3 -s 1472 -M do 10.0.2.20",
        "ping -c 2 -i 0.3 -s 2000 -M dont 10.0.2.20",
        "ping -c 2 -i 0.3 -s 20000 -M want 10.0.2.20",
        "ping -c 1 -s 65507 10.0.2.20",
        "ping -c 1 -W 1 -s 65508 10.0.2.20",
        "ip route flush cache",
        "tracepath -n 10.0.2.20",
        "tracepath -n 10.0.2.20",
        "ip route flush cache",
        "ip route add 10.0.2.0/24 via 10.0.1.1 mtu 1300 advmss 1200",
        "ip route",
        "ip route get 10.0.2.20",
        "ping -c 1 -s 1372 -M do 10.0.2.20",
        "ip route replace 10.0.2.0/24 via 10.0.1.1 mtu lock 1300",
        "ip route",
        "ip route get 10.0.2.20",
        "ping -c 1 -s 1472 10.0.2.20",
        "ip route add 10.5.0.0/16 via 10.0.1.1 mtu x",
    ],
    "silent router": [
        "ping -c 1 -W 1 -s 1472 10.0.2.20",
        "ping -c 1 -W 1 -s 1472 -M do 10.0.2.20",
        "ping -c 1 -W 1 -s 1472 -M dont 10.0.2.20",
        "ping -c 1 -W 1 -s 1372 -M do 10.0.2.20",
        "ip route get 10.0.2.20",
    ],
    "two gateways": [
        "ping -c 6 -i 0.5 10.0.2.20",
        "ip route get 10.0.2.20",
        "ip route show cache",
        "ip -j route get 10.0.2.20",
        "ip route flush cache",
        "ip route get 10.0.2.20",
    ],
}


def narrow(**more: object) -> Site:
    parts = near_and_far(r={"up": ["ip route add 10.0.2.0/24 via 10.0.0.2", "ip link set wan mtu 1400"], **more},
                         s={"up": ["ip route add 10.0.1.0/24 via 10.0.0.1", "ip link set wan mtu 1400"]})  # fmt: skip
    return site(parts, LEADS)


def two_gateways() -> Site:
    parts = [
        machine("a", {"eth0": "10.0.1.10/24"}, gateway="10.0.1.1"),
        machine("r", {"eth0": "10.0.1.1/24"}, up=["ip route add 10.0.2.0/24 via 10.0.1.2"], forward=True),
        machine("s", {"eth0": "10.0.1.2/24", "lan": "10.0.2.1/24"}, forward=True),
        machine("d", {"eth0": "10.0.2.20/24"}, gateway="10.0.2.1"),
        switch("sw", 3),
    ]
    return site(parts, ["a:eth0 sw:p1", "r:eth0 sw:p2", "s:eth0 sw:p3", "s:lan d:eth0"])


SITES = {"narrow link": narrow, "silent router": lambda: narrow(rules=SILENT), "two gateways": two_gateways}
MEASURED = [
    (r"time=[\d.]+ ms", "time=T"),
    (r"time \d+ms", "time T"),
    (r"= [\d.]+/[\d.]+/[\d.]+/[\d.]+ ms", "= RTT"),
    (r"expires \d+sec", "expires N"),
    (r'"expires":\d+', '"expires":N'),
    (r" +[\d.]+ms", " T"),
]


def plain(text: str) -> str:
    """Without what was measured."""
    for pattern, instead in MEASURED:
        text = re.sub(pattern, instead, text)
    return re.sub(r"^( 1:  .*\n)\1", r"\1", text, flags=re.MULTILINE)  # tracepath: at times its first hop stands once


def real(lab: KernelLab, line: str) -> str:
    command = ["ip", "netns", "exec", lab.space("a"), "sh", "-c", f"{line} 2>&1; echo status $?"]
    return plain(subprocess.run(command, capture_output=True, check=False, text=True).stdout)


def simulated(engine: SimEngine, line: str) -> str:
    output = engine.run("a", line)
    return plain(output.text + f"status {output.status}\n")


@pytest.mark.parametrize("name", LINES)
def test_line_on_the_same_network_says_the_same(name):
    tools = {line.split()[0] for line in LINES[name]}
    if not all(map(shutil.which, tools)):
        pytest.skip(f"needs {' '.join(sorted(tools))}")
    made = unlimited(SITES[name]())
    engine = SimEngine()
    engine.start(made)
    with KernelLab(made) as lab:
        different = {}
        for line in LINES[name]:
            pair = (simulated(engine, line), real(lab, line))
            if pair[0] != pair[1]:
                different[line] = pair
    assert different == {}, "\n".join(f"{line}\n--- simulated\n{a}--- real\n{b}" for line, (a, b) in different.items())

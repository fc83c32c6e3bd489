"""nmap: who is there, and which ports are open; the words of the real program (7.93)."""

from __future__ import annotations

import re
import shutil
import subprocess
from dataclasses import replace

import pytest

from labs.engines.sim import SimEngine
from labs.shell.commands.nmap.options import Refusal, read_options, targets
from labs.shell.commands.nmap.services import COMMON_PORTS
from tests.kernel_lab import missing
from tests.sites import machine, site

RULES = """table inet f {
  chain i {
    type filter hook input priority 0
    tcp dport 23 drop
    tcp dport 25 reject
  }
}
"""


@pytest.fixture(scope="module")
def engine() -> SimEngine:
    """a - b (router, tcp 80 open, 23 dropped, 25 rejected) - c (tcp 22 open)."""
    a = machine("a", {"eth0": "192.168.77.1/24"}, gateway="192.168.77.2")
    b = machine("b", {"eth0": "192.168.77.2/24", "eth1": "192.168.78.1/24"}, forward=True, rules=RULES)
    c = machine("c", {"eth0": "192.168.78.2/24"}, gateway="192.168.78.1")
    found = SimEngine()
    found.start(site([a, b, c], ["a:eth0 b:eth0", "b:eth1 c:eth0"]))
    found.run("b", "nc -lk 80 &")
    found.run("c", "nc -lk 22 &")
    return found


def plain(text: str) -> list[str]:
    """Without times and addresses of this run."""
    text = re.sub(
        r"(Nmap \S+|# Nmap done|Starting Nmap \S+ \(.*?\)) (scan initiated |at )\w.*?( UTC|20\d\d)", r"\1 \2T", text
    )
    text = re.sub(r"\([\d.]+s latency\)", "(L latency)", text)
    text = re.sub(r"in [\d.]+ seconds", "in N seconds", text)
    text = re.sub(r"MAC Address: [0-9A-F:]+", "MAC Address: M", text)
    return sorted(text.splitlines()) if "Failed" in text or "WARNING" in text else text.splitlines()


LINES = [
    "nmap -sn -n 192.168.77.0/29",
    "nmap -n 192.168.77.2",
    "nmap -n -p 80,23,25,22 192.168.77.2",
    "nmap -n -p 80,81 --open 192.168.77.2",
    "nmap -n -p 81 --open 192.168.77.2",
    "nmap -n -p 22-25 192.168.77.9",
    "nmap -Pn -n -p 22-24 192.168.77.9",
    "nmap -n -p 22,80 192.168.78.2",
    "nmap -sT -n -p 22,80,23 192.168.77.2",
    "nmap -n -p 22 192.168.78.9",
    "nmap -sn -n 192.168.78.0/29",
    "nmap -n -F 192.168.77.2",
    "nmap -n --top-ports 10 192.168.77.2",
    "nmap -zz 192.168.77.2",
    "nmap -p 70000 192.168.77.2",
    "nmap -p abc 192.168.77.2",
    "nmap -n -p 5-3 192.168.77.2",
    "nmap -oG - -n -p 80,81,23 192.168.77.2",
    "nmap -sn -oG - -n 192.168.77.0/29",
    "nmap -n -p 22,80 192.168.77.1",
    "nmap -sn -n 192.168.77.1",
    "nmap -n --reason -p 80,22,23,25 192.168.77.2",
    "nmap -sS -sT -n -p 5 192.168.77.2",
    "nmap -sn -p 80 192.168.77.2",
]
NETWORK = """
ip netns add nm_b$$; ip netns add nm_c$$; trap "ip netns del nm_b$$; ip netns del nm_c$$" EXIT
B="ip netns exec nm_b$$"; C="ip netns exec nm_c$$"
ip link set lo up; $B ip link set lo up; $C ip link set lo up
ip link add eth0 type veth peer name eth0 netns nm_b$$
$B ip link add eth1 type veth peer name eth0 netns nm_c$$
ip addr add 192.168.77.1/24 dev eth0; ip link set eth0 up; $B ip addr add 192.168.77.2/24 dev eth0
$B ip link set eth0 up; $B ip addr add 192.168.78.1/24 dev eth1; $B ip link set eth1 up
$C ip addr add 192.168.78.2/24 dev eth0; $C ip link set eth0 up
ip route add default via 192.168.77.2; $C ip route add default via 192.168.78.1
$B sysctl -qw net.ipv4.ip_forward=1; echo "$RULES" | $B nft -f -
$B nc -lk 80 & one=$!; $C nc -lk 22 & two=$!
"""


@pytest.mark.kernel
@pytest.mark.skipif(bool(missing()) or not shutil.which("nmap"), reason=missing() or "nmap is not installed")
def test_lines_are_answered_as_the_real_program_answers_them(engine: SimEngine) -> None:
    script = NETWORK + "sleep 0.3\n" + "".join(f"echo '@@'; {line} 2>&1\n" for line in LINES) + "kill $one $two\n"
    around = {"RULES": RULES, "PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}
    words = ["unshare", "-n", "bash", "-c", script]
    run = subprocess.run(words, capture_output=True, text=True, timeout=120, env=around, check=False)
    answers = run.stdout.split("@@\n")[1:]
    assert len(answers) == len(LINES), run.stderr
    for line, real in zip(LINES, answers, strict=True):
        assert (line, plain(engine.run("a", line).text)) == (line, plain(real))


def test_thousand_ports_are_tried_unasked() -> None:
    assert len(set(COMMON_PORTS)) == len(COMMON_PORTS) == 1000
    assert 1883 not in COMMON_PORTS


def test_every_port_of_a_machine_is_scanned(engine: SimEngine) -> None:
    text = engine.run("a", "nmap -n -p 1-3000 --open 192.168.77.2").text
    assert re.search(r"^80/tcp open  http$", text, re.MULTILINE)
    assert "Not shown: 2997 closed tcp ports (reset), 1 filtered tcp ports" in text


def test_names_stand_before_addresses() -> None:
    a = machine("a", {"eth0": "10.0.0.1/24"})
    b = machine("b", {"eth0": "10.0.0.2/24"})
    a = replace(a, files={**a.files, "/etc/hosts": "127.0.0.1 localhost\n10.0.0.2 gw\n"})
    found = SimEngine()
    found.start(site([a, b], ["a:eth0 b:eth0"]))
    assert "Nmap scan report for gw (10.0.0.2)\nHost is up (0.0000" in found.run("a", "nmap -sn 10.0.0.2").text
    assert "Nmap scan report for gw (10.0.0.2)\n" in found.run("a", "nmap -p 22 gw").text


@pytest.mark.parametrize(
    ("text", "count", "first", "last"),
    [
        ("10.0.0.0/30", 4, "10.0.0.0", "10.0.0.3"),
        ("10.0.0.9/30", 4, "10.0.0.8", "10.0.0.11"),
        ("10.0.0.1-9", 9, "10.0.0.1", "10.0.0.9"),
        ("10.0.0,1.7", 2, "10.0.0.7", "10.0.1.7"),
        ("10.0.0.*", 256, "10.0.0.0", "10.0.0.255"),
    ],
)
def test_target_is_spelled_out(text: str, count: int, first: str, last: str) -> None:
    found = targets(text)
    assert found is not None
    assert (len(found), str(found[0]), str(found[-1])) == (count, first, last)


@pytest.mark.parametrize("text", ["gw", "192.168.77.300", "10.0.0.1-x", "1.2.3"])
def test_word_that_is_no_address_is_a_name(text: str) -> None:
    assert targets(text) is None


@pytest.mark.parametrize("words", ["-sV x", "-sU x", "-O x", "-A x", "--script=vuln x", "-oN file x"])
def test_option_that_is_not_simulated_says_so(words: str) -> None:
    with pytest.raises(Refusal, match="is not simulated here"):
        read_options(words.split())


def test_more_targets_than_the_limit_are_refused(engine: SimEngine) -> None:
    output = engine.run("a", "nmap -sn 10.0.0.0/8")
    assert "is not simulated here" in output.text
    assert output.status == 255

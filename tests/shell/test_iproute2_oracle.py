"""The real `ip` of this machine judges ours: the same lines in a network namespace and on a simulated device.

Both sides have two ports joined by one lead, with the same MAC addresses. What cannot be equal is made equal first: the
index of a peer (`eth0@eth1`, M-DOWN, LOWERLAYERDOWN), the queue of a virtual port, and IPv6, which is not simulated.
"""

from __future__ import annotations

import json
import re
import shlex
import subprocess
from pathlib import Path
from typing import NamedTuple

import pytest

from labs.net.linux.node import LinuxNode
from labs.net.process import Terminal
from labs.shell.commands.ip import COMMANDS
from labs.testing import connect, device, pass_time
from tests.kernel_lab import missing

pytestmark = [pytest.mark.kernel, pytest.mark.skipif(bool(missing()), reason=missing())]

UP = ("ip link set lo up", "ip link set eth0 up", "ip link set eth1 up")
SETUP = {
    "@up": UP,
    "@two": (*UP, "ip addr add 10.0.0.1/24 dev eth0", "ip addr add 10.9.0.1/24 dev eth1"),
}


def read_sequences(text: str) -> dict[str, list[str]]:
    """`[name]`, then one command on each line."""
    found: dict[str, list[str]] = {}
    for line in text.splitlines():
        if line.startswith("["):
            found[line.strip("[]")] = current = []
        elif line and not line.startswith("#"):
            current.extend(SETUP.get(line, (line,)))
    return found


SEQUENCES = read_sequences((Path(__file__).parent / "iproute2.txt").read_text("utf-8"))
DIFFERENT = re.compile(r"@eth\d|,M-DOWN|,\"M-DOWN\"|\"link\":\"eth\d\",|^ +\"link\": \"eth\d\",\n", re.MULTILINE)


class Said(NamedTuple):
    """What one command answered."""

    command: str
    out: str
    err: str
    status: int


def real(sequence: list[str], macs: dict[str, str]) -> list[Said]:
    """Run a sequence in a namespace that disappears with its shell."""
    lines = [
        "for f in /proc/sys/net/ipv6/conf/*/disable_ipv6; do echo 1 > $f; done 2>/dev/null",
        f"ip link add eth0 address {macs['eth0']} type veth peer name eth1 address {macs['eth1']}",
        "e=$(mktemp)",
    ]
    for command in sequence:
        lines += [f"{command} 2>$e", "s=$?; printf '\\001'; cat $e; printf '\\001%s\\002' $s"]
        if command.endswith((" up", " down")):
            lines.append("sleep 0.02")
    script = "\n".join([*lines, "rm -f $e"])
    done = subprocess.run(
        ["unshare", "-n", "bash", "-c", script], capture_output=True, text=True, check=False, timeout=60
    )
    answers = done.stdout.split("\002")[:-1]
    assert len(answers) == len(sequence), done.stderr
    parts = [answer.split("\001") for answer in answers]
    return [Said(c, out, err, int(status)) for c, (out, err, status) in zip(sequence, parts, strict=True)]


def simulated(sequence: list[str], node: LinuxNode) -> list[Said]:
    """Run a sequence on a simulated device."""
    said = []
    for command in sequence:
        out, err = Terminal(), Terminal()
        process = node.spawn(shlex.split(command), COMMANDS["ip"], stdout=out, stderr=err)
        pass_time(node, 1_000_000)
        assert process.status is not None
        said.append(Said(command, out.take(), err.take(), process.status))
    return said


def alike(said: Said) -> Said:
    """Without what cannot be equal."""
    out = DIFFERENT.sub("", said.out).replace("LOWERLAYERDOWN", "DOWN").replace("qdisc fq_codel", "qdisc noqueue")
    out = out.replace('"fq_codel"', '"noqueue"')
    out = re.sub(r"^(eth\d|lo|br0) +", r"\1 ", out, flags=re.MULTILINE)
    out = re.sub(r"^(eth\d DOWN) +", r"\1 ", out, flags=re.MULTILINE)
    err = said.err.replace("Error: ipv4: Address already assigned.", "RTNETLINK answers: File exists")
    err = err.replace("Error: ipv4: Address not found.", "RTNETLINK answers: Cannot assign requested address")
    return said._replace(out=out, err=err)


@pytest.mark.parametrize("name", SEQUENCES)
def test_ip_on_both_machines_says_the_same(name: str) -> None:
    """Standard output, standard error and exit status of every command are those of the real tool."""
    node = device("box", ports=("eth1", "eth0"))
    connect(node, "eth0", node, "eth1")
    macs = {port: str(node.interfaces[port].mac) for port in ("eth0", "eth1")}
    judge = [alike(said) for said in real(SEQUENCES[name], macs)]
    ours = [alike(said) for said in simulated(SEQUENCES[name], node)]
    for mine, theirs in zip(ours, judge, strict=True):
        assert mine == theirs


def test_json_of_every_table_is_valid() -> None:
    """`ip -j` answers with one array of objects."""
    node = device("box", ports=("eth1", "eth0"))
    for command in ("ip -j addr", "ip -j -d -s link", "ip -j route", "ip -j neigh", "ip -j -br addr", "ip -j -p addr"):
        said = simulated([command], node)[0]
        assert isinstance(json.loads(said.out), list)

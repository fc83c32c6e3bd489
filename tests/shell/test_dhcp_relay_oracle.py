"""A real dnsmasq as relay and as server beside the simulated ones: the same lease, the same log lines."""

from __future__ import annotations

import re
import shutil
import subprocess
import time
from pathlib import Path

import pytest

from labs.engines.sim import SimEngine
from tests.kernel_lab import KernelLab, judged
from tests.shell.test_dhcp_relay import RELAY, SERVER, addresses, journal, network

ABSENT = [tool for tool in ("dnsmasq", "dhclient") if shutil.which(tool) is None]
pytestmark = [pytest.mark.kernel, judged(), pytest.mark.skipif(bool(ABSENT), reason=f"needs {' '.join(ABSENT)}")]


def begin(lab: KernelLab, device: str, *command: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        ["ip", "netns", "exec", lab.space(device), *command],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def logged(path: Path) -> list[str]:
    lines = [line.partition(": ") for line in path.read_text(encoding="utf-8").splitlines()]
    return [text.rstrip() for head, _, text in lines if "dnsmasq-dhcp" in head]


def once(lines: list[str]) -> list[str]:
    """A client on a busy machine may ask twice."""
    return list(dict.fromkeys(lines))


def test_relayed_lease_is_the_real_lease(tmp_path: Path) -> None:
    confs = {"s": SERVER, "r": RELAY + "log-dhcp\n"}
    with KernelLab(network(confs["s"], confs["r"])) as lab:
        running = []
        for device, conf in confs.items():
            path = tmp_path / f"{device}.conf"
            own = f"log-facility={tmp_path}/{device}.log\ndhcp-leasefile={tmp_path}/{device}.leases\nuser=root\n"
            path.write_text(conf + own, encoding="ascii")
            running.append(begin(lab, device, "dnsmasq", "-k", "-C", str(path)))
        try:
            logs = [tmp_path / f"{device}.log" for device in confs]
            until = time.monotonic() + 3
            while time.monotonic() < until and not all(path.exists() and "DHCP" in path.read_text() for path in logs):
                time.sleep(0.02)
            script = tmp_path / "script"
            script.write_text("#!/bin/sh\nexit 0\n", encoding="ascii")
            script.chmod(0o755)
            files = ["-pf", f"{tmp_path}/pid", "-lf", f"{tmp_path}/client", "-sf", str(script)]
            client = begin(lab, "p", "timeout", "20", "dhclient", "-v", "-1", *files, "eth0")
            said, _ = client.communicate(timeout=30)
            ended = begin(lab, "p", "timeout", "20", "dhclient", "-x", *files, "eth0")
            ended.communicate(timeout=30)
        finally:
            for process in running:
                process.terminate()
                process.communicate(timeout=5)
        theirs = {device: logged(tmp_path / f"{device}.log") for device in confs}
        lease = (tmp_path / "s.leases").read_text(encoding="ascii").split()
    engine = SimEngine()
    engine.start(network(confs["s"], confs["r"]))
    output = engine.run("p", "dhclient -v -1 eth0")
    assert re.findall(r"DHCP(?:OFFER|ACK) of .*", output.text) == re.findall(r"DHCP(?:OFFER|ACK) of .*", said)
    assert addresses(engine) == [f"{lease[2]}/24"]
    assert once(journal(engine, "r")) == once(theirs["r"])
    named = re.compile(r"(DHCPACK\S* \S+ \S+) \S+$")
    ours = [named.sub(r"\1", line) for line in journal(engine, "s")]
    assert once(ours) == once([named.sub(r"\1", line) for line in theirs["s"]])

"""`--engine kernel` through the command line on a machine without a sandbox, or without Open vSwitch."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from labs.engines.kernel.vlans.way import Way, vlan_way
from tests.engines.kernel.kernel_site import needs_kernel
from tests.engines.kernel.test_vlans import two_floors

pytestmark = needs_kernel

ROOT = Path(__file__).resolve().parents[3]
LAB = "bakery-address-clash"
SANDBOX_MISSING = 5
UNAVAILABLE = 2  # as whatever a machine cannot do; 5 is for a missing sandbox alone
HIDE = 'mount --bind /dev/null {} && exec "$@"'


def netwerf(folder: Path, *words: str, text: str = "", hide: str = "") -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "labs.ui", *words]
    if hide:
        rights = ["--map-root-user"] if os.geteuid() else []
        command = ["unshare", "--mount", *rights, "sh", "-c", HIDE.format(hide), "sh", *command]
    environment = os.environ | {"PYTHONPATH": str(ROOT), "NETWERF_HOME": str(folder / "home"), "NETWERF_LANG": "en"}
    return subprocess.run(
        command, cwd=folder, env=environment, input=text, capture_output=True, text=True, check=False, timeout=300
    )


def test_without_open_vswitch_a_lab_with_vlans_is_refused_with_its_package(tmp_path):
    done = netwerf(tmp_path, "play", "three-floors-one-trunk", "--engine", "kernel", hide="/usr/bin/ovs-vsctl")
    if vlan_way(two_floors()) is Way.KERNEL:
        assert done.returncode == 0
        return
    assert done.returncode == UNAVAILABLE, (done.stdout, done.stderr)
    assert "apt-get install openvswitch-switch" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_without_a_sandbox_nothing_runs_and_the_status_is_five(tmp_path):
    assert netwerf(tmp_path, "play", LAB, "--seed", "7", text="submit\n").returncode == 0
    for words in (("grade", f"{LAB}-7.netwerf"), ("prove", LAB), ("play", LAB)):
        done = netwerf(tmp_path, *words, "--engine", "kernel", hide="/usr/bin/bwrap")
        assert done.returncode == SANDBOX_MISSING, (words, done.stdout, done.stderr)
        assert "apt-get install bubblewrap" in done.stderr
        assert "Traceback" not in done.stderr


def test_several_scenarios_one_that_the_engine_lacks_something_for_is_excluded_by_name(tmp_path):
    done = netwerf(tmp_path, "prove", "thermostat-wrong-time", "batteries-that-die", "--engine", "kernel")
    assert done.returncode == 0
    assert "excluded by capability: the engine kernel has no TLS" in done.stdout
    assert "excluded by capability: the engine kernel has no LoRa" in done.stdout
    assert "2 of 2 scenarios are excluded by capability\n0 of 2 scenarios proved" in done.stdout
    alone = netwerf(tmp_path, "prove", "batteries-that-die", "--engine", "kernel")
    assert (alone.returncode, alone.stderr.startswith("netwerf: the engine kernel has no LoRa")) == (2, True)

"""A device begins with the kernel's own settings, whatever those of the host are."""

from __future__ import annotations

import subprocess
import sys

import pytest

from labs.engines.kernel.device.settings import DEFAULTS, PER_PORT
from labs.net.linux import sysctl
from tests.engines.kernel.kernel_site import needs_kernel, running, two_networks

pytestmark = needs_kernel

STRANGE = {"rp_filter": 1, "send_redirects": 0, "accept_redirects": 0, "arp_ignore": 2, "arp_announce": 1,
           "arp_filter": 1, "proxy_arp": 1, "accept_local": 1, "log_martians": 1, "promote_secondaries": 1,
           "accept_source_route": 1, "shared_media": 0, "secure_redirects": 0, "src_valid_mark": 1}  # fmt: skip
LEAVES = {**PER_PORT, "forwarding": "0"}
SCRIPT = """
import subprocess
from labs.engines.kernel.device.settings import write_defaults
CONF = "/proc/sys/net/ipv4/conf"
for name, value in STRANGE.items():
    for where in ("all", "default", "lo"):
        open(f"{CONF}/{where}/{name}", "w").write(str(value))
open("/proc/sys/net/ipv4/ip_forward", "w").write("1")
if MENDED:
    write_defaults()
subprocess.run("ip link add name eth0 type veth peer name eth1".split(), check=True)
for where in ("all", "eth0"):
    for name in LEAVES:
        print(where, name, open(f"{CONF}/{where}/{name}").read().strip())
"""


def told(*, mended: bool) -> dict[tuple[str, str], str]:
    """The settings of a port that was made in a namespace whose settings are strange, mended or not."""
    script = f"STRANGE, LEAVES, MENDED = {STRANGE!r}, {sorted(LEAVES)!r}, {mended}\n{SCRIPT}"
    done = subprocess.run(
        ["unshare", "--net", sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    return {(words[0], words[1]): words[2] for words in map(str.split, done.stdout.splitlines())}


def test_port_made_after_the_defaults_has_them():
    strange, mended = told(mended=False), told(mended=True)
    for where in ("all", "eth0"):
        for name, value in LEAVES.items():
            assert mended[where, name] == value, (where, name)
    assert {name for name in STRANGE if strange.get(("eth0", name)) not in (None, mended.get(("eth0", name)))}


def test_defaults_are_those_of_the_simulator():
    for leaf, value in sysctl.PER_INTERFACE.items():
        assert leaf == "forwarding" or PER_PORT[leaf] == value
    assert DEFAULTS["ipv4/ip_forward"] == sysctl.DEFAULTS["net.ipv4.ip_forward"]


@pytest.fixture(scope="module")
def lab():
    with running(two_networks()) as engine:
        yield engine


@pytest.mark.parametrize(("device", "port"), [("pc", "eth0"), ("gw", "wan"), ("sw", "p1"), ("sw", "br0")])
def test_every_port_of_a_lab_has_the_defaults(lab, device, port):
    text = lab.run(device, f"cd /proc/sys/net/ipv4/conf/{port} && grep . *").text
    found = dict(line.split(":", 1) for line in text.splitlines())
    assert {name: found[name] for name in PER_PORT} == PER_PORT


def test_settings_after_a_power_cut_are_the_defaults_again(lab):
    lab.run("tv", "sysctl -w net.ipv4.conf.eth0.rp_filter=1 net.ipv4.conf.default.arp_ignore=1")
    lab.run("hands", "power cycle tv")
    assert lab.run("tv", "cat /proc/sys/net/ipv4/conf/eth0/rp_filter /proc/sys/net/ipv4/conf/eth0/arp_ignore").text == (
        "0\n0\n"
    )

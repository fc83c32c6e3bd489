"""What documentation shows is either taken or refused by name; nothing that the real nft takes is "unknown syntax"."""

from __future__ import annotations

import gzip
import shlex
from pathlib import Path

import pytest

from labs.net.linux.node import LinuxNode
from labs.testing import device, run
from tests.net.nftables.features import BASE, features

BY_NAME = "not simulated"
LACKS = {'add rule bridge b input meta ibrname "br0"'}  # refused by the recording kernel for want of a module
DEBIAN = sorted(Path("/usr/share/doc/nftables/examples").glob("*.nft*"))


@pytest.fixture(scope="module")
def gateway() -> LinuxNode:
    node = device("gw", files={"/etc/base.nft": BASE}, ports=("eth0", "eth1", "eth2"))
    assert run(node, "nft -f /etc/base.nft") == ("", 0)
    return node


@pytest.mark.parametrize(("command", "mark"), features().items())
def test_feature_is_taken_or_refused_as_the_real_one_or_by_name(gateway: LinuxNode, command: str, mark: str) -> None:
    answer = run(gateway, f"nft -c {shlex.quote(command)}")
    if BY_NAME in answer.text:
        assert answer.status == 1
    elif command not in LACKS:
        assert (answer.status == 0) == (mark == "+"), answer.text


def test_features_are_mostly_taken(gateway: LinuxNode) -> None:
    """Refusing everything by name would pass the test above."""
    taken = [command for command in features() if run(gateway, f"nft -c {shlex.quote(command)}").status == 0]
    assert len(taken) > 150


@pytest.mark.parametrize("path", DEBIAN, ids=lambda path: path.name)
def test_example_of_debian_loads_or_is_refused_by_name(path: Path) -> None:
    """Skipped by itself where nftables is not installed: there are no examples then."""
    texts = {
        f"/root/{other.name.removesuffix('.gz')}": gzip.decompress(other.read_bytes()).decode()
        if other.suffix == ".gz"
        else other.read_text(encoding="utf-8")
        for other in DEBIAN
    }
    ports = ("eth0", "eth1", "eth2", "eth3", "bond0", "bond1", "wlan0")
    answer = run(device("gw", files=texts, ports=ports), f"nft -c -f {path.name.removesuffix('.gz')}")
    beyond = BY_NAME in answer.text or "Could not process rule" in answer.text  # one deletes a table that is not there
    assert answer.status == 0 or beyond, answer.text

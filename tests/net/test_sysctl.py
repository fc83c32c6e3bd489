"""Kernel settings: names, values, and how `all` and an interface combine."""

from __future__ import annotations

import pytest

from labs.net.filesystem import FileError
from labs.net.linux.sysctl import ProcSys, Sysctl


@pytest.fixture
def sysctl() -> Sysctl:
    return Sysctl("box", lambda: ["lo", "eth0"])


def test_every_name_has_a_value_and_a_file_that_reads_it(sysctl):
    files = ProcSys(sysctl)
    for name, path in zip(sysctl.names(), sorted(files.names(), key=lambda p: p.replace("/", ".")), strict=True):
        assert files.read(path) == f"{sysctl.get(name)}\n"


def test_unknown_name_neither_reads_nor_writes(sysctl):
    assert sysctl.get("net.ipv4.magic") is None
    assert not sysctl.set("net.ipv4.magic", "1")
    assert sysctl.get("net.ipv4.conf.eth9.rp_filter") is None


def test_word_for_a_number_is_refused(sysctl):
    with pytest.raises(FileError, match="Invalid argument"):
        sysctl.set("net.ipv4.ip_forward", "yes")


@pytest.mark.parametrize(("everywhere", "here", "counts"), [("0", "0", 0), ("1", "0", 1), ("0", "2", 2), ("1", "2", 2)])
def test_all_and_interface_the_larger_counts(sysctl, everywhere, here, counts):
    sysctl.set("net.ipv4.conf.all.rp_filter", everywhere)
    sysctl.set("net.ipv4.conf.eth0.rp_filter", here)
    assert sysctl.interface_number("eth0", "rp_filter") == counts


def test_forwarding_of_all_is_ip_forward(sysctl):
    sysctl.set("net.ipv4.conf.all.forwarding", "1")
    assert sysctl.get("net.ipv4.ip_forward") == "1"
    sysctl.set("net.ipv4.ip_forward", "0")
    assert sysctl.get("net.ipv4.conf.all.forwarding") == "0"


def test_every_change_is_told(sysctl):
    told = []
    sysctl.watchers.append(lambda: told.append(1))
    sysctl.set("net.ipv4.ip_forward", "1")
    assert told == [1]


def test_forwarding_of_one_interface_is_its_own_until_all_are_set(sysctl):
    sysctl.set("net.ipv4.conf.eth0.forwarding", "1")
    assert sysctl.get("net.ipv4.ip_forward") == "0"
    assert sysctl.get("net.ipv4.conf.eth0.forwarding") == "1"
    sysctl.set("net.ipv4.ip_forward", "0")
    assert sysctl.get("net.ipv4.conf.eth0.forwarding") == "0"


def test_forwarding_of_one_ip_version_leaves_the_other() -> None:
    """ip_forward sets every IPv4 interface, conf.all.forwarding of IPv6 every IPv6 one."""
    from labs.testing import device, run

    node = device("box")
    run(node, "sysctl -w net.ipv6.conf.all.forwarding=1 net.ipv4.ip_forward=1")
    names = ("net.ipv4.conf.eth0.forwarding", "net.ipv6.conf.eth0.forwarding")
    assert [node.sysctl.get(name) for name in names] == ["1", "1"]
    run(node, "sysctl -w net.ipv4.ip_forward=0")
    assert [node.sysctl.get(name) for name in names] == ["0", "1"]

"""arp_ignore, arp_filter, arp_announce and NOARP: who answers, and in whose name is asked. A kernel is the judge."""

from __future__ import annotations

import pytest

from labs.model.site import Device
from labs.testing import device, run
from tests.kernel_lab import judged
from tests.net.test_kernel_judges import attempts, judge
from tests.sites import machine, site, switch

ASKER = machine("a", {"eth0": "10.0.1.10/24"}, up=["ip route add 10.0.2.0/24 dev eth0"])
LEADS = ["a:eth0 x:p1", "m:e0 x:p2", "m:e1 x:p3"]


def two_ports(*settings: str, second: str = "10.0.2.1/24") -> Device:
    """A machine with two ports in one broadcast domain."""
    return machine("m", {"e0": "10.0.1.1/24", "e1": second}, settings=settings)


@pytest.mark.kernel
@judged()
@pytest.mark.parametrize(
    ("settings", "targets"),
    [
        (["net.ipv4.conf.all.arp_ignore = 1"], ["10.0.1.1", "10.0.2.1"]),
        (["net.ipv4.conf.e0.arp_ignore = 1", "net.ipv4.conf.e1.arp_ignore = 1"], ["10.0.1.1", "10.0.2.1"]),
        (["net.ipv4.conf.all.arp_ignore = 2"], ["10.0.1.1", "10.0.2.1"]),
        (["net.ipv4.conf.all.arp_ignore = 8"], ["10.0.1.1", "10.0.2.1"]),
        (["net.ipv4.conf.all.arp_filter = 1"], ["10.0.1.1", "10.0.2.1"]),
    ],
)
def test_machine_with_two_ports_in_one_lan_answers_as_linux_does(settings: list[str], targets: list[str]) -> None:
    judge(site([ASKER, two_ports(*settings), switch("x", 3)], LEADS), attempts("a", targets))


@pytest.mark.kernel
@judged()
def test_filter_answers_at_the_port_by_which_it_would_go_back() -> None:
    made = site([ASKER, two_ports("net.ipv4.conf.all.arp_filter = 1", second="10.0.1.2/24"), switch("x", 3)], LEADS)
    judge(made, attempts("a", ["10.0.1.2", "10.0.1.1"]))


@pytest.mark.kernel
@judged()
@pytest.mark.parametrize("level", [0, 1, 2])
def test_request_for_a_packet_with_another_source_names_who_the_setting_says(level: int) -> None:
    asker = machine(
        "a",
        {"eth0": "10.0.1.10/24 10.0.9.9/24"},
        up=["ip route add 10.0.1.20/32 dev eth0 src 10.0.9.9"],
        settings=[f"net.ipv4.conf.all.arp_announce = {level}"],
    )
    asked = machine("d", {"eth0": "10.0.1.20/24"}, up=["ip route add 10.0.9.0/24 dev eth0"])
    judge(site([asker, asked], ["a:eth0 d:eth0"]), attempts("a", ["10.0.1.20"]))


@pytest.mark.kernel
@judged()
def test_interface_without_arp_neither_asks_nor_answers() -> None:
    mute = machine("m", {"eth0": "10.0.1.1/24"}, up=["ip link set dev eth0 arp off"])
    judge(site([ASKER, mute], ["a:eth0 m:eth0"]), attempts("a m", ["10.0.1.1", "10.0.1.10"]))


def test_settings_of_links_are_shown_as_ip_shows_them() -> None:
    node = device("m", ports=("eth0",))
    run(node, "ip link set eth0 up; ip link set eth0 alias 'to the shop' promisc on multicast off txqueuelen 5")
    said = run(node, "ip link show eth0").text
    assert said.startswith("2: eth0: <NO-CARRIER,BROADCAST,PROMISC,UP> ")
    assert said.splitlines()[0].endswith("qlen 5")
    assert said.splitlines()[-1] == "    alias to the shop"
    run(node, "ip link set eth0 alias '' promisc off multicast on txqueuelen 1000")
    assert "alias" not in run(node, "ip link show eth0").text

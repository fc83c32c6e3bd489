"""Faults of links between sites hurt where they are meant to, and the tool of a technician shows them."""

from __future__ import annotations

import re

import pytest

from grader.grade import judge
from grader.verdict import Verdict
from labs.engines.sim import SimEngine
from labs.faults import CATALOGUE, paths
from labs.faults.fault import FaultError
from labs.journal import Header
from labs.model.site import Site
from labs.scenario.library import find_scenario
from labs.scenario.variant import draw

SCENARIO = find_scenario("pumping-station-link")
VARIANT = draw(SCENARIO, "0")
HEALTHY = VARIANT.healthy
# A provider that tells who sends too big packets, and tunnels that rely on it
TELLING = HEALTHY.with_device(HEALTHY.devices["provider"].with_file("/etc/nftables.conf", "flush ruleset\n"))
for _end in ("hq", "station"):
    TELLING = CATALOGUE["mtu-too-large"].apply(TELLING, {"on": _end, "mtu": 1476})
FILE = "/etc/network/interfaces"
_station = TELLING.devices["station"]
TELLING = TELLING.with_device(  # both ends of the narrow line know how narrow it is
    _station.with_file(FILE, _station.files[FILE].replace("auto lan", "    up ip link set wan mtu 1400\n\nauto lan"))
)

# The site, parameters, the checks that break, the place and line of a technician, and a word of its answer.
SHOWN = {
    "mtu-too-large": (
        HEALTHY, {"on": "hq", "mtu": 1476}, {"settings-go-down"},
        "pc", "ping -c 1 -W 1 -M do -s 1400 pumps.water.example; echo exit $?", "exit 1",
    ),
    "pmtu-black-hole": (
        TELLING, {"on": "provider"}, {"settings-go-down"},
        "hq", "tracepath -n -m 3 203.0.113.2", "no reply",
    ),
    "nat-overlap": (
        HEALTHY, {"subnet": "sump", "like": "office"}, {"level-arrives", "room-sees-pumps"},
        "station", "journalctl -u networking", "RTNETLINK answers: File exists",
    ),
}  # fmt: skip


def failing(site: Site) -> set[str]:
    grade = judge(VARIANT, Header(SCENARIO.id, SCENARIO.digest, "0"), site=site)
    assert Verdict.ERROR not in {result.verdict for result in grade.results}
    return {result.id for result in grade.results if result.verdict is not Verdict.PASS}


def test_every_fault_of_paths_is_tried() -> None:
    assert set(SHOWN) == {fault.name for fault in paths.FAULTS}


@pytest.mark.parametrize("site", [HEALTHY, TELLING], ids=["as planned", "told of what does not fit"])
def test_link_without_a_fault_is_healthy(site: Site) -> None:
    assert failing(site) == set()


@pytest.mark.parametrize("name", SHOWN)
def test_fault_hurts_where_it_is_meant_to_and_is_seen(name: str) -> None:
    site, parameters, hurt, place, line, word = SHOWN[name]
    broken = CATALOGUE[name].apply(site, parameters)
    assert failing(broken) >= hurt
    engine = SimEngine()
    engine.start(broken)
    assert word in engine.run(place, line).text


@pytest.mark.parametrize(
    ("name", "parameters", "said"),
    [
        ("mtu-too-large", {"on": "pc"}, 'pc has no line "up ip link set … mtu …"'),
        ("mtu-too-large", {"on": "hq", "mtu": 12}, "an MTU of 12 is not between 68 and 9216"),
        ("pmtu-black-hole", {"on": "hq"}, "hq has no /etc/nftables.conf: the fault needs a device with a firewall"),
        ("nat-overlap", {"subnet": "sump", "like": "x"}, 'there is no subnet "x"; subnets: '),
        ("nat-overlap", {"subnet": "sump", "like": "sump"}, "are not two networks of one size"),
    ],
)
def test_fault_that_does_not_fit_says_why(name: str, parameters: dict[str, object], said: str) -> None:
    with pytest.raises(FaultError, match=re.escape(said)):
        CATALOGUE[name].apply(HEALTHY, parameters)


def test_big_packets_that_disappear_are_blamed_on_the_link_that_does_not_take_them() -> None:
    broken = CATALOGUE["mtu-too-large"].apply(HEALTHY, {"on": "hq", "mtu": 1476})
    grade = judge(VARIANT, Header(SCENARIO.id, SCENARIO.digest, "0"), site=broken)
    (found,) = [result for result in grade.results if result.verdict is not Verdict.PASS]
    assert "provider drops it: the packet is larger than the MTU" in str(found.rationale)

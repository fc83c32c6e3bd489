"""What a seed makes of a scenario."""

from __future__ import annotations

import pytest

from labs.model.addresses import InterfaceAddress
from labs.net.ifupdown import parse_interfaces
from labs.scenario.library import load_scenario, parse_scenario, scenario_files
from labs.scenario.scenario import ScenarioError
from labs.scenario.variant import draw

SCENARIOS = scenario_files()
SMALL = """
scenario: small-one
title: Small
module: m1-home
level: 1
minutes: 10
story: A story about ${pc.address}.
site:
  subnets: {lan: {pool: 10.0.0.0/8, size: 24}, out: 203.0.113.0/24}
  devices:
    isp: {kind: internet, at: {out: .1}, services: {listen: {https: "true"}}}
    gw: {kind: router, at: {out: .2, lan: .1}, nat: {from: lan, out: out}}
    pc: {kind: host, at: {lan: .5}}
    tv: {kind: host, at: {lan: .6}}
  links: [[isp, gw], [gw, pc], [gw, tv]]
checks:
  - {id: online, reach: {from: pc, to: isp, service: https}}
faults:
  - host-wrong-gateway: {on: pc}
solution:
  - pc: ip route replace default via ${gw.lan.address}
"""


@pytest.mark.parametrize("path", SCENARIOS, ids=lambda path: path.stem)
def test_same_seed_gives_the_same_site(path) -> None:  # type: ignore[no-untyped-def]
    one, two = (draw(load_scenario(path), "7") for _ in range(2))
    assert one.broken == two.broken
    assert one.healthy == two.healthy


@pytest.mark.parametrize("path", SCENARIOS, ids=lambda path: path.stem)
def test_every_seed_gives_a_site_in_which_addresses_fit_their_subnets(path) -> None:  # type: ignore[no-untyped-def]
    scenario = load_scenario(path)
    for seed in range(30):
        variant = draw(scenario, str(seed))
        networks = list(variant.healthy.subnets.values())
        assert all(not a.overlaps(b) for i, a in enumerate(networks) for b in networks[:i])
        for device in variant.healthy.devices.values():
            for stanza in parse_interfaces(device.files["/etc/network/interfaces"]).stanzas:
                if stanza.method == "static":
                    address = InterfaceAddress.parse(stanza.get("address") or "")
                    assert address.network in networks


@pytest.mark.parametrize("path", SCENARIOS, ids=lambda path: path.stem)
def test_file_is_named_after_its_scenario_and_stands_in_its_module(path) -> None:  # type: ignore[no-untyped-def]
    scenario = load_scenario(path)
    assert path.stem == scenario.id
    assert path.parent.name == scenario.module
    assert scenario.title.nl
    assert scenario.story.nl
    assert scenario.debrief.nl


def test_router_with_several_leads_into_one_subnet_gets_a_bridge() -> None:
    variant = draw(parse_scenario(SMALL), "1")
    interfaces = variant.healthy.devices["gw"].files["/etc/network/interfaces"]
    assert "iface br0 inet static" in interfaces
    assert "bridge_ports eth1 eth2" in interfaces
    assert [str(link) for link in variant.healthy.links] == [
        "isp:eth0 -- gw:eth0",
        "gw:eth1 -- pc:eth0",
        "gw:eth2 -- tv:eth0",
    ]


def test_placeholder_in_a_text_is_the_address_of_the_variant() -> None:
    variant = draw(parse_scenario(SMALL), "1")
    network = variant.healthy.subnets["lan"]
    assert str(variant.text(variant.scenario.story)) == f"A story about {network.host(5)}."
    assert variant.steps(variant.scenario.solution) == [("pc", f"ip route replace default via {network.host(1)}")]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (("[gw, pc]", "[gw, pcc]"), 'there is no device "pcc"; devices: isp, gw, pc, tv; did you mean "pc"?'),
        (("lan: .5", "lan: .1"), "is already the address of gw"),
        (("lan: .5", "lan: .255"), "is the network or broadcast address"),
        (("lan: .5", "lann: .5"), '"lann" is not a subnet'),
        (("host-wrong-gateway: {on: pc}", "host-wrong-gatway: {on: pc}"), 'did you mean "host-wrong-gateway"?'),
        (("host-wrong-gateway: {on: pc}", "host-wrong-gateway: {on: isp}"), "isp has no gateway to get wrong"),
        (("host-wrong-gateway: {on: pc}", "ip-forward-off: {on: pc}"), "pc has no /etc/sysctl.conf"),
        (("${pc.address}", "${pc.adress}"), 'did you mean "pc.address"?'),
        (("to: isp, service: https", "to: ips, service: https"), '"ips" is not a device'),
        (("service: https", "service: htps"), '"htps" is not a service'),
        (("  - pc: ip route", "  - cp: ip route"), '"cp" is not a device (or hands)'),
        (("from: pc, to: isp", "from: pc, too: isp"), 'unknown key "too"'),
    ],
)
def test_wrong_name_is_reported_with_a_near_one(change: tuple[str, str], said: str) -> None:
    assert change[0] in SMALL
    with pytest.raises(ScenarioError) as caught:
        parse_scenario(SMALL.replace(*change), "small.yaml")
    assert said in str(caught.value)
    assert all(line.startswith("small.yaml:") for line in str(caught.value).splitlines())

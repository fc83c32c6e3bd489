"""The way of a packet: the same on the picture, in characters, in words and in the answer of `why`."""

from __future__ import annotations

import pytest

import labs
from labs.lab import Lab
from labs.ui.map import svg_map, text_map, text_twin, way_of
from labs.ui.map_path import Way
from labs.ui.style import Refusal
from labs.ui.words import asked_at, is_word
from tests.small import small


def asked(lab: Lab, place: str, line: str) -> Way:
    lab.run(place, line)
    told = lab.engine.foreseen  # type: ignore[attr-defined]
    assert told is not None
    return way_of(lab.drawing(), told)


@pytest.fixture
def lab() -> Lab:
    return labs.open(small(**{"- host-wrong-gateway: {on: pc}": "- host-wrong-gateway: {on: tv}"}), seed=3)


def test_packet_that_arrives_is_drawn_from_hop_to_hop(lab: Lab) -> None:
    way = asked(lab, "pc", "why 203.0.113.1 tcp 443")
    assert way.hops == ("pc", "gw", "isp")
    assert way.back == ("isp", "gw", "pc")
    assert (way.answered, way.dead) == (True, "")
    assert {end.device for link in way.leads for end in link.ends} == {"pc", "gw", "isp"}


def test_packet_that_the_firewall_stops_dies_there_in_all_three_drawings(lab: Lab) -> None:
    lab.run("gw", "sed -i '/ip saddr/s/.*/tcp dport 443 accept/' /etc/nftables.conf; systemctl restart nftables")
    way = asked(lab, "pc", "why 203.0.113.1 tcp 22")
    assert (way.hops, way.dead, way.dead_back) == (("pc", "gw"), "gw", False)
    assert "policy drop [/etc/nftables.conf:" in str(way.why)
    site = lab.drawing()
    picture = svg_map(site, way=way)
    assert picture.count("the packet dies here") == 1
    assert picture.count('stroke-width="9"') == len(way.leads) + 1  # and the legend
    assert "gw (2, the packet dies here)" in text_map(site, way=way)
    assert "it dies at gw: forward: drop" in text_twin(site, way=way)
    assert "pc (1)" in text_map(site, way=way)
    assert "way of" not in text_map(site) + text_twin(site) + svg_map(site)


def test_answer_that_dies_is_told_apart_from_a_packet_that_dies(lab: Lab) -> None:
    lab.run("isp", "nft add table inet x")
    lab.run("isp", "nft add chain inet x o '{ type filter hook output priority 0; policy drop; }'")
    way = asked(lab, "pc", "why 203.0.113.1 tcp 443")
    assert (way.hops, way.dead, way.dead_back) == (("pc", "gw", "isp"), "isp", True)
    assert "isp (3, the answer dies here)" in text_map(lab.drawing(), way=way)
    assert "het antwoord sterft hier" in text_map(lab.drawing(), way=way, language="nl")


def test_nobody_at_the_gateway_is_a_death_at_the_sender() -> None:
    way = asked(labs.open(small(), seed=3), "pc", "why 203.0.113.1 tcp 443")
    assert (way.hops, way.dead) == (("pc",), "pc")
    assert "nobody answers ARP" in str(way.why)


def test_another_device_may_be_named_as_the_sender(lab: Lab) -> None:
    there = lab.run("pc", "why 203.0.113.1 tcp 443")
    assert lab.run("gw", "why pc 203.0.113.1 tcp 443").text == there.text


@pytest.mark.parametrize("service", ["https", "tcp/443"])
def test_service_may_be_named_as_checks_name_it(lab: Lab, service: str) -> None:
    assert lab.run("pc", f"why 203.0.113.1 {service}").text == lab.run("pc", "why 203.0.113.1 tcp 443").text
    assert asked_at(lab, "pc", ["isp", service]) == ("pc", f"why isp {service}")
    assert asked_at(lab, "gw", ["pc", "isp", service]) == ("pc", f"why isp {service}")


def test_unknown_sender_is_refused_in_one_line(lab: Lab) -> None:
    output = lab.run("pc", "why nobody 203.0.113.1")
    assert output.status == 2
    assert output.text.startswith('why: "nobody" is neither an address of this device nor the name of another')


def test_scenario_may_take_why_away() -> None:
    lab = labs.open(small(**{"minutes: 10": "minutes: 10\nwhy: off"}), seed=3)
    output = lab.run("pc", "why 203.0.113.1")
    assert (output.text, output.status) == ("why: not available in this lab\n", 2)
    assert lab.engine.foreseen is None  # type: ignore[attr-defined]


def test_word_is_typed_at_the_sender_that_it_names(lab: Lab) -> None:
    assert asked_at(lab, "gw", ["pc", "isp", "tcp", "443"]) == ("pc", "why isp tcp 443")
    assert asked_at(lab, "gw", ["isp", "tcp", "443"]) == ("gw", "why isp tcp 443")
    assert asked_at(lab, "gw", ["isp"]) == ("gw", "why isp")
    with pytest.raises(Refusal):
        asked_at(lab, "hands", ["isp"])


def test_pipe_behind_why_belongs_to_the_shell(lab: Lab) -> None:
    assert is_word(lab, "pc", "why isp tcp 443") == "why"
    assert is_word(lab, "pc", "why isp tcp 443 | tail -1") is None

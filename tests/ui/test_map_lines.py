"""The map of sites with radio, buses and analogue lines: each kind is drawn its own way, told, and in the legend."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest

from labs.engines.sim import SimEngine
from labs.model.site import Site
from labs.scenario.library import find_scenario, load_scenario
from labs.scenario.variant import draw
from labs.ui.map import svg_map, text_map, text_twin, way_of
from labs.ui.map_lines import LineKind, lines_of
from tests.ui.test_map import assert_readable, texts_of

FAULTS = Path(__file__).parent.parent / "faults"
SITES = ["wifi_workshop", "radio_workshop", "zigbee_workshop", "cold-store-bus", "greenhouse-current-loop"]
KINDS = [LineKind.WIFI, LineKind.LORA, LineKind.ZIGBEE, LineKind.BUS, LineKind.ANALOGUE]
WORDS = ["Wi-Fi", "LoRa", "Zigbee", "bus", "analogue line"]
DOTTED = 'stroke-dasharray="2 4"'


@cache
def site_of(name: str) -> Site:
    scenario = load_scenario(FAULTS / f"{name}.yaml") if "_" in name else find_scenario(name)
    return draw(scenario, "3").healthy


def words(site: Site) -> list[str]:
    return [text for text, _ in texts_of(svg_map(site))]


@pytest.mark.parametrize(("name", "kind", "word"), list(zip(SITES, KINDS, WORDS, strict=True)))
def test_kind_of_line_is_drawn_and_in_the_legend(name: str, kind: LineKind, word: str) -> None:
    site = site_of(name)
    assert {line.kind for line in lines_of(site)} == {kind}
    assert word in words(site)
    assert svg_map(site).count(f"<title>{word}: ") == len(lines_of(site))
    assert not set(WORDS) - {word} & set(words(site))


@pytest.mark.parametrize("name", SITES)
def test_map_with_lines_is_readable_and_without_loose_devices_that_belong_somewhere(name: str) -> None:
    site = site_of(name)
    for language in ("en", "nl"):
        assert_readable(site, svg_map(site, language=language))
    assert ("not plugged in" in words(site)) is (name == "zigbee_workshop")  # the stranger


@pytest.mark.parametrize("name", SITES[:3])
def test_text_map_and_sentences_tell_who_belongs_to_whom(name: str) -> None:
    site = site_of(name)
    drawn, told = text_map(site), text_twin(site)
    for line, word in ((line, WORDS[KINDS.index(line.kind)]) for line in lines_of(site)):
        near, far = line.link.a.device, line.link.b.device
        assert f"  {far} ╌╌╌ {near} ({word})" in drawn
        assert f"{word} between {near} and {far}" in told
    assert text_map(site, ascii_only=True).isascii()


def test_station_out_of_reach_is_drawn_without_link() -> None:
    engine = SimEngine()
    engine.start(site_of("wifi_workshop"))
    before = engine.observe()
    engine.run("hands", "move tablet yard")
    engine.wait(20 * 10**9)
    after = engine.observe()
    assert (DOTTED in svg_map(before), DOTTED in svg_map(after)) == (False, True)
    assert "tablet ╌╌╌ ap (Wi-Fi, no link)" in text_map(after)
    assert "Wi-Fi between ap and tablet, no link" in text_twin(after)


def test_bus_has_one_head_and_what_lies_behind_a_break_is_dead() -> None:
    site = site_of("cold-store-bus")
    assert words(site).count("ttyS0") == 1
    assert "114 m" in words(site)
    broken = replace(site, buses=(replace(site.buses[0], broken_at_m=200.0),))
    assert [line.link.b.device for line in lines_of(broken) if not line.live] == ["s6", "s7", "s8", "s9", "s10"]


def test_broken_analogue_line_and_device_without_power_are_dead() -> None:
    site = site_of("greenhouse-current-loop")
    loop = site.loops[0]
    assert next(line.live for line in lines_of(site.with_loop(replace(loop, broken=True)))) is False
    off = site.with_device(replace(site.devices[loop.target], powered=False))
    assert not any(line.live for line in lines_of(off) if line.link.a.device == loop.target)


def test_sensor_with_another_key_or_network_is_no_part_of_the_hub() -> None:
    site = site_of("zigbee_workshop")
    alone = site.with_device(site.devices["t1"].with_file("/var/lib/zigbee.json", "{}"))
    assert [line.link.b.device for line in lines_of(alone)] == ["t2"]
    moved = site.devices["hub"].files["/etc/zigbee2mqtt/configuration.yaml"].replace("channel: 15", "channel: 20")
    other = site.with_device(site.devices["hub"].with_file("/etc/zigbee2mqtt/configuration.yaml", moved))
    assert [line.live for line in lines_of(other)] == [False, False]


def test_way_of_a_packet_is_drawn_over_wifi_too() -> None:
    engine = SimEngine()
    engine.start(site_of("wifi_workshop"))
    engine.run("tablet", "why 192.168.10.10")
    assert engine.foreseen is not None
    way = way_of(engine.observe(), engine.foreseen)
    assert {str(link) for link in way.leads} >= {"ap:wlan0 -- tablet:wlan0"}
    assert svg_map(engine.observe(), way=way).count('stroke-width="9"') == len(way.leads) + 1  # and the legend

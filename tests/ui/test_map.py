"""The map: nothing on it overlaps, all its forms say the same, and the same site is drawn the same."""

from __future__ import annotations

import re
from dataclasses import replace
from itertools import combinations
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labs.model.addresses import InterfaceAddress, Mac
from labs.model.site import Endpoint, Kind, Site
from labs.model.state import DeviceState, InterfaceState
from labs.model.text import Text
from labs.ui.map import layout, svg_map, text_map, text_twin
from labs.ui.map_facts import facts_of
from labs.ui.text_width import text_width
from tests.ui.sites import PORTS, campus, device, ring, shop, site

SITES = {"shop": shop(), "ring": ring(), "campus": campus(), "one": site([device("solo")], []), "none": site([], [])}
SVG = "{http://www.w3.org/2000/svg}"
Rectangle = tuple[float, float, float, float]


@pytest.fixture(params=SITES, ids=str)
def drawn(request: pytest.FixtureRequest) -> Site:
    return SITES[request.param]


@st.composite
def sites(draw: st.DrawFn) -> Site:
    """Any devices, any leads between free ports, loops and loose ends included."""
    names = draw(st.lists(st.from_regex(r"[a-z][a-z0-9-]{0,14}", fullmatch=True), min_size=1, max_size=14, unique=True))
    rooms = st.sampled_from(["", "shop", "a-rather-long-room-name"])
    devices = [
        device(
            name,
            str(draw(st.sampled_from(list(Kind)))),
            draw(rooms),
            PORTS[:6],
            {"p1": f"10.0.{draw(st.integers(0, 2))}.{index + 1}/24"},
            on=draw(st.booleans()),
        )
        for index, name in enumerate(names)
    ]
    free = [f"{name}:{port}" for name in names for port in PORTS[:6]]
    chosen = draw(st.lists(st.sampled_from(free), unique=True, max_size=2 * len(names)))
    leads = list(zip(chosen[::2], chosen[1::2], strict=False))
    return site(devices, leads, {"first": "10.0.0.0/24", "second": "10.0.1.0/24"})


def texts_of(svg: str) -> list[tuple[str, Rectangle]]:
    """Every text with the rectangle it may fill."""
    found: list[tuple[str, Rectangle]] = []

    def walk(node: ET.Element, x: float, y: float) -> None:
        moved = re.fullmatch(r"translate\(([-\d.]+) ([-\d.]+)\)", node.get("transform", ""))
        if moved:
            x, y = x + float(moved[1]), y + float(moved[2])
        if node.tag == f"{SVG}text":
            size = float(node.get("font-size", "0"))
            text = node.text or ""
            width = text_width(text, size, bold=node.get("font-weight") is not None)
            shift = {"middle": width / 2, "end": width}.get(node.get("text-anchor", ""), 0.0)
            left, base = x + float(node.get("x", "0")) - shift, y + float(node.get("y", "0"))
            found.append((text, (left, base - 0.72 * size, left + width, base + 0.22 * size)))
        for child in node:
            walk(child, x, y)

    walk(ET.fromstring(svg), 0, 0)
    return found


def overlap(one: Rectangle, other: Rectangle) -> bool:
    across, down = (min(one[i + 2], other[i + 2]) - max(one[i], other[i]) for i in (0, 1))
    return across > 0.2 and down > 0.2


def assert_readable(drawn: Site, svg: str) -> None:
    found = texts_of(svg)
    assert [(a[0], b[0]) for a, b in combinations(found, 2) if overlap(a[1], b[1])] == []
    width, height = (float(part) for part in re.search(r'viewBox="0 0 ([\d.]+) ([\d.]+)"', svg).groups())
    outside = [text for text, box in found if box[0] < 0 or box[1] < 0 or box[2] > width or box[3] > height]
    assert outside == []
    boxes = [(b.x, b.y, b.x + b.width, b.y + b.height) for b in layout(drawn).boxes.values()]
    assert not any(overlap(a, b) for a, b in combinations(boxes, 2))


def test_map_of_any_size_has_no_overlapping_texts(drawn: Site) -> None:
    verdicts = dict(zip(drawn.devices, ["pass", "fail", "blocked"] * 20, strict=False))
    for language in ("en", "nl"):
        assert_readable(drawn, svg_map(drawn, verdicts=verdicts, language=language))
        assert_readable(drawn, svg_map(drawn, addresses=False, language=language))


@settings(max_examples=150)
@given(sites())
def test_any_site_is_drawn_without_overlaps_and_told_whole(drawn: Site) -> None:
    assert_readable(drawn, svg_map(drawn))
    told, drawing = text_twin(drawn), text_map(drawn)
    for name in drawn.devices:
        assert re.search(rf"^{name}: ", told, re.MULTILINE)
        assert re.search(rf"(?<![a-z0-9-]){name}(?![a-z0-9-])", drawing)
    for link in drawn.links:
        assert f"a lead from {link.a} to {link.b}" in told


def test_map_names_every_device_and_address(drawn: Site) -> None:
    texts = [text for text, _ in texts_of(svg_map(drawn))]
    for name, owned in facts_of(drawn).addresses.items():
        assert name in texts
        assert [str(one.address) for one in owned if one.address and str(one.address) not in texts] == []


def test_same_site_is_drawn_the_same(drawn: Site) -> None:
    assert svg_map(drawn) == svg_map(drawn)
    assert text_map(drawn) == text_map(drawn)


def test_map_needs_nothing_from_elsewhere(drawn: Site) -> None:
    """No scripts, no style sheets, no fonts, no links."""
    svg = svg_map(drawn)
    for word in ("<script", "<style", "href", "url(", "@import", "<foreignObject"):
        assert word not in svg


def test_internet_stands_left_and_switch_between(drawn: Site) -> None:
    boxes = layout(drawn).boxes
    for link in drawn.links:
        columns = [boxes[end.device].column for end in link.ends]
        assert abs(columns[0] - columns[1]) <= 1
    if "internet" in boxes:
        assert boxes["internet"].x == min(box.x for box in boxes.values())
        assert boxes["internet"].x < boxes["gw"].x


def test_leads_of_a_switch_run_straight() -> None:
    drawn = shop()
    plan = layout(drawn)
    straight = [lead for lead in plan.leads if lead.a[1] == lead.b[1]]
    assert len(straight) == len(drawn.links)


def test_device_without_power_is_shown_in_three_ways() -> None:
    """A word, a mark and a dashed frame; and its lead has no link."""
    svg = svg_map(shop())
    assert ">off<" in svg
    assert 'stroke-dasharray="4 3"' in svg
    assert ">no link<" in svg
    assert "printer (off)" in text_map(shop())
    assert re.search(r"^printer: .*, off", text_twin(shop()), re.MULTILINE)


def test_device_without_lead_stands_apart() -> None:
    drawn = shop()
    assert layout(drawn).loose == ("thermometer",)
    assert "not plugged in" in svg_map(drawn)
    assert "not plugged in:\n  thermometer" in text_map(drawn)
    assert re.search(r"^thermometer: .*, no lead", text_twin(drawn), re.MULTILINE)


def test_empty_port_of_a_router_is_named() -> None:
    assert "empty: eth2" in svg_map(shop())
    assert "empty: eth2" in text_twin(shop())


def test_verdict_has_a_mark_and_a_word() -> None:
    svg = svg_map(shop(), verdicts={"till": "fail", "gw": "pass", "laptop": "blocked"})
    assert {"fails", "in order", "not judged"} <= {text for text, _ in texts_of(svg)}
    told = text_twin(shop(), verdicts={"till": "fail"})
    assert re.search(r"^till: .*, fails$", told, re.MULTILINE)


def test_names_of_an_author_cannot_break_the_picture() -> None:
    drawn = shop()
    nasty = replace(drawn.devices["till"], purpose=Text('<script>"&'), room="a<b")
    ET.fromstring(svg_map(drawn.with_device(nasty)))
    assert "<script" not in svg_map(drawn.with_device(nasty))


def test_map_without_addresses_tells_none() -> None:
    drawn = shop()
    for form in (svg_map(drawn, addresses=False), text_map(drawn, addresses=False), text_twin(drawn, addresses=False)):
        assert "192.168.62.30" not in form
        assert "192.168.62.0/24" in form


def test_observed_state_goes_before_the_files() -> None:
    drawn = shop()
    interface = InterfaceState(
        "eth0", 2, "ether", Mac(1), up=True, carrier=False, addresses=(InterfaceAddress.parse("192.168.62.99/24"),)
    )
    till = replace(drawn.devices["till"], state=DeviceState((interface,)))
    seen = drawn.with_device(till)
    assert "192.168.62.99/24" in svg_map(seen)
    assert "192.168.62.30/24" not in svg_map(seen)
    assert "a lead from sw:p2 to till:eth0, subnet shop, no link" in text_twin(seen)


def test_lead_belongs_to_the_subnet_of_its_segment() -> None:
    facts = facts_of(shop())
    assert facts.subnet_at[Endpoint("internet", "eth0")] == "isp"
    assert facts.subnet_at[Endpoint("laptop", "eth0")] == "shop"
    assert facts.letters == {"shop": "A", "isp": "B"}


def test_text_map_of_the_shop() -> None:
    assert text_map(shop()) == (
        "internet ─── gw ─── sw ─┬─ till            shop     192.168.62.30/24\n"
        "                        ├─ printer (off)   shop     192.168.62.41/24\n"
        "                        └─ laptop          office   by DHCP\n"
        "\n"
        "internet   street   203.0.113.1/24\n"
        "gw         office   203.0.113.2/24  192.168.62.1/24\n"
        "sw         office\n"
        "\n"
        "not plugged in:\n"
        "  thermometer   cellar   10.9.9.9/24\n"
        "\n"
        "subnet shop   192.168.62.0/24\n"
        "subnet isp    203.0.113.0/24\n"
    )


def test_text_map_of_a_ring_lists_what_closes_it() -> None:
    drawing = text_map(ring())
    assert "leads that close a loop:\n  sw3:p2 ─── sw1:p2\n  sw1:p3 ─── sw2:p3\n  sw1:p4 ─── sw1:p5\n" in drawing


def test_narrow_terminal_gets_the_drawing_downwards() -> None:
    drawing = text_map(ring(), width=30)
    assert drawing.startswith("r1                  10.0.1.1/24  10.0.9.1/30\n├─ sw2\n│  ├─ sw1\n│  └─ sw3\n│     └─ h1")


def test_ascii_map_is_ascii(drawn: Site) -> None:
    assert text_map(drawn, ascii_only=True).isascii()


@pytest.mark.parametrize("name", ["shop", "ring", "campus"])
def test_maps_are_as_they_were_looked_at(name: str, golden) -> None:
    """Whoever changes a drawing looks at it before the new one is kept."""
    golden(f"ui/map-{name}.svg", svg_map(SITES[name], verdicts={"till": "fail", "gw": "pass", "h1": "blocked"}))
    golden(f"ui/map-{name}.txt", text_map(SITES[name]) + "\n" + text_twin(SITES[name]))

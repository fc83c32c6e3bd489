"""What shows a verdict is data: it is said in the language of the reader, and what a device says stays as it is."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from xml.etree.ElementTree import fromstring

import pytest

from grader.evidence import PHRASES, Evidence, Quoted, Row, path_of, told, way_of
from grader.grade import judge
from grader.reach.brokers import Admission, Speech
from grader.report.as_json import as_json
from grader.report.as_junit import as_junit
from grader.report.as_text import grade_lines
from grader.report.evidence import evidence_lines
from grader.verdict import Grade
from labs.engines.base import Disposition, Hop, Observation, Probe
from labs.journal import Header
from labs.messages import Message, message, translate
from labs.model.addresses import IPv4
from labs.net.actions import Accepted, Delivered, Dropped, DropReason, Forwarded
from labs.net.foresight import Event, PacketForm, Step
from labs.net.ipv4 import PROTO_TCP, Ipv4Packet
from labs.net.said import Ground, said
from labs.net.udp import UdpDatagram
from labs.scenario.library import find_scenario
from labs.scenario.variant import draw
from labs.ui import html
from labs.ui.style import Screen

FIELD = re.compile(r"\{\w+\}")
WORD = re.compile(r"[^\W\d]+(?:[-_.][^\W\d]+)*")
ALL = [phrase for phrases in (*PHRASES, Speech) for phrase in phrases]
# Words of the tools, of the RFCs, and those that Dutch has too: nothing else may be the same in both languages.
SHARED = frozenset(
    "TLS SSH ARP TTL MTU VLAN accept bridge checksum connection tracking endpoint frame frames fragment firewall hop "
    "in interface ip ip_forward is limit link-local martian neighbour advertisement solicitation peer policy protocol "
    "route rp_filter station switches tunnel bytes".split()
)
ROUTE = "default via 10.0.0.254 dev eth0"
A, B = IPv4.parse("10.0.0.1"), IPv4.parse("10.9.0.2")
PACKET = Ipv4Packet(A, B, PROTO_TCP, UdpDatagram(40000, 80))


def words(text: str) -> set[str]:
    return set(WORD.findall(FIELD.sub("", text)))


def untranslated(text: Message) -> Iterator[str]:
    """Every template in a message that reads the same in Dutch and has a word that Dutch does not have."""
    dutch = translate(text.template, "nl")
    if dutch == text.template and not words(dutch) <= SHARED:
        yield text.template
    for value in text.values.values():
        if isinstance(value, Message):
            yield from untranslated(value)


def leaves(evidence: Evidence) -> Iterator[Message]:
    for part in (evidence.what, evidence.by) if isinstance(evidence, Row) else (evidence,):
        if isinstance(part, Message):
            yield part


def observed(*notes: tuple[str, object]) -> Observation:
    hops = tuple(Hop(device, 0, note) for device, note in notes)  # type: ignore[arg-type]
    return Observation(Probe("a", "b"), Disposition.TIMED_OUT, str(B), hops=hops)


WAY = observed(
    ("a", Accepted(PACKET, "eth0", ROUTE)),
    ("gw", Forwarded(PACKET, "lan", "wan", IPv4.parse("10.5.0.1"), "10.9.0.0/24 via 10.5.0.1 dev wan")),
    ("b", Dropped(DropReason.NO_LISTENER, "eth0", None, PACKET)),
)


@pytest.fixture(scope="module")
def broken() -> Grade:
    scenario = find_scenario("bakery-address-clash")
    return judge(draw(scenario, "3"), Header(scenario.id, scenario.digest, "3"))


@pytest.fixture(scope="module")
def open_wide() -> Grade:
    scenario = find_scenario("tasting-room-guests")
    return judge(draw(scenario, "3"), Header(scenario.id, scenario.digest, "3"))


# Every phrase


@pytest.mark.parametrize("phrase", ALL, ids=lambda phrase: f"{type(phrase).__name__}.{phrase.name}")
def test_phrase_leaves_no_english_word_in_dutch(phrase: Event) -> None:
    dutch = translate(phrase.value, "nl")
    assert words(phrase.value) & words(dutch) <= SHARED
    assert sorted(FIELD.findall(dutch)) == sorted(FIELD.findall(phrase.value))


@pytest.mark.parametrize("phrase", [*Event, *PacketForm, *Ground], ids=lambda phrase: phrase.name)
def test_phrase_is_said_with_its_values_in_both_languages(phrase: Event) -> None:
    names = [field[1:-1] for field in FIELD.findall(phrase.value)]
    whole = said(phrase, **{name: f"<{name}>" for name in names})
    english, dutch = str(told(whole)), told(whole).in_language("nl")
    assert str(whole) == english
    for name in names:
        assert f"<{name}>" in dutch
    assert words(re.sub(r"<\w+>", "", dutch)) & words(phrase.value) <= SHARED


def test_phrase_within_a_phrase_is_said_in_the_same_language() -> None:
    inner = said(PacketForm.FRAGMENT, source=said(PacketForm.NO_ADDRESS), target="10.0.0.2")
    outer = told(said(PacketForm.AROUND, protocol="gre", source="10.0.0.9", target="10.0.0.8", packet=inner))
    assert outer.in_language("nl") == "gre 10.0.0.9 -> 10.0.0.8, met daarin (geen adres) -> 10.0.0.2, een fragment"
    assert told(said(Event.DIES, reason=DropReason.TTL_EXCEEDED)).in_language("nl") == "sterft: de TTL is op"


# Where it is built


def test_way_of_a_real_packet_is_told_in_both_languages_and_routes_stay() -> None:
    assert [str(row) for row in path_of(WAY)] == [
        f"a: leaves by eth0   [route {ROUTE}]",
        "gw: is forwarded from lan to wan, to 10.5.0.1   [route 10.9.0.0/24 via 10.5.0.1 dev wan]",
        "b: dies: nothing listens on tcp port 80",
    ]
    assert [row.in_language("nl") for row in path_of(WAY)] == [
        f"a: vertrekt via eth0   [route {ROUTE}]",
        "gw: wordt doorgestuurd van lan naar wan, naar 10.5.0.1   [route 10.9.0.0/24 via 10.5.0.1 dev wan]",
        "b: sterft: niets luistert op tcp-poort 80",
    ]


def test_packet_that_is_sent_again_is_told_once_and_nothing_behind_its_arrival() -> None:
    sent = ("a", Accepted(PACKET, "eth0", ""))
    seen = observed(sent, sent, ("b", Delivered(PACKET, "eth0")), ("b", Accepted(PACKET, "eth0", "")))
    assert [str(row) for row in path_of(seen)] == ["a: leaves by eth0", "b: arrives by eth0"]


def test_rule_of_a_device_stays_and_a_reason_of_ours_is_translated() -> None:
    ruled = Dropped(DropReason.POLICY, "lan", None, PACKET, "inet filter forward: policy drop")
    blocked = Dropped(DropReason.TUNNEL, "wg0", None, PACKET, said(Ground.NO_PEER, interface="wg0"))
    (rule,), (peer,) = path_of(observed(("gw", ruled))), path_of(observed(("gw", blocked)))
    assert rule.in_language("nl").endswith("[inet filter forward: policy drop]")
    assert peer.in_language("nl").endswith("[wg0: geen enkele peer mag dit adres hebben]")


def test_packet_is_told_again_only_where_it_is_another() -> None:
    def packet(target: str) -> object:
        return said(PacketForm.DATAGRAM, protocol="udp", source="10.0.0.1:5", target=target)

    steps = [
        Step("a", said(Event.PACKET, packet=packet("x"))),
        Step("gw", said(Event.PACKET, packet=packet("x"))),
        Step("gw", said(Event.BECOMES, hook="prerouting", packet=packet("y"))),
        Step("b", said(Event.PACKET, packet=packet("y"))),
        Step("c", said(Event.PACKET, packet=packet("z"))),
        Step("c", said(Event.PACKET, packet=packet("back")), back=True),
    ]
    assert [str(line) for line in way_of(steps)] == [
        "udp 10.0.0.1:5 -> x",
        "gw: prerouting: becomes udp 10.0.0.1:5 -> y",
        "c: udp 10.0.0.1:5 -> z",
    ]


def test_what_a_broker_says_is_shown_with_its_line() -> None:
    refused = Admission(holds=False, because=message("{user} is unknown", user="eve"), where="/etc/passwords")
    assert refused.evidence.in_language("nl") == "eve is onbekend   [/etc/passwords]"
    assert Admission(holds=True, because=Speech.PLAIN).evidence.in_language("nl") == "de poort spreekt onversleuteld"


@pytest.mark.parametrize("which", ["broken", "open_wide"])
def test_evidence_of_a_real_grade_has_a_translation_of_all_that_is_ours(
    which: str, request: pytest.FixtureRequest
) -> None:
    grade: Grade = request.getfixturevalue(which)
    shown = [one for result in grade.results for one in result.evidence]
    assert len(shown) > 3
    assert [text for one in shown for leaf in leaves(one) for text in untranslated(leaf)] == []


# Where it is shown


def test_columns_stand_below_each_other_and_a_device_is_named_once() -> None:
    rows = [
        Row("a", message("leaves by {interface}", interface="eth0"), Quoted(ROUTE), "/etc/network/interfaces:7"),
        Row("gw", Quoted("forward: accept")),
        Row("gw", Quoted("out")),
    ]
    assert evidence_lines([Quoted("tcp x -> y"), *rows], "nl") == [
        "tcp x -> y",
        f"a   vertrekt via eth0  {ROUTE}  /etc/network/interfaces:7",
        "gw  forward: accept",
        "    out",
    ]


@pytest.mark.parametrize("width", [60, 80, 120])
@pytest.mark.parametrize("language", ["en", "nl"])
def test_evidence_fits_the_screen(open_wide: Grade, width: int, language: str) -> None:
    shown = [line for result in open_wide.results for line in evidence_lines(result.evidence, language, width)]
    assert max(map(len, shown)) <= width
    assert any("/etc/nftables.conf:15" in line for line in shown)


def test_packet_that_gets_through_is_written_once(open_wide: Grade) -> None:
    result = next(result for result in open_wide.results if result.kind == "policy")
    lines = evidence_lines(result.evidence, "en")
    assert [line.startswith("tcp ") for line in lines] == [True] + [False] * (len(lines) - 1)
    assert sum("-> 10.1.184.10:22" in line for line in lines) == 1


def test_every_report_for_people_speaks_dutch(broken: Grade) -> None:
    page = html.grade(broken, Screen("nl")).html
    for text in ("\n".join(grade_lines(broken, "nl")), as_junit([("x", broken)], "nl"), page):
        assert "vertrekt via eth0" in text
        assert "niemand antwoordt op ARP voor" in text
        assert "leaves by" not in text


def test_page_has_a_table_with_heads_and_each_device_once(broken: Grade) -> None:
    page = html.grade(broken, Screen("en")).html
    found = re.search(r"<table(?:(?!<table).)*?leaves by eth0.*?</table>", page)
    assert found is not None
    table = fromstring(found[0])
    assert [head.text for head in table.findall("./thead/tr/th")] == ["device", "what was seen", "decided by"]
    assert [(head.text, head.get("rowspan")) for head in table.findall("./tbody/tr/th")] == [("till", "2")]


def test_json_has_one_english_line_for_each_thing_that_happened(broken: Grade) -> None:
    whole = json.loads(as_json([("x", broken)]))
    lines = next(one for one in whole["results"] if one["id"] == "till-gets-out")["evidence"]
    assert lines[0].startswith("till: leaves by eth0   [route default via ")
    assert lines[1].startswith("till: dies: nobody answers ARP for ")
    assert as_json([("x", broken)], language="nl") == as_json([("x", broken)])


def test_check_that_waits_names_the_other_by_its_title_and_json_by_its_name(broken: Grade) -> None:
    waiting = next(result for result in broken.results if result.needs)
    assert waiting.id == "nothing-open"
    assert 'needs "the terminal pays"' in str(waiting.rationale)
    assert '"de terminal betaalt"' in waiting.rationale.in_language("nl")
    assert "terminal-pays" not in str(waiting.rationale)
    whole = json.loads(as_json([("x", broken)]))
    assert next(one for one in whole["results"] if one["id"] == "nothing-open")["needs"][0] == "terminal-pays"

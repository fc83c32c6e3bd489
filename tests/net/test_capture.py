"""The filter language of tcpdump, and the lines it prints."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labs.model.addresses import IPv4, Mac
from labs.net import icmp, tcp
from labs.net.arp import REQUEST, ArpPacket
from labs.net.capture.filter import FilterError, compile_filter
from labs.net.capture.lines import LineStyle, Printer
from labs.net.ethernet import BROADCAST, ETHERTYPE_ARP, ETHERTYPE_IPV4, Frame
from labs.net.icmp import IcmpMessage
from labs.net.ipv4 import PROTO_ICMP, PROTO_TCP, PROTO_UDP, Ipv4Packet
from labs.net.tcp import TcpSegment
from labs.net.udp import UdpDatagram

A, B = IPv4.parse("10.0.0.1"), IPv4.parse("10.0.0.2")
MAC_A, MAC_B = Mac(0x02_00_00_00_00_01), Mac(0x02_00_00_00_00_02)


def ip(protocol: int, payload: object, *, source: IPv4 = A, target: IPv4 = B, vlan: int | None = None) -> Frame:
    packet = Ipv4Packet(source, target, protocol, payload)  # type: ignore[arg-type]
    return Frame(MAC_B, MAC_A, ETHERTYPE_IPV4, packet, vlan=vlan)


FRAMES = {
    "arp": Frame(BROADCAST, MAC_A, ETHERTYPE_ARP, ArpPacket(REQUEST, MAC_A, A, Mac(0), B)),
    "ping": ip(PROTO_ICMP, IcmpMessage(icmp.ECHO_REQUEST, 0, 7, 1, bytes(56))),
    "http": ip(PROTO_TCP, TcpSegment(40000, 80, 1, 0, tcp.SYN)),
    "answer": ip(PROTO_TCP, TcpSegment(80, 40000, 9, 2, tcp.SYN | tcp.ACK), source=B, target=A),
    "ntp": ip(PROTO_UDP, UdpDatagram(123, 123, b"x")),
    "far": ip(PROTO_UDP, UdpDatagram(5000, 53, b""), target=IPv4.parse("192.168.7.9"), vlan=20),
}


@pytest.mark.parametrize(
    ("text", "matches"),
    [
        ("", "arp ping http answer ntp far"),
        ("arp", "arp"),
        ("icmp", "ping"),
        ("ip", "ping http answer ntp far"),
        ("tcp port 80", "http answer"),
        ("tcp dst port http", "http"),
        ("src port 80", "answer"),
        ("port 53", "far"),
        ("portrange 80-123", "http answer ntp"),
        ("udp and not port 53", "ntp"),
        ("! tcp && ! udp", "arp ping"),
        ("host 10.0.0.2", "arp ping http answer ntp"),
        ("src 10.0.0.2", "answer"),
        ("dst host 10.0.0.2 and tcp", "http"),
        ("net 192.168.0.0/16", "far"),
        ("net 10", "arp ping http answer ntp far"),
        ("src net 10 and dst net 192.168", "far"),
        ("ether broadcast", "arp"),
        ("broadcast", "arp"),
        ("ether src 02:00:00:00:00:01", "arp ping http answer ntp far"),
        ("ether host 02:00:00:00:00:09", ""),
        ("vlan 20", "far"),
        ("vlan 20 and udp", "far"),
        ("arp or icmp and host 10.0.0.1", "arp ping"),
        ("tcp or (udp and port 123)", "http answer ntp"),
        ("host 10.0.0.1 and port 80 or 123", "http answer ntp"),
        ("ip proto 1", "ping"),
        ("ether proto 0x0806", "arp"),
        ("src or dst host 192.168.7.9", "far"),
        ("greater 90", "ping"),
    ],
)
def test_filter_lets_pass_what_it_names(text: str, matches: str) -> None:
    accepts, _ = compile_filter(text)
    assert [name for name, frame in FRAMES.items() if accepts(frame)] == matches.split()


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("foo", "can't parse filter expression: syntax error"),
        ("port", "can't parse filter expression: syntax error"),
        ("(tcp", "can't parse filter expression: syntax error"),
        ("port http and", "can't parse filter expression: syntax error"),
        ("port 70000", "illegal port number 70000 > 65535"),
        ("net 10.0.0.0/33", "mask length must be <= 32"),
        ("net 10.0.0.1/24", 'non-network bits set in "10.0.0.1/24"'),
        ("ether host 1", "illegal link layer address"),
        ("foo[13] = 2", '"foo[" in a filter is not simulated here'),
    ],
)
def test_filter_that_makes_no_sense_is_refused_in_tcpdump_words(text: str, complaint: str) -> None:
    with pytest.raises(FilterError) as caught:
        compile_filter(text)
    assert str(caught.value) == complaint


@given(
    st.lists(st.sampled_from("tcp udp and or not ( ) host port net src dst 80 10.0.0.1 arp ! vlan ether 1/2".split()))
)
def test_any_row_of_words_is_a_filter_or_refused(words: list[str]) -> None:
    try:
        accepts, _ = compile_filter(" ".join(words))
    except FilterError:
        return
    for frame in FRAMES.values():
        accepts(frame)


def test_name_in_a_filter_counts_once_it_is_known() -> None:
    addresses: dict[str, IPv4] = {}
    accepts, names = compile_filter("host cam", addresses)
    assert names == {"cam"}
    addresses["cam"] = B
    assert accepts(FRAMES["ping"])


@pytest.mark.parametrize(
    ("frame", "style", "line"),
    [
        ("arp", LineStyle(), "ARP, Request who-has 10.0.0.2 tell 10.0.0.1, length 28"),
        ("ping", LineStyle(), "IP 10.0.0.1 > 10.0.0.2: ICMP echo request, id 7, seq 1, length 64"),
        ("http", LineStyle(), "IP 10.0.0.1.40000 > 10.0.0.2.80: Flags [S], seq 1, win 64240, length 0"),
        ("http", LineStyle(numeric=False), "IP 10.0.0.1.40000 > 10.0.0.2.http: Flags [S], seq 1, win 64240, length 0"),
        ("http", LineStyle(quick=True), "IP 10.0.0.1.40000 > 10.0.0.2.80: tcp 0"),
        ("ntp", LineStyle(), "IP 10.0.0.1.123 > 10.0.0.2.123: UDP, length 1"),
        (
            "far",
            LineStyle(link=True),
            (
                "02:00:00:00:00:01 > 02:00:00:00:00:02, ethertype 802.1Q (0x8100), length 46: vlan 20, p 0, "
                "ethertype IPv4 (0x0800), 10.0.0.1.5000 > 192.168.7.9.53: UDP, length 0"
            ),
        ),
        (
            "ping",
            LineStyle(verbose=1),
            (
                "IP (tos 0x0, ttl 64, id 0, offset 0, flags [none], proto ICMP (1), length 84)\n"
                "    10.0.0.1 > 10.0.0.2: ICMP echo request, id 7, seq 1, length 64"
            ),
        ),
    ],
)
def test_frame_is_one_line_of_tcpdump(frame: str, style: LineStyle, line: str) -> None:
    assert Printer(style).text(FRAMES[frame]) == line


def test_sequence_numbers_are_relative_after_the_handshake() -> None:
    printer = Printer()
    printer.text(FRAMES["http"])
    assert "Flags [S.], seq 9, ack 2, win 64240" in printer.text(FRAMES["answer"])
    data = ip(PROTO_TCP, TcpSegment(40000, 80, 2, 10, tcp.PSH | tcp.ACK, b"GET / HTTP/1.1\r\n\r\n"))
    assert printer.text(data).endswith("Flags [P.], seq 1:19, ack 1, win 64240, length 18: HTTP: GET / HTTP/1.1")


def test_icmp_error_names_what_could_not_be_reached() -> None:
    original = Ipv4Packet(A, B, PROTO_UDP, UdpDatagram(5000, 53, b""))
    frame = ip(
        PROTO_ICMP, IcmpMessage(icmp.DEST_UNREACHABLE, icmp.PORT_UNREACHABLE, original=original), source=B, target=A
    )
    assert Printer().text(frame) == "IP 10.0.0.2 > 10.0.0.1: ICMP 10.0.0.2 udp port 53 unreachable, length 36"

"""Frames as bytes: what is encoded comes back, and Wireshark agrees with what it means."""

from __future__ import annotations

import shutil
import subprocess
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import labs
from labs.model.addresses import IPv4, Mac
from labs.net import icmp, pcap, tcp
from labs.net.arp import ArpPacket
from labs.net.ethernet import ETHERTYPE_ARP, ETHERTYPE_IPV4, Frame
from labs.net.icmp import IcmpMessage
from labs.net.ipv4 import PROTO_ICMP, PROTO_TCP, PROTO_UDP, Ipv4Packet
from labs.net.tcp import TcpSegment
from labs.net.udp import UdpDatagram
from labs.net.wire import WireError, checksum, decode, encode

macs = st.integers(0, (1 << 48) - 1).map(Mac)
ips = st.integers(0, (1 << 32) - 1).map(IPv4)
words = st.integers(0, 0xFFFF)
longs = st.integers(0, 0xFFFFFFFF)
datagrams = st.builds(UdpDatagram, words, words, st.binary(max_size=200))


def as_sent(segment: TcpSegment) -> TcpSegment:
    """A reset goes bare, and the MSS is offered with SYN alone."""
    if segment.flags & tcp.RST:
        return segment._replace(data=b"", mss=0)
    return segment if segment.flags & tcp.SYN else segment._replace(mss=0)


segments = st.builds(
    TcpSegment, words, words, longs, longs, st.integers(0, 63), st.binary(max_size=200), words, words
).map(as_sent)
echoes = st.builds(IcmpMessage, st.sampled_from([0, 8]), st.just(0), words, words, st.binary(max_size=100))


def packets(payload: st.SearchStrategy[object], protocol: int) -> st.SearchStrategy[Ipv4Packet]:
    return st.builds(
        Ipv4Packet, ips, ips, st.just(protocol), payload, st.integers(0, 255), words, st.booleans(), st.integers(0, 255)
    )


simple = st.one_of(packets(datagrams, PROTO_UDP), packets(segments, PROTO_TCP), packets(echoes, PROTO_ICMP))
errors = packets(
    st.builds(lambda kind, code, original: IcmpMessage(kind, code, original=original), st.sampled_from([3, 11]),
              st.integers(0, 3), simple), PROTO_ICMP,
)  # fmt: skip
arps = st.builds(ArpPacket, st.sampled_from([1, 2]), macs, ips, macs, ips)
frames = st.one_of(
    st.builds(Frame, macs, macs, st.just(ETHERTYPE_IPV4), st.one_of(simple, errors), st.none() | st.integers(0, 4094)),
    st.builds(Frame, macs, macs, st.just(ETHERTYPE_ARP), arps, st.none() | st.integers(0, 4094)),
)


@given(frames)
def test_frame_comes_back_as_it_went(frame: Frame) -> None:
    data = encode(frame)
    assert decode(data) == frame
    assert len(data) == frame.length


@given(simple)
def test_header_sums_to_zero_with_its_checksum(packet: Ipv4Packet) -> None:
    data = encode(Frame(Mac(1), Mac(2), ETHERTYPE_IPV4, packet))
    assert checksum(data[14:34]) == 0


@given(st.binary(max_size=80))
def test_any_bytes_are_a_frame_or_refused(data: bytes) -> None:
    with suppress(WireError):
        decode(data)


@given(st.lists(st.tuples(st.integers(0, 1 << 50), frames), max_size=5))
def test_capture_file_comes_back_as_it_went(captured: list[tuple[int, Frame]]) -> None:
    captured = [(at % (1 << 32) * 1_000_000 + at % 1_000_000, frame) for at, frame in captured]
    assert list(pcap.read(pcap.write(captured))) == captured


def test_text_is_not_a_capture_file() -> None:
    with pytest.raises(pcap.PcapError, match="unknown file format"):
        list(pcap.read("hello"))
    assert pcap.file_bytes("21 °C\n") == "21 °C\n".encode()


def test_error_is_told_by_its_packet() -> None:
    asked = Ipv4Packet(IPv4(1), IPv4(2), PROTO_UDP, UdpDatagram(5, 6, b"x" * 900))
    error = IcmpMessage(icmp.DEST_UNREACHABLE, icmp.PORT_UNREACHABLE, original=asked)
    found = decode(encode(Frame(Mac(1), Mac(2), ETHERTYPE_IPV4, Ipv4Packet(IPv4(2), IPv4(1), PROTO_ICMP, error))))
    assert isinstance(found.payload, Ipv4Packet)
    assert isinstance(found.payload.payload, IcmpMessage)
    assert found.payload.payload.original is not None
    assert found.payload.payload.original.payload[:2] == (5, 6)


def captured_on(lab: labs.Lab, place: str, port: str, during: str) -> bytes:
    lab.run(place, f"tcpdump -i {port} -w /tmp/x.pcap &")
    lab.run(place, during)
    lab.run(place, "pkill tcpdump")
    return lab.fetch(place, "/tmp/x.pcap")


@pytest.mark.kernel
@pytest.mark.skipif(not shutil.which("tshark"), reason="tshark is not installed")
def test_wireshark_reads_a_capture_and_finds_no_bad_checksum(tmp_path: Path) -> None:
    lab = labs.open("tasting-room-guests", seed=7)
    during = (
        "sleep 90; dhclient -r eth0; dhclient eth0; ping -c 1 -W 1 198.51.100.1; nc -w 1 198.51.100.1 443 </dev/null"
    )
    path = tmp_path / "phone.pcap"
    path.write_bytes(captured_on(lab, "phone", "eth0", during))
    path2 = tmp_path / "broker.pcap"
    path2.write_bytes(captured_on(lab, "broker", "eth0", "sleep 90"))
    fields = ["-o", "ip.check_checksum:TRUE", "-o", "tcp.check_checksum:TRUE", "-o", "udp.check_checksum:TRUE"]

    def protocols(file: Path, only: str = "") -> str:
        words = [
            "tshark",
            "-n",
            "-r",
            str(file),
            *fields,
            *(["-Y", only] if only else []),
            "-T",
            "fields",
            "-e",
            "frame.protocols",
        ]
        return subprocess.run(words, capture_output=True, text=True, check=True, timeout=60).stdout

    assert {"dhcp", "icmp", "tcp", "arp"} <= set(protocols(path).replace("\n", ":").split(":"))
    assert "mqtt" in protocols(path2)
    for file in (path, path2):
        assert (
            protocols(
                file, "_ws.malformed || ip.checksum.status==0 || tcp.checksum.status==0 || udp.checksum.status==0"
            )
            == ""
        )


def test_capture_that_was_written_is_read_again() -> None:
    lab = labs.open("tasting-room-guests", seed=7)
    assert captured_on(lab, "pc", "eth0", "ping -c 2 10.3.187.1 || true")[:4] == b"\xd4\xc3\xb2\xa1"
    output = lab.run("pc", "tcpdump -n -r /tmp/x.pcap icmp")
    assert "reading from file /tmp/x.pcap, link-type EN10MB (Ethernet), snapshot length 262144\n" in output.text
    assert "ICMP echo request, id" in output.text
    assert lab.run("pc", "tcpdump -r /tmp/none.pcap").text == "tcpdump: /tmp/none.pcap: No such file or directory\n"
    assert lab.run("pc", "tcpdump -r /etc/hosts").text == "tcpdump: unknown file format\n"

"""IPv6 on the wire: bytes and back, and what tshark thinks of them."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from labs.model.addresses import IPv6, Mac, Network
from labs.net import icmpv6
from labs.net.ethernet import ETHERTYPE_IPV6, Frame
from labs.net.icmpv6 import Icmpv6Message
from labs.net.ipv6 import Ipv6Packet
from labs.net.ndp import Advert, Prefix, RouterAdvert, RouterSolicit, Solicit
from labs.net.pcap import file_bytes, write
from labs.net.tcp import SYN, TcpSegment
from labs.net.udp import UdpDatagram
from labs.net.wire import decode, encode

A, B = IPv6.parse("2001:db8::a"), IPv6.parse("fe80::b")
MAC = Mac.parse("02:4e:00:00:00:01")
ADVERT = RouterAdvert(
    managed=True, other=True, preference="high", lifetime_s=90, reachable_ms=5, retrans_ms=7, link=MAC, mtu=1400,
    prefixes=(Prefix(Network.parse("2001:db8:1::/64")), Prefix(Network.parse("2001:db8:2::/64"), False, False, 9, 8)),
    servers=(A, B), servers_lifetime_s=60, domains=("example.org", "lab.example"), domains_lifetime_s=61,
)  # fmt: skip
ECHO = Icmpv6Message(icmpv6.ECHO_REQUEST6, 0, 7, 9, b"x" * 56)
PAYLOADS = [
    (58, ECHO),
    (58, Icmpv6Message(135, discovery=Solicit(A, MAC))),
    (58, Icmpv6Message(135, discovery=Solicit(A, None, 0x123456))),
    (58, Icmpv6Message(136, discovery=Advert(A, MAC, router=True, solicited=True, override=True))),
    (58, Icmpv6Message(133, discovery=RouterSolicit(MAC))),
    (58, Icmpv6Message(134, discovery=ADVERT)),
    (58, Icmpv6Message(icmpv6.PACKET_TOO_BIG, mtu=1280, original=Ipv6Packet(A, B, 58, ECHO))),
    (58, Icmpv6Message(1, 4, original=Ipv6Packet(A, B, 17, UdpDatagram(5, 6, b"abc")))),
    (17, UdpDatagram(5, 6, b"abcd")),
    (6, TcpSegment(5, 6, 1, 0, SYN)),
]
FRAMES = [
    Frame(MAC, MAC, ETHERTYPE_IPV6, Ipv6Packet(A, B, protocol, payload, 255, 4))  # type: ignore[arg-type]
    for protocol, payload in PAYLOADS
]


@pytest.mark.parametrize("frame", FRAMES, ids=lambda frame: type(frame.payload.payload).__name__)
def test_frame_that_was_written_is_read_back(frame: Frame) -> None:
    """Every message with all its options; the length is that of the bytes."""
    data = encode(frame)
    assert decode(data) == frame
    assert len(data) == frame.length


@pytest.mark.kernel
@pytest.mark.skipif(not shutil.which("tshark"), reason="tshark is not installed")
def test_wireshark_finds_nothing_wrong(tmp_path: Path) -> None:
    """No malformed message, no bad checksum, and the options are those that were meant."""
    path = tmp_path / "six.pcap"
    path.write_bytes(file_bytes(write([(0, frame) for frame in FRAMES])))

    def tshark(*more: str) -> str:
        checks = ["-o", "udp.check_checksum:TRUE", "-o", "tcp.check_checksum:TRUE"]
        words = ["tshark", "-n", "-r", str(path), *checks, *more]
        return subprocess.run(words, capture_output=True, text=True, check=True, timeout=60).stdout

    bad = "_ws.malformed || icmpv6.checksum.status == 0 || udp.checksum.status == 0 || tcp.checksum.status == 0"
    assert tshark("-Y", bad) == ""
    told = tshark("-Y", "icmpv6.type == 134", "-T", "fields", "-e", "icmpv6.opt.prefix", "-e", "icmpv6.opt.rdnss")
    assert "2001:db8:1::,2001:db8:2::" in told

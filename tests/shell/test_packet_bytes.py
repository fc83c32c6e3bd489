"""tcpdump -A, -x and -X, in the form of tcpdump 4.99."""

from __future__ import annotations

from labs.shell.commands.packet_bytes import ascii_lines, hex_lines
from tests.things_site import site, started

# What tcpdump printed of one packet that carried a CONNECT of MQTT.
DATA = bytes.fromhex(
    "450000450ca04000400630117f0000017f000001dec806f14a26a2bd722981e0"
    "80180040fe3900000101080a533997f0b8e94753100f00044d5154540402003c0003616263"
)


def test_bytes_and_signs_stand_beside_each_other() -> None:
    assert list(hex_lines(DATA, readable=True))[-2:] == [
        "\t0x0030:  b8e9 4753 100f 0004 4d51 5454 0402 003c  ..GS....MQTT...<",
        "\t0x0040:  0003 6162 63                             ..abc",
    ]
    assert list(hex_lines(DATA, readable=False))[-1] == "\t0x0040:  0003 6162 63"


def test_signs_alone_break_where_the_packet_does() -> None:
    assert list(ascii_lines(b"GET /\r\n\x00\xc3 \t.")) == ["GET /", ".. \t."]


def test_password_on_a_plain_line_can_be_read() -> None:
    engine = started(site())
    engine.run("sensor", "(sleep 1; mosquitto_pub -h broker -u garden -P geheim -t home/x -m 21.5) &")
    text = engine.run("sensor", "timeout 3 tcpdump -A -i eth0 port 1883").text
    assert "geheim" in text
    assert "home/x21.5" in text

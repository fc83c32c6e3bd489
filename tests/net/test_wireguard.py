"""A WireGuard tunnel between two machines: keys, handshake, allowed addresses, keepalive, roaming."""

from __future__ import annotations

import pytest

from labs.engines.sim import SimEngine
from labs.net.wireguard import SealError, open_sealed, public_key, read_key, seal, shared, shown_key
from tests.sites import machine, site

SECOND = 1_000_000_000


def test_curve_gives_the_numbers_of_the_standard() -> None:
    """RFC 7748 §5.2, first vector, and §6.1."""
    scalar = bytes.fromhex("a546e36bf0527c9d3b16154b82465edd62144c0ac1fc5a18506a2244ba449ac4")
    point = bytes.fromhex("e6db6867583030db3594c1a424b15f7c726624ec26b3353b10a903a6d0ab1c4c")
    wanted = "c3da55379de9c6908e94ea4df28d084f32eccf03491c71f754b4075577a28552"
    assert shared(scalar, point).hex() == wanted
    bob = bytes.fromhex("5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb")
    assert public_key(bob).hex() == "de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f"


def test_seal_opens_with_its_key_alone() -> None:
    key = bytes(range(32))
    assert open_sealed(key, 7, seal(key, 7, b"level 2.31")) == b"level 2.31"
    for wrong, counter in ((bytes(32), 7), (key, 8)):
        with pytest.raises(SealError):
            open_sealed(wrong, counter, seal(key, 7, b"level 2.31"))


def pair(*, allowed: str = "10.9.0.1/32, 10.1.0.0/24", key: str = "", psk: str = "") -> SimEngine:
    """A router with a host behind it, and a laptop that dials in; both have brought wg0 up."""
    made = [
        machine("gw", {"wan": "198.51.100.1/24", "lan": "10.1.0.1/24"}, forward=True),
        machine("laptop", {"eth0": "198.51.100.2/24"}),
        machine("plc", {"eth0": "10.1.0.9/24"}, gateway="10.1.0.1"),
    ]
    engine = SimEngine()
    engine.start(site(made, ["gw:wan laptop:eth0", "gw:lan plc:eth0"]))
    public = {}
    for name in ("gw", "laptop"):
        engine.run(name, "mkdir -p /etc/wireguard; wg genkey > /etc/wireguard/key")
        public[name] = engine.run(name, "wg pubkey < /etc/wireguard/key").text.strip()
    secret = engine.run("gw", "cat /etc/wireguard/key").text.strip()
    assert shown_key(public_key(read_key(secret))) == public["gw"]
    more = f"PresharedKey = {psk}\\n" if psk else ""
    peers = {
        "gw": f"ListenPort = 51820\\n[Peer]\\nPublicKey = {public['laptop']}\\nAllowedIPs = 10.9.0.2/32\\n{more}",
        "laptop": f"[Peer]\\nPublicKey = {key or public['gw']}\\nAllowedIPs = {allowed}\\n"
        "Endpoint = 198.51.100.1:51820\\nPersistentKeepalive = 25\\n",
    }
    for name, address in (("gw", "10.9.0.1/24"), ("laptop", "10.9.0.2/24")):
        head = f"[Interface]\\nPrivateKey = %s\\nAddress = {address}\\n"
        engine.run(name, f"printf '{head}{peers[name]}' $(cat /etc/wireguard/key) > /etc/wireguard/wg0.conf")
        assert "[#] wg setconf wg0 /dev/fd/63" in engine.run(name, "wg-quick up wg0").text
    return engine


def answered(engine: SimEngine, place: str, target: str) -> bool:
    return engine.run(place, f"ping -c 1 -W 2 {target}").status == 0


def test_tunnel_carries_what_is_allowed_and_nobody_on_the_way_can_read_it() -> None:
    engine = pair()
    engine.run("gw", "timeout 8 tcpdump -nti wan > /tmp/seen 2> /dev/null &")
    assert answered(engine, "laptop", "10.9.0.1")
    assert answered(engine, "laptop", "10.1.0.9")
    engine.wait(9 * SECOND)
    seen = engine.run("gw", "cat /tmp/seen").text
    assert seen.count("UDP, length 128") >= 4
    assert "ICMP" not in seen
    shown = engine.run("gw", "wg").text
    assert "  latest handshake: " in shown
    assert "  endpoint: 198.51.100.2:" in shown
    assert engine.run("laptop", "ss -ulnH | wc -l").text == "1\n"


def test_tunnel_answers_from_the_far_side_after_a_long_silence() -> None:
    """The keepalive keeps the way and the keys fresh: a new handshake every two minutes."""
    engine = pair()
    assert answered(engine, "laptop", "10.9.0.1")
    engine.wait(600 * SECOND)
    assert answered(engine, "gw", "10.9.0.2")
    ago = engine.run("gw", "wg show wg0 latest-handshakes | awk '{print $2}'").text
    now = engine.run("gw", "date +%s").text
    assert int(now) - int(ago) <= 150


@pytest.mark.parametrize(
    "changes",
    [
        {"key": shown_key(public_key(bytes(range(32))))},
        {"psk": shown_key(bytes(range(32)))},
        {"allowed": "10.9.0.7/32"},
    ],
)
def test_wrong_key_preshared_key_or_allowed_address_lets_nothing_through(changes: dict[str, str]) -> None:
    engine = pair(**changes)
    assert not answered(engine, "laptop", "10.9.0.1")
    if "allowed" not in changes:
        assert "latest handshake" not in engine.run("laptop", "wg").text


def test_source_that_the_peer_may_not_use_is_dropped() -> None:
    engine = pair()
    assert answered(engine, "laptop", "10.9.0.1")
    engine.run("laptop", "ip addr add 10.77.0.1/32 dev wg0")
    assert engine.run("laptop", "ping -c 1 -W 1 -I 10.77.0.1 10.9.0.1").status != 0


def test_tunnel_that_is_down_leaves_nothing_behind() -> None:
    engine = pair()
    assert engine.run("laptop", "wg-quick down wg0").text == "[#] ip link delete dev wg0\n"
    assert engine.run("laptop", "wg show interfaces").text == ""
    assert not answered(engine, "gw", "10.9.0.2")


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("wg set wg0 peer abc", "Key is not the correct length or format: `abc'\n"),
        ("wg set wg0 listen-port x", "Servname not supported for ai_socktype: `x'\n"),
        ("wg show nosuch", "Unable to access interface: No such device\n"),
        ("wg set wg0 private-key /nothere", "fopen: No such file or directory\n"),
        ("echo x | wg pubkey", "wg: Key is not the correct length or format\n"),
        ("wg-quick up wg9", "wg-quick: `/etc/wireguard/wg9.conf' does not exist\n"),
        ("wg-quick up wg0", "wg-quick: `wg0' already exists\n"),
    ],
)
def test_mistake_is_answered_as_the_real_tools_answer(line: str, said: str) -> None:
    """Recorded from wireguard-tools 1.0.20210914 with wireguard-go."""
    output = pair().run("laptop", line)
    assert (output.text, output.status) == (said, 1)


def test_link_is_shown_as_ip_shows_it() -> None:
    engine = pair()
    text = engine.run("laptop", "ip link show wg0").text
    brief = "wg0              UNKNOWN        <POINTOPOINT,NOARP,UP,LOWER_UP> \n"
    assert engine.run("laptop", "ip -br link show wg0").text == brief
    assert "wg0: <POINTOPOINT,NOARP,UP,LOWER_UP> mtu 1420 qdisc noqueue state UNKNOWN" in text
    assert text.endswith("    link/none \n")


def test_tunnel_named_in_the_interfaces_file_is_there_after_a_reboot() -> None:
    engine = pair()
    lines = "\\nauto wg0\\niface wg0 inet manual\\n    up wg-quick up wg0\\n"
    engine.run("gw", f"printf '{lines}' >> /etc/network/interfaces")
    engine.run("gw", "reboot")
    engine.wait(60 * SECOND)
    assert answered(engine, "laptop", "10.9.0.1")

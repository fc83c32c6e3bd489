"""The same text in the real nft and here; the same packets past a real kernel and here."""

from __future__ import annotations

import json
import random
import shutil
import struct
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from labs.model.addresses import IPv4
from labs.net.icmp import IcmpMessage
from labs.net.ipv4 import Ipv4Packet
from labs.net.nftables.apply import load
from labs.net.nftables.errors import NftError
from labs.net.nftables.evaluate import Context, EvaluationState, base_chains, run_chain
from labs.net.nftables.json_schema import from_json, to_json
from labs.net.nftables.render import Style, render_ruleset
from labs.net.tcp import TcpSegment
from labs.net.udp import UdpDatagram

pytestmark = pytest.mark.kernel

CORPUS = sorted((Path(__file__).parent / "corpus").glob("*.nft"))


@pytest.fixture(scope="module", autouse=True)
def _kernel() -> None:
    if shutil.which("nft") is None or shutil.which("unshare") is None:
        pytest.skip("nft or unshare is not installed")
    tried = subprocess.run(["unshare", "-n", "nft", "list", "ruleset"], capture_output=True, text=True, check=False)
    if tried.returncode:
        pytest.skip(f"no rights to a network namespace: {tried.stderr.strip()}")


def without_handles(obj: Any) -> Any:
    if isinstance(obj, dict):
        # nft 1.0.6 prints the flags of a table as garbage from its memory
        table = "name" in obj and "table" not in obj and "type" not in obj
        return {k: without_handles(v) for k, v in obj.items() if k != "handle" and not (table and k == "flags")}
    return [without_handles(entry) for entry in obj] if isinstance(obj, list) else obj


@pytest.mark.parametrize("path", CORPUS, ids=lambda path: path.stem)
def test_corpus_loaded_by_the_kernel_is_listed_as_here(path: Path) -> None:
    text = path.read_text()
    script = "nft -f - && nft list ruleset && echo ===== && nft -a list ruleset && echo ===== && nft -j list ruleset"
    done = subprocess.run(
        ["unshare", "-n", "sh", "-c", script], input=text, capture_output=True, text=True, check=False
    )
    assert not done.returncode, done.stderr
    plain, with_handles, as_json = done.stdout.split("=====\n")
    ruleset = load(text)
    assert render_ruleset(ruleset) == plain
    assert render_ruleset(ruleset, style=Style(handles=True)) == with_handles
    theirs = json.loads(as_json)
    assert without_handles(to_json(ruleset)) == without_handles(theirs)
    read = from_json(theirs)
    assert without_handles(to_json(read)) == without_handles(theirs)
    ours = {(t.family, t.name, chain.name): chain for t in ruleset.tables for chain in t.chains}
    for table in read.tables:
        for chain in table.chains:
            assert chain.rules == ours[table.family, table.name, chain.name].rules


# -- packets ----------------------------------------------------------------------------------------------------------

SEND = """
import json, socket, subprocess, sys
asked = json.load(sys.stdin)
subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
subprocess.run(["nft", "-f", "-"], input=asked["ruleset"], text=True, check=True)
raw = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
for packet in asked["packets"]:
    data = bytes.fromhex(packet)
    try:
        raw.sendto(data, (socket.inet_ntoa(data[16:20]), 0))
    except PermissionError:
        pass
print(subprocess.run(["nft", "-j", "list", "ruleset"], capture_output=True, text=True, check=True).stdout)
"""


def random_packet(dice: random.Random) -> Ipv4Packet:
    source, goal = (IPv4.parse(f"127.0.{dice.randrange(3)}.{dice.randrange(1, 8)}") for _ in range(2))
    ports = [dice.choice([22, 53, 80, 443, 1883, dice.randrange(1, 2000)]) for _ in range(2)]
    kind = dice.randrange(3)
    payload: Any
    if kind == 0:
        payload, protocol = TcpSegment(*ports, dice.randrange(2**32), dice.randrange(2**32), dice.randrange(64)), 6
    elif kind == 1:
        payload, protocol = UdpDatagram(*ports, b"x" * dice.randrange(60)), 17
    else:
        payload, protocol = IcmpMessage(dice.choice([0, 3, 8, 11]), dice.randrange(4), ports[0], ports[1], b"y" * 8), 1
    dont, tos = dice.random() < 0.5, dice.randrange(256)
    return Ipv4Packet(source, goal, protocol, payload, dice.randrange(1, 255), dice.randrange(1, 65536), dont, tos)


def on_the_wire(packet: Ipv4Packet) -> bytes:
    payload = packet.payload
    if isinstance(payload, TcpSegment):
        offset = (payload.length - len(payload.data)) // 4
        body = struct.pack("!HHIIBBHHH", *payload[:4], offset << 4, payload.flags, payload.window, 0, 0)
        body += b"\x01" * (offset * 4 - 20) + payload.data
    elif isinstance(payload, UdpDatagram):
        body = struct.pack("!HHHH", payload.sport, payload.dport, payload.length, 0) + payload.data
    else:
        body = struct.pack("!BBHHH", payload.type, payload.code, 0, payload.identifier, payload.sequence) + payload.data
    flags = 0x4000 if packet.dont_fragment else 0
    head = struct.pack(
        "!BBHHHBBHII", 0x45, packet.tos, 20 + len(body), packet.identification, flags, packet.ttl, packet.protocol, 0,
        int(packet.src), int(packet.dst),
    )  # fmt: skip
    return head + body


def random_match(dice: random.Random) -> str:
    def address() -> str:
        return f"127.0.{dice.randrange(3)}.{dice.randrange(1, 8)}"

    def port() -> int:
        return dice.choice([22, 53, 80, 443, 1883, dice.randrange(1, 2000)])

    def values(one: Any) -> str:
        return "{ " + ", ".join(sorted({str(one()) for _ in range(dice.randrange(1, 5))})) + " }"

    low = dice.randrange(1, 1000)
    negation = dice.choice(["", "", "!= "])
    return dice.choice([
        f"ip {dice.choice(['saddr', 'daddr'])} {negation}{address()}",
        f"ip {dice.choice(['saddr', 'daddr'])} {negation}127.0.{dice.randrange(3)}.0/{dice.randrange(20, 31)}",
        f"ip saddr {negation}{values(address)}",
        f"ip daddr 127.0.0.{low % 5}-127.0.1.{low % 9}",
        f"{dice.choice(['tcp', 'udp', 'th'])} {dice.choice(['sport', 'dport'])} {negation}{port()}",
        f"{dice.choice(['tcp', 'udp'])} dport {negation}{low}-{low + 900}",
        f"{dice.choice(['tcp', 'udp', 'th'])} dport {negation}{values(port)}",
        f"tcp dport {dice.choice(['<', '>', '<=', '>='])} {port()}",
        f"ip saddr . tcp dport {{ {address()} . {port()}, 127.0.0.0/16 . {low}-{low + 500} }}",
        f"ip saddr . ip daddr {{ {address()} . {address()}, {address()} . {address()} }}",
        f"tcp flags {dice.choice(['syn', 'ack', 'syn,ack', '== syn', '!= syn', '! ack', '{ syn, ack }'])}",
        f"tcp flags & (fin|syn|rst|ack) {dice.choice(['==', '!='])} {dice.choice(['syn', '(syn|ack)', '0'])}",
        f"tcp sequence > {dice.randrange(2**32)}",
        f"udp length {low % 60}-60",
        f"icmp type {dice.choice(['echo-request', '{ 0, 8 }', '!= 3', '> 3'])}",
        f"icmp code {dice.randrange(4)}",
        f"ip protocol {negation}{dice.choice(['tcp', 'udp', 'icmp', '{ tcp, udp }'])}",
        f"meta l4proto {negation}{dice.choice(['tcp', 'udp', '{ icmp, udp }'])}",
        f"ip ttl {dice.choice(['<', '>', '!='])} {dice.randrange(255)}",
        f"ip dscp {negation}{dice.randrange(64)}",
        f"ip ecn {dice.choice(['ce', 'ect0', '!= not-ect'])}",
        f"ip length {dice.choice(['<', '>'])} {dice.randrange(28, 90)}",
        f"meta length {dice.randrange(28, 50)}-{dice.randrange(50, 90)}",
        f"ip frag-off & 0x4000 {dice.choice(['==', '!='])} 0",
        f"ip saddr & 0.0.0.{dice.randrange(1, 8)} == 0.0.0.{dice.randrange(4)}",
        f"ip id {dice.choice(['<', '>'])} {dice.randrange(65535)}",
        "oifname " + dice.choice(["lo", "!= lo", '"l*"', "{ lo, eth0 }"]),
        f"meta protocol {dice.choice(['ip', 'ip6'])}",
        f"meta nfproto {dice.choice(['ipv4', 'ipv6'])}",
        "meta pkttype host",
        "ip6 saddr ::1",
    ])  # fmt: skip


def random_ruleset(dice: random.Random, matches: int) -> str:
    rules: list[str] = []
    while len(rules) < matches:
        rule = " ".join(random_match(dice) for _ in range(dice.randrange(1, 4))) + " counter"
        ending = dice.choice(["", "", "", " accept", " return", " jump two", " goto two", " drop"])
        text = f"table inet t {{\nchain two {{ }}\nchain c {{\n{rule}{ending}\n}}\n}}\n"
        try:
            load(text)
        except NftError:  # two protocols in one rule, or a range that runs backwards: nft refuses it too
            continue
        rules.append(rule + ending)
    half = "\n".join(rule.replace("jump two", "drop").replace("goto two", "return") for rule in rules[::3])
    body = "\n".join(rules)
    return (
        f"table inet t {{\nchain two {{\n{half}\n}}\nchain c {{\ntype filter hook output priority 0\n"
        f"meta skuid 0 counter\n{body}\n}}\n"
        # no answers of the kernel itself, they would pass the same hook
        f"chain silence {{\ntype filter hook input priority raw; policy drop;\n}}\n}}\n"
    )


def counts(obj: Any) -> dict[tuple[str, int], list[int]]:
    found: dict[tuple[str, int], list[int]] = {}
    for entry in obj["nftables"]:
        if "rule" in entry:
            place = entry["rule"]["chain"], entry["rule"]["handle"]
            found[place] = [s["counter"]["packets"] for s in entry["rule"]["expr"] if "counter" in s]
    return found


@pytest.mark.parametrize("seed", range(8))
def test_random_packets_past_random_rules_are_counted_as_by_the_kernel(seed: int) -> None:
    dice = random.Random(f"nftables/{seed}")
    text = random_ruleset(dice, 60)
    packets = [random_packet(dice) for _ in range(120)]
    asked = json.dumps({"ruleset": text, "packets": [on_the_wire(packet).hex() for packet in packets]})
    command = ["unshare", "-n", sys.executable, "-c", SEND]
    done = subprocess.run(command, input=asked, capture_output=True, text=True, check=False)
    assert not done.returncode, done.stderr
    ruleset, state = load(text), EvaluationState()
    for packet in packets:
        context = Context("ip", "output", oifname="lo", packet=packet, skuid=0)
        for chain in base_chains(ruleset, "ip", "output"):
            run_chain(ruleset, chain, context, state)
    theirs, ours = counts(json.loads(done.stdout)), counts(to_json(ruleset, state))
    assert theirs == ours, text

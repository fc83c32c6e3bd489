"""Modbus over TCP: a slave with pymodbus, asked by Debian's mbpoll, says what the simulator's slave says to ours."""

from __future__ import annotations

import shutil
from dataclasses import replace

import pytest

from labs.engines.kernel import KernelEngine
from labs.engines.kernel.capability import lacking
from labs.lab import engine_named
from labs.model.world import DayCycle, Room, World
from labs.things.modbus.slave import Registers, answer
from tests.engines.kernel.kernel_site import device, needs_kernel, running, site

pytestmark = [
    *needs_kernel,
    pytest.mark.skipif(shutil.which("mbpoll") is None, reason="mbpoll is not installed: apt-get install mbpoll"),
]

SLAVE = """
[serial]
unit = 7
port = ""
[tcp]
port = 502
[register.temperature]
table = "input"
address = 0
scale = 0.1
quantity = "temperature"
[register.level]
table = "holding"
address = 4
type = "float32"
value = 12.5
[register.limit]
table = "holding"
address = 10
value = 300
[register.pump]
table = "coil"
address = 2
type = "bool"
value = 1
[register.door]
table = "discrete"
address = 3
type = "bool"
value = 1
"""
ASKED = (
    "mbpoll -1 -t 3 -a 7 -r 1 10.0.0.2",
    "mbpoll -1 -t 4 -a 7 -r 11 10.0.0.2",
    "mbpoll -1 -t 4:float -B -a 1 -r 5 10.0.0.2",
    "mbpoll -1 -t 0 -a 7 -r 3 10.0.0.2",
    "mbpoll -1 -t 1 -a 7 -r 4 10.0.0.2",
    "mbpoll -1 -t 4 -a 7 -r 90 10.0.0.2",
    "mbpoll -1 -t 3 -a 7 -r 1 -c 3 10.0.0.2",
    "mbpoll -t 4 -a 7 -r 11 10.0.0.2 4711",
    "mbpoll -1 -t 4 -a 7 -r 11 10.0.0.2",
    "mbpoll -t 4:float -B -a 7 -r 5 10.0.0.2 -- -2.25",
    "mbpoll -1 -t 4:float -B -a 7 -r 5 10.0.0.2",
    "mbpoll -t 0 -a 7 -r 3 10.0.0.2 0",
    "mbpoll -1 -t 0 -a 7 -r 3 10.0.0.2",
    "mbpoll -t 4 -a 7 -r 90 10.0.0.2 1",
    "mbpoll -1 -t 4 -a 7 -r 11 -p 503 10.0.0.2",
)
# What Modbus says (§7), and what pymodbus answers (deviation modbus-malformed).
MALFORMED = {
    "too many registers": ("070300000080", "078303", "078001"),
    "no register at all": ("070300000000", "078303", "078001"),
    "no such function": ("072b", "07ab01", "078001"),
    "a coil neither on nor off": ("070500021234", "078503", "07050002ff00"),
}


def plant():
    """A slave on TCP in a cold room, and somebody who asks."""
    made = site(
        [
            device("pc", "host", {"eth0": "10.0.0.1/24"}),
            replace(
                device("meter", "sensor", {"eth0": "10.0.0.2/24"}, {"/etc/modbus.toml": SLAVE}, units=("modbus",)),
                room="cell",
            ),
        ],
        ["pc:eth0 meter:eth0"],
    )
    return replace(made, world=World({"cell": Room("cell", {"temperature": DayCycle(4.0)})}), seed="x")


@pytest.fixture(scope="module")
def pair():
    """Both engines with the same plant."""
    simulated = engine_named("sim")
    simulated.start(plant())
    with running(plant()) as real:
        yield simulated, real


def values(text: str) -> list[str]:
    """What mbpoll read or complained of: not its banner, which may come before or after what it says on another way."""
    kept = ("[", "Read", "Write", "Written", "mbpoll: ", "Connection")
    return [line.strip() for line in text.splitlines() if line.startswith(kept)]


@pytest.mark.parametrize("line", ASKED)
def test_register_is_asked_for_both_engines_say_the_same(pair, line):
    simulated, real = (engine.run("pc", line) for engine in pair)
    assert values(real.text) == values(simulated.text)
    assert real.status == simulated.status
    assert values(real.text)


@pytest.mark.parametrize("name", MALFORMED)
def test_request_that_is_malformed_the_engines_differ_as_it_is_written(pair, name):
    asked, standard, theirs = MALFORMED[name]
    request = f"00010000{len(asked) // 2:04x}{asked}"
    got = pair[1].run("pc", f"echo {request} | xxd -r -p | nc -w 1 10.0.0.2 502 | xxd -p").text.strip()
    assert got[12:] == theirs
    assert answer(bytes.fromhex(asked)[1:], Registers()).hex() == standard[2:]


def test_slave_says_where_it_answers_and_counts_on_both_engines(pair):
    simulated, real = (engine.run("meter", "journalctl -u modbus -o cat").text for engine in pair)
    assert real == simulated
    assert "unit 7 answers on TCP port 502" in real
    assert [(s.protocol, s.port, s.program) for s in pair[1].observe().devices["meter"].state.listeners] == [
        ("tcp", 502, "modbusd")
    ]


LISTENS = "ss -Hltn sport = :502 | grep -q ."


def until(condition: str) -> str:
    """A line that waits for a condition of the shell, not for ever."""
    return f"for n in $(seq 400); do {condition} && break; sleep .05; done"


def test_port_is_taken_the_slave_says_so(pair):
    lab: KernelEngine = pair[1]
    said = "journalctl -u modbus -o cat | grep -q 'already in use'"
    lab.run("meter", f"systemctl stop modbus; {until(f'! {LISTENS}')}; nc -l -p 502 >/dev/null 2>&1 & {until(LISTENS)}")
    lab.run("meter", f"systemctl start modbus; {until(said)}")
    assert "502: Address already in use\n" in lab.run("meter", "journalctl -u modbus -o cat").text
    lab.run("meter", f"kill %1; {until(f'! {LISTENS}')}; systemctl restart modbus")


def test_fifth_client_is_shown_the_door(pair):
    lab: KernelEngine = pair[1]
    lab.run("meter", until(LISTENS))
    four = "for n in 1 2 3 4; do nc -N 10.0.0.2 502 </tmp/held >/dev/null & done; exec 9>/tmp/held"
    in_queue = until('[ "$(ss -Htn state established dport = :502 | wc -l)" = 4 ]')  # a fifth is behind them
    refused = lab.run("pc", f"mkfifo /tmp/held; {four}; {in_queue}; mbpoll -1 -t 3 -a 7 10.0.0.2; exec 9>&-; wait")
    assert "Connection reset by peer" in refused.text or "failed" in refused.text
    assert lab.run("pc", "mbpoll -1 -t 3 -a 7 10.0.0.2").status == 0


def test_library_is_missing_the_site_is_refused_with_what_to_install(monkeypatch):
    monkeypatch.setattr("labs.engines.kernel.capability.find_spec", lambda name: None)
    assert lacking(plant()) == (
        'the engine kernel needs pymodbus (pip install "netwerf[kernel]"), and meter needs it; use the engine sim'
    )

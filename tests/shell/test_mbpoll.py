"""mbpoll, word for word as mbpoll 1.0-0 of Debian 12 answered for the same registers."""

from __future__ import annotations

import pytest

from labs.engines.sim import SimEngine
from labs.model.addresses import Mac
from labs.model.bus import Bus, Drop
from labs.model.site import Device, Endpoint, Kind, Link, Port, Site
from labs.net.linux.units import enabled_path

BANNER = """mbpoll 1.0-0 - FieldTalk(tm) Modbus(R) Master Simulator
Copyright © 2015-2019 Pascal JEAN, https://github.com/epsilonrt/mbpoll
This program comes with ABSOLUTELY NO WARRANTY.
This is free software, and you are welcome to redistribute it
under certain conditions; type 'mbpoll -w' for details.

"""
REGISTERS = """[serial]
speed = 19200
unit = 1
[tcp]
port = 5020
""" + "".join(
    f'[register.{table}{index}]\ntable = "{table}"\naddress = {index}\ntype = "uint16"\nvalue = {value}\n'
    for table in ("input", "holding")
    for index, value in enumerate((215, 65481, 0x4366, 0x8000, 5, *[0] * 16))
)
BITS = "".join(
    f'[register.{table}{index}]\ntable = "{table}"\naddress = {index}\ntype = "bool"\nvalue = {value}\n'
    for table, bits in (("coil", (0, 1, 1, 0)), ("discrete", (1, 0, 1, 0)))
    for index, value in enumerate(bits)
)
INTERFACES = "auto lo\niface lo inet loopback\nauto eth0\niface eth0 inet static\n    address {}/24\n"


def device(name: str, number: int, **files: str) -> Device:
    made = {
        "/etc/network/interfaces": INTERFACES.format(f"10.0.0.{number}"),
        enabled_path("networking"): "",
        "/etc/hosts": "10.0.0.2 slave\n",
    }
    made |= {f"/etc/{key}.toml": text for key, text in files.items()}
    made |= {enabled_path(key): "" for key in files}
    return Device(name, Kind.HOST, (Port("eth0", Mac(0x024E00000000 + number)),), made)


@pytest.fixture(scope="module")
def engine() -> SimEngine:
    engine = SimEngine()
    site = Site(
        {"pc": device("pc", 1), "slave": device("slave", 2, modbus=REGISTERS + BITS)},
        (Link(Endpoint("pc", "eth0"), Endpoint("slave", "eth0")),),
        buses=(Bus("b", (Drop("pc", 0, terminated=True, biased=True), Drop("slave", 10, terminated=True))),),
    )
    engine.start(site)
    return engine


def head(data: str, start: int = 1, count: int = 1, units: str = "1") -> str:
    return f"""Protocol configuration: Modbus TCP
Slave configuration...: address = [{units}]
                        start reference = {start}, count = {count}
Communication.........: 10.0.0.2, port 5020, t/o 1.00 s, poll rate 1000 ms
Data type.............: {data}

"""


HOLDING = "16-bit register, output (holding) register table"
INPUT = "16-bit register, input register table"
ASK = "-- Polling slave 1...\n"
TCP = [
    ("", head(HOLDING) + ASK + "[1]: \t215\n\n", 0),
    (
        "-a 1 -t 3 -r 1 -c 4",
        head(INPUT, count=4) + ASK + "[1]: \t215\n[2]: \t65481 (-55)\n[3]: \t17254\n[4]: \t32768 (-32768)\n\n",
        0,
    ),
    (
        "-t 3:float -r 3 -B",
        head("32-bit float (big endian), input register table", 3) + ASK + "[3]: \t230.5\n\n",
        0,
    ),
    (
        "-t 3:float -r 3",
        head("32-bit float (little endian), input register table", 3) + ASK + "[3]: \t-2.4178e-41\n\n",
        0,
    ),
    (
        "-t 3:int -r 3",
        head("32-bit integer (little endian), input register table", 3) + ASK + "[3]: \t-2147466394\n\n",
        0,
    ),
    (
        "-t 4:int -r 1 -c 2 -B",
        head("32-bit integer (big endian), output (holding) register table", 1, 2)
        + ASK
        + "[1]: \t14155721\n[3]: \t1130790912\n\n",
        0,
    ),
    ("-t 3:hex -r 3 -c 2", head(INPUT, 3, 2) + ASK + "[3]: \t0x4366\n[4]: \t0x8000\n\n", 0),
    ("-t 0 -c 4", head("discrete output (coil)", 1, 4) + ASK + "[1]: \t0\n[2]: \t1\n[3]: \t1\n[4]: \t0\n\n", 0),
    ("-t 1 -c 4", head("discrete input", 1, 4) + ASK + "[1]: \t1\n[2]: \t0\n[3]: \t1\n[4]: \t0\n\n", 0),
    (
        "-r 100 -c 4",
        head(HOLDING, 100, 4) + ASK + "Read output (holding) register failed: Illegal data address\n\n",
        1,
    ),
    ("-0 -r 0 -c 2", head(HOLDING, 0, 2) + ASK + "[0]: \t215\n[1]: \t65481 (-55)\n\n", 0),
]


@pytest.mark.parametrize(("options", "shown", "status"), TCP)
def test_registers_over_tcp_are_shown_as_the_real_one_shows_them(
    engine: SimEngine, options: str, shown: str, status: int
) -> None:
    answer = engine.run("pc", f"mbpoll -1 -p 5020 {options} 10.0.0.2")
    assert answer.text == BANNER + shown
    assert answer.status == status


def test_registers_over_the_bus_are_shown_as_the_real_one_shows_them(engine: SimEngine) -> None:
    answer = engine.run("pc", "mbpoll -1 -m rtu -a 1 -b 19200 -P none -t 3 -c 2 /dev/ttyS0")
    assert answer.text == BANNER + (
        "Protocol configuration: Modbus RTU\n"
        "Slave configuration...: address = [1]\n"
        "                        start reference = 1, count = 2\n"
        "Communication.........: /dev/ttyS0,      19200-8N1 \n"
        "                        t/o 1.00 s, poll rate 1000 ms\n"
        "Data type.............: 16-bit register, input register table\n\n"
        "-- Polling slave 1...\n[1]: \t215\n[2]: \t65481 (-55)\n\n"
    )


def test_default_parity_of_mbpoll_gets_no_answer_from_8n1(engine: SimEngine) -> None:
    answer = engine.run("pc", "mbpoll -1 -m rtu -a 1 -t 3 /dev/ttyS0")
    assert "19200-8E1" in answer.text
    assert answer.text.endswith("Read input register failed: Connection timed out\n\n")
    assert answer.status == 1


def test_endless_polling_ends_with_statistics(engine: SimEngine) -> None:
    answer = engine.run("pc", "mbpoll -m rtu -a 1,9 -l 2000 -b 19200 -P none -t 3 -o 0.5 /dev/ttyS0")
    assert "-- Polling slave 9... Ctrl-C to stop)\nRead input register failed: Connection timed out\n" in answer.text
    tail = answer.text.rpartition("--- /dev/ttyS0 poll statistics ---\n")[2]
    sent, received, lost = (int(part.split()[0]) for part in tail.splitlines()[0].split(", ")[:3])
    assert sent == received + lost > 4
    assert tail.endswith("% frame loss\n\neverything was closed.\nHave a nice day !\n")


def test_written_value_is_read_back(engine: SimEngine) -> None:
    answer = engine.run("pc", "mbpoll -p 5020 -r 10 10.0.0.2 77 78")
    assert answer.text == BANNER + head(HOLDING, 10, 2) + "Written 2 references.\n\n"
    assert "[10]: \t77\n[11]: \t78\n" in engine.run("pc", "mbpoll -1 -p 5020 -r 10 -c 2 10.0.0.2").text
    refused = engine.run("pc", "mbpoll -p 5020 -r 100 10.0.0.2 5")
    assert refused.text.endswith("\nWrite output (holding) register failed: Illegal data address\n\n")


def test_bytes_are_shown_when_asked(engine: SimEngine) -> None:
    text = engine.run("pc", "mbpoll -v -1 -p 5020 -c 2 10.0.0.2").text
    assert "[00][01][00][00][00][06][01][03][00][00][00][02]\nWaiting for a confirmation...\n" in text
    assert "<00><01><00><00><00><07><01><03><04><00><D7><FF><C9>\n[1]: \t215\n" in text


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("mbpoll -1 -r 0 h", "start reference out of range (0)"),
        ("mbpoll -1 -t 7 h", "Illegal function: 7"),
        ("mbpoll -1 -c 200 h", "number of values out of range (200)"),
        ("mbpoll -1", "device or host parameter missing"),
        ("mbpoll -1 -m rtu -a 300 /dev/ttyS0", "slave address out of range (300)"),
        ("mbpoll -m foo host", "Illegal mode: foo"),
        ("mbpoll -1 -r 5 h -- -5", "data out of range (-5)"),
        ("mbpoll -1 -z h", "Unrecognized option or missing option parameter"),
        ("mbpoll -1 -t 3 h 9", "Unable to write read-only element"),
        ("mbpoll -1 -o 99 h", "timeout out of range (99)"),
        ("mbpoll -1 -l 1 h", "Illegal poll rate: 1"),
        ("mbpoll -1 -m rtu -b 99 /dev/ttyS0", "rtu baudrate out of range (99)"),
        ("mbpoll -1 -m rtu -s 3 /dev/ttyS0", "Illegal rtu stop bits: 3"),
        ("mbpoll -1 -m rtu -P foo /dev/ttyS0", "Illegal rtu parity: foo"),
        ("mbpoll -1 -m rtu -d 5 /dev/ttyS0", "Illegal rtu data bits: 5"),
        ("mbpoll -1 -a x h", "Illegal slave address value: x"),
        ("mbpoll -1 -r x h", "Illegal start reference value: x"),
        ("mbpoll -1 -t 3:foo h", "Illegal format: foo"),
        ("mbpoll -1 -c 2 h 5", "-c parameter must not be specified for writing"),
    ],
)
def test_mistake_is_told_in_the_words_of_mbpoll(engine: SimEngine, line: str, said: str) -> None:
    answer = engine.run("pc", line)
    assert (answer.text, answer.status) == (f"mbpoll: {said} ! Try -h for help.\n", 1)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("mbpoll -1 -p 5021 10.0.0.2", "Connection refused"),
        ("mbpoll -1 -m rtu /dev/ttyS99", "No such file or directory"),
        ("mbpoll -1 nosuchhost", "Connection refused"),
    ],
)
def test_nobody_to_talk_to_is_told_in_the_words_of_mbpoll(engine: SimEngine, line: str, said: str) -> None:
    answer = engine.run("pc", line)
    assert (answer.text, answer.status) == (f"{BANNER}mbpoll: Connection failed: {said}.\n", 1)

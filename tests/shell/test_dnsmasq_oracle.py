"""Real dnsmasq, dhclient, dig and tcpdump beside the simulated ones: the same file, the same leases, the same lines."""

from __future__ import annotations

import re
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from labs.engines.sim import SimEngine
from labs.model.site import Site
from labs.net import dhcp, dns
from labs.net.dhcp import DhcpMessage, MessageType, Option
from labs.net.dns import DnsMessage, Question, Record, RecordType
from labs.net.linux.units import enabled_path
from tests.kernel_lab import KernelLab, judged
from tests.sites import machine, site

TOOLS = ("dnsmasq", "dhclient", "dig", "host", "nslookup", "tcpdump", "ping")
ABSENT = [tool for tool in TOOLS if shutil.which(tool) is None]
pytestmark = [pytest.mark.kernel, judged(), pytest.mark.skipif(bool(ABSENT), reason=f"needs {' '.join(ABSENT)}")]

CONF = """\
interface=lan
domain=home
local=/home/
expand-hosts
no-resolv
no-ping
log-queries
address=/ads.example/10.0.0.9
host-record=printer,printer.home,10.0.0.30
host-record=six,six.home,10.0.0.31,2001:db8::31
bogus-priv
domain-needed
dhcp-range=10.0.0.100,10.0.0.199,12h
dhcp-option=42,0.0.0.0
"""
HOSTS = "127.0.0.1 localhost\n10.0.0.1 router\n10.0.0.20 cam camera\n"
RESOLV = "search home\nnameserver 10.0.0.1\n"
QUESTIONS = [
    "dig cam.home",
    "dig cam",
    "dig +short cam.home",
    "dig +short +search cam",
    "dig nono.home",
    "dig -x 10.0.0.20",
    "dig +short -x 10.0.0.20",
    "dig AAAA cam.home",
    "dig a-name-of-thirty-one.ads.example",
    "dig a-name-of-thirty-nine-columns.ads.example",
    "dig MX cam.home",
    "dig outside.example",
    "dig x.ads.example",
    "dig @10.0.0.1 printer.home A",
    "dig +noall +answer cam.home",
    "dig +nocomments cam.home",
    "dig +tcp cam.home",
    "dig cam.home printer.home +short",
    "dig @10.9.9.9 cam.home",
    "dig +time=1 +tries=1 @10.0.0.5 cam.home",
    "host cam",
    "host nono",
    "host 10.0.0.20",
    "host 10.0.0.99",
    "host outside.example",
    "host cam 10.0.0.1",
    "host -t AAAA cam",
    "host -t MX cam",
    "host -tA cam",
    "host -t aaaa six",
    "host -t PTR 10.0.0.20",
    "host -t TXT nono",
    "host -t foo cam",
    "host cam -t A",
    "host -4 -W 2 -t A cam 10.0.0.1",
    "host -T -R 1 six",
    "nslookup cam",
    "nslookup nono",
    "nslookup 10.0.0.20",
    "nslookup outside.example",
]


def network(*, fixed: bool) -> Site:
    """A router that runs dnsmasq and a machine on the same wire, with an address or without."""
    router = machine("r", {"lan": "10.0.0.1/24"}).with_file("/etc/dnsmasq.conf", CONF).with_file("/etc/hosts", HOSTS)
    router = router.with_file(enabled_path("dnsmasq"), "")
    pc = machine("p", {"eth0": "10.0.0.5/24" if fixed else ""}).with_file("/etc/resolv.conf", RESOLV)
    made = site([router, pc.with_file("/etc/hosts", "127.0.0.1 localhost\n")], ["r:lan p:eth0"])
    for device in made.devices.values():
        text = device.files["/etc/sysctl.conf"] + "net.ipv4.icmp_ratemask = 0\nnet.ipv4.route.error_cost = 0\n"
        made = made.with_device(device.with_file("/etc/sysctl.conf", text))
    return made


class Real:
    """The network in namespaces, with a dnsmasq in operation."""

    def __init__(self, lab: KernelLab, place: Path) -> None:
        self.lab = lab
        self._place = place
        self._folders = [Path("/etc/netns", lab.space(device)) for device in "rp"]
        self._running: list[subprocess.Popen[str]] = []

    def prepare(self) -> None:
        for folder, hosts in zip(self._folders, (HOSTS, "127.0.0.1 localhost\n"), strict=True):
            folder.mkdir(parents=True)
            (folder / "hosts").write_text(hosts, encoding="ascii")
            (folder / "resolv.conf").write_text(RESOLV, encoding="ascii")
            (folder / "nsswitch.conf").write_text("hosts: files dns\n", encoding="ascii")
        conf = self._place / "dnsmasq.conf"
        conf.write_text(CONF + f"dhcp-leasefile={self._place}/leases\nlog-facility={self._place}/log\nuser=root\n")
        self.begin("r", ["dnsmasq", "-k", "-C", str(conf)])
        until = time.monotonic() + 3
        while time.monotonic() < until and "read /etc/hosts" not in self.log():
            time.sleep(0.02)

    def log(self) -> str:
        path = self._place / "log"
        return path.read_text(encoding="utf-8") if path.exists() else ""

    def leases(self) -> str:
        return (self._place / "leases").read_text(encoding="ascii")

    def resolv_conf(self) -> str:
        return (self._folders[1] / "resolv.conf").read_text(encoding="ascii")

    def begin(self, device: str, command: list[str]) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            ["ip", "netns", "exec", self.lab.space(device), *command],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self._running.append(process)
        return process

    def run(self, device: str, line: str) -> tuple[str, int]:
        process = self.begin(device, line.split())
        text, _ = process.communicate(timeout=40)
        return text, process.returncode

    def clean(self) -> None:
        for process in self._running:
            if process.poll() is None:
                process.terminate()
            process.communicate(timeout=5)
        for folder in self._folders:
            shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def reality(place: Path, *, fixed: bool) -> Iterator[Real]:
    with KernelLab(network(fixed=fixed)) as lab:
        real = Real(lab, place)
        try:
            real.prepare()
            yield real
        finally:
            real.clean()


@pytest.fixture(scope="module")
def answers(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[str, int]]:
    """What every question is answered in reality. Only one real laboratory may stand: this one is gone afterwards."""
    with reality(tmp_path_factory.mktemp("dnsmasq"), fixed=True) as made:
        return {line: made.run("p", line) for line in QUESTIONS}


@pytest.fixture(scope="module")
def simulated() -> SimEngine:
    engine = SimEngine()
    engine.start(network(fixed=True))
    return engine


def plain(text: str) -> list[str]:
    for pattern, instead in (
        (r"DiG [0-9][^ ]*", "DiG V"),
        (r"\bid: \d+", "id: N"),
        (r"Query time: \d+", "Query time: N"),
        (r"WHEN: .*", "WHEN"),
        (r"renewal in \d+ seconds", "renewal in N seconds"),
        (r"interval \d+", "interval N"),
    ):
        text = re.sub(pattern, instead, text)
    return [line.rstrip() for line in text.splitlines()]


@pytest.mark.parametrize("line", QUESTIONS)
def test_simulated_answer_is_the_real_answer(
    line: str, answers: dict[str, tuple[str, int]], simulated: SimEngine
) -> None:
    text, status = answers[line]
    output = simulated.run("p", line)
    assert (plain(output.text), output.status) == (plain(text), status)


def test_simulated_journal_is_the_real_log(tmp_path: Path) -> None:
    """Start, leases, questions and answers."""
    lines = ["dig +short cam.home", "dig +short nono.home", "dig +short -x 10.0.0.20", "dig +short outside.example"]
    with reality(tmp_path, fixed=True) as real:
        for line in lines:
            real.run("p", line)
        written = re.sub(r"(?m)^\w+ +\d+ [0-9:]+ (dnsmasq(?:-dhcp)?)\[\d+\]: ", r"\1: ", real.log())
    engine = SimEngine()
    engine.start(network(fixed=True))
    for line in lines:
        engine.run("p", line)
    journal = [line for line in engine.node("r").units.journal if line.unit == "dnsmasq"]
    ours = [f"{line.identifier}: {line.text}".rstrip() for line in journal]
    theirs = [line.rstrip() for line in written.splitlines()]
    assert ours == theirs


def test_simulated_client_gets_what_the_real_client_gets(tmp_path: Path) -> None:
    """The same MAC address, so the same address: the choice is a hash."""
    with reality(tmp_path, fixed=False) as real:
        files = f"-pf {tmp_path}/pid -lf {tmp_path}/client"
        text, status = real.run("p", f"timeout 20 dhclient -v -1 {files} eth0")
        real_route = real.run("p", "ip -4 route")[0]
        real_address = real.run("p", "ip -4 -o addr show eth0")[0].split()[3]
        real_lease = real.leases().split()
        real_resolv = real.resolv_conf()
        real.run("p", f"timeout 20 dhclient -r {files} eth0")
        log = [line.split(": ", 1)[1].rstrip() for line in real.log().splitlines() if "dnsmasq-dhcp" in line]
        remaining = real.leases()
    engine = SimEngine()
    engine.start(network(fixed=False))
    output = engine.run("p", "dhclient -v -1 eth0")
    node, router = engine.node("p"), engine.node("r")
    assert (plain(output.text), output.status) == (plain(text), status)
    assert str(node.interfaces["eth0"].addresses[0]) == real_address
    assert engine.run("p", "ip -4 route").text.split() == real_route.split()
    assert node.files.get("/etc/resolv.conf") == real_resolv
    ours = router.files.get("/var/lib/misc/dnsmasq.leases").split()
    name = [len(real_lease) - 2]
    assert [word for i, word in enumerate(ours) if i not in (0, *name)] == [
        word for i, word in enumerate(real_lease) if i not in (0, *name)
    ]
    engine.run("p", "dhclient -r eth0")
    engine.wait(10**9)
    said = [line.text.rstrip() for line in router.units.journal if line.identifier == "dnsmasq-dhcp"]
    with_name = re.compile(r"(DHCPACK.*) \S+$")
    assert [with_name.sub(r"\1", line) for line in said] == [with_name.sub(r"\1", line) for line in log]
    assert router.files.get("/var/lib/misc/dnsmasq.leases") == remaining == ""


def test_simulated_tcpdump_prints_what_the_real_one_prints(tmp_path: Path) -> None:
    traffic = ["ping -c 1 10.0.0.1", "dig +short cam.home", "dig +short nono.home", "dig +short -x 10.0.0.20"]
    count = 10
    order = f"tcpdump -n -t -i eth0 -c {count}"
    with reality(tmp_path, fixed=True) as real:
        capture = real.begin("p", ["timeout", "20", *order.split()])
        time.sleep(0.7)
        for line in traffic:
            real.run("p", line)
        text, _ = capture.communicate(timeout=20)
    engine = SimEngine()
    engine.start(network(fixed=True))
    engine.run("p", f"{order} > /root/seen 2>&1 &")
    for line in traffic:
        engine.run("p", line)
    engine.run("p", "")

    def without_numbers(captured: str) -> list[str]:
        captured = re.sub(r"\bid \d+", "id N", captured)
        captured = re.sub(r"(10\.0\.0\.5)\.\d+", r"\1.P", captured)
        captured = re.sub(r": \d+(\+|\*| )", r": N\1", captured)
        captured = re.sub(r"\? (\S+) \(\d+\)", r"? \1 (L)", captured)  # dig sends a cookie
        return [line for line in captured.splitlines() if "received by filter" not in line]

    assert without_numbers(engine.node("p").files.get("/root/seen")) == without_numbers(text)


# Bytes


def test_real_dnsmasq_reads_our_dhcp_and_we_read_its(tmp_path: Path) -> None:
    with reality(tmp_path, fixed=True) as real, real.lab.inside("p"):
        mac = real.lab.site.devices["p"].ports[0].mac
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as handle:
            handle.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
            handle.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b"eth0\0")
            handle.bind(("0.0.0.0", dhcp.CLIENT_PORT))
            handle.settimeout(5)
            options = (
                (int(Option.MESSAGE_TYPE), bytes([MessageType.DISCOVER])),
                (int(Option.HOSTNAME), b"till"),
                (int(Option.PARAMETER_LIST), bytes([1, 3, 6, 15, 42])),
            )
            ask = DhcpMessage(dhcp.BOOTREQUEST, 0x12345678, mac, options, broadcast=True)
            handle.sendto(dhcp.encode(ask), ("255.255.255.255", dhcp.SERVER_PORT))
            offer = dhcp.decode(handle.recv(2048))
    assert (offer.type, offer.xid, offer.chaddr) == (MessageType.OFFER, 0x12345678, mac)
    assert str(offer.address(Option.SERVER_IDENTIFIER)) == "10.0.0.1"
    assert offer.number(Option.LEASE_TIME) == 43_200
    assert [str(address) for address in offer.addresses(Option.NTP_SERVER)] == ["10.0.0.1"]
    assert offer.text(Option.DOMAIN_NAME) == "home"
    assert dhcp.decode(dhcp.encode(offer)) == offer


@contextmanager
def datagrams(place: Path) -> Iterator[tuple[Real, socket.socket]]:
    """A UDP socket of the machine beside a real dnsmasq."""
    with (
        reality(place, fixed=True) as real,
        real.lab.inside("p"),
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as handle,
    ):
        handle.settimeout(3)
        yield real, handle


def test_real_dnsmasq_reads_our_dns_and_we_read_its(tmp_path: Path) -> None:
    with datagrams(tmp_path) as (_, handle):
        for name, kind in (
            ("cam.home", RecordType.A),
            ("20.0.0.10.in-addr.arpa", RecordType.PTR),
            ("no.home", RecordType.A),
        ):
            handle.sendto(dns.encode(DnsMessage(7, (Question(name, int(kind)),))), ("10.0.0.1", 53))
            data = handle.recv(2048)
            answer = dns.decode(data)
            assert (answer.identifier, answer.response, answer.questions[0].name) == (7, True, name)
            assert dns.encode(answer) == data


def test_real_dig_reads_our_dns(tmp_path: Path) -> None:
    with datagrams(tmp_path) as (real, handle):
        handle.bind(("10.0.0.5", 5353))
        dig = real.begin("p", "dig +short +time=2 +tries=1 @10.0.0.5 -p 5353 www.home".split())
        with suppress(TimeoutError):
            data, peer = handle.recvfrom(2048)
            query = dns.decode(data)
            assert (query.udp_size, query.recursion_desired) == (1232, True)
            records = (
                Record("www.home", int(RecordType.CNAME), 60, "cam.home"),
                Record("cam.home", int(RecordType.A), 60, dhcp.ZERO),
            )
            handle.sendto(dns.encode(DnsMessage(query.identifier, query.questions, records, response=True)), peer)
        assert dig.communicate(timeout=10)[0] == "cam.home.\n0.0.0.0\n"

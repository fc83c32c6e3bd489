"""`netwerf doctor` on machines that are not this one: what is there, what lacks, what that excludes, what to do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from labs.engines.base import SandboxMissing
from labs.engines.kernel.selftest import SelfTest
from labs.engines.kernel.survey import FEATURES, Answer, Host, survey
from labs.engines.kernel.users import User
from labs.ui.doctor import tell
from labs.ui.doctor_kernel import kernel_findings
from labs.ui.style import Screen

FINE = SelfTest(412.3, 0.061, 3.4, 21.8)


class FakeHost(Host):
    """A machine of which the test says what is installed and what its kernel can."""

    platform = "linux"

    def __init__(
        self,
        *,
        without: Sequence[str] = (),
        lacks: Sequence[str] = (),
        refused: str = "",
        files: dict[str, str] | None = None,
        mininet: str = "2.3.0.dev6",
    ) -> None:
        self.without, self.lacks, self.refused, self.mininet = without, lacks, refused, mininet
        self.files = {
            "/proc/sys/net/ipv4/neigh/default/gc_thresh3": "1024\n",
            "/proc/net/stat/arp_cache": "entries  allocs\n00000010  0\n",
            "/etc/subuid": "els:165536:65536\nan:100000:65536\n",
            "/etc/subgid": "an:100000:65536\n",
            **(files or {}),
        }

    @property
    def is_root(self) -> bool:
        return False

    @property
    def user(self) -> User:
        return User(1000, "an", self.read)

    def tool(self, name: str) -> str:
        return "" if name in self.without else f"/usr/bin/{name}"

    def run(self, argv: Sequence[str]) -> Answer:
        if argv[0] != "unshare":
            return Answer(0, f"{argv[0].rpartition('/')[2]} version 1.2.3\n")
        if self.refused:
            return Answer(1, err=f"unshare: {self.refused}\n")
        return Answer(0, "begun\n" + "".join(f"{name}\n" for name in FEATURES if name not in self.lacks))

    def read(self, path: str) -> str:
        return self.files.get(path, "")

    def module(self, name: str) -> str:
        return self.mininet if name == "mininet" else ""


def said(capsys, host, test=FINE, language="en") -> str:
    """What the doctor prints about the engine kernel."""
    for finding in kernel_findings(host, lambda: test):
        tell(Screen(language), finding)
    return capsys.readouterr().out


@pytest.fixture(autouse=True)
def wide(monkeypatch):
    monkeypatch.setenv("COLUMNS", "100")


@pytest.mark.parametrize("language", ["en", "nl"])
def test_machine_without_modules_and_two_daemons_looks_as_recorded(capsys, golden, language):
    host = FakeHost(without=["chronyd", "mosquitto"], lacks=["vlan", "vlan_filtering", "netem", "numgen"])
    golden(f"ui/doctor-partial.{language}.txt", said(capsys, host, language=language))


def test_machine_with_everything_has_no_lack(capsys):
    text = said(capsys, FakeHost())
    assert "✖" not in text
    assert "–" not in text
    assert "gone after 22 ms: no process, namespace or mount is left" in text


@pytest.mark.parametrize(
    ("lacks", "words"),
    [
        ([], "tunnels by the kernel"),
        (["gre", "ipip"], "tunnels by a process of ours over TUN devices, since this kernel has none"),
        (["gre", "ipip", "tun"], "tunnels labs with GRE or IPIP tunnels are played on the engine sim"),
    ],
)
def test_who_does_the_tunnels_is_named(capsys, lacks, words):
    assert words in " ".join(said(capsys, FakeHost(lacks=lacks)).split())


@pytest.mark.parametrize(
    ("host", "words"),
    [
        (FakeHost(without=["bwrap", "nft", "dhclient"]),
         ["lacks nft, bwrap", "sudo apt-get install nftables bubblewrap isc-dhcp-client"]),
        (FakeHost(mininet=""), ["lacks Mininet", 'pip install "netwerf[kernel]"']),
        (FakeHost(refused="unshare failed: Operation not permitted",
                  files={"/proc/sys/kernel/apparmor_restrict_unprivileged_userns": "1\n"}),
         ["Operation not permitted", "sysctl -w kernel.apparmor_restrict_unprivileged_userns=0"]),
        (FakeHost(refused="unshare failed: No space left on device",
                  files={"/proc/sys/user/max_user_namespaces": "0\n"}), ["user.max_user_namespaces=10000"]),
        (FakeHost(refused="unshare failed: Operation not permitted",
                  files={"/proc/self/status": "Name:\tx\nSeccomp:\t2\n"}), ["a container forbids it"]),
        (FakeHost(without=["newuidmap"]), ["lacks newuidmap", "sudo apt-get install uidmap"]),
        (FakeHost(files={"/etc/subgid": "els:100000:65536\n"}),
         ["/etc/subuid or /etc/subgid keeps no numbers for an", "sudo usermod --add-subuids 231072-296607"]),
        (FakeHost(lacks=["fwd", "ct"]), ["this kernel lacks ct, fwd"]),
    ],
)  # fmt: skip
def test_machine_on_which_the_engine_cannot_run_gets_the_cause_and_the_mending(capsys, host, words):
    text = " ".join(said(capsys, host).split())
    assert text.startswith("– engine kernel")
    for word in words:
        assert word in text
    assert "self-test" not in text


def test_other_systems_get_one_line(capsys):
    host = FakeHost()
    host.platform = "win32"
    assert said(capsys, host) == "  – engine kernel         needs Linux; every lab works on the engine sim\n"


def test_self_test_that_fails_or_leaves_something_says_so(capsys):
    text = said(capsys, FakeHost(), replace(FINE, failed="TCP: no answer", left=("process 7",)))
    assert "✖ self-test             TCP: no answer" in text
    assert "✖ afterwards            left behind: process 7" in text


def test_self_test_that_raises_is_one_line(capsys):
    def refuse() -> SelfTest:
        raise SandboxMissing("the sandbox does not hold")

    for finding in kernel_findings(FakeHost(), refuse):
        tell(Screen("en"), finding)
    assert capsys.readouterr().out.endswith("✖ self-test             the sandbox does not hold\n")


@pytest.mark.parametrize(("limit", "used", "hosts"), [(1024, 0, 30), (1024, 900, 5), (16384, 0, 121), (0, 0, 0)])
def test_largest_site_follows_from_the_neighbour_table(limit, used, hosts):
    files = {
        "/proc/sys/net/ipv4/neigh/default/gc_thresh3": f"{limit}",
        "/proc/net/stat/arp_cache": f"entries\n{used:08x}\n",
    }
    assert survey(FakeHost(files=files)).most_hosts == hosts


def test_real_machine_is_looked_at_without_a_traceback():
    found = survey()
    assert found.platform
    assert len(found.features) in (0, len(FEATURES))

"""A site on the real kernel: it boots from its files, answers lines, and hands can work on it."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace

import pytest

from grader.grade import judge
from labs.engines.base import CommandRejected, EngineUnavailable
from labs.engines.kernel import KernelEngine
from labs.engines.kernel.codec import decode, encode
from labs.engines.kernel.device.services import CATALOGUE
from labs.engines.sim import SimEngine
from labs.journal import Header
from labs.model.world import ARRIVAL_NS
from labs.scenario.library import find_scenario
from labs.scenario.variant import draw
from labs.shell.services import UNITS
from labs.version import version
from tests.engines.kernel.kernel_site import needs_kernel, running, two_networks

pytestmark = needs_kernel


@pytest.fixture(scope="module")
def lab():
    with running(two_networks()) as engine:
        yield engine


def text(lab: KernelEngine, place: str, line: str) -> str:
    return lab.run(place, line).text


def test_site_just_started_the_trainee_arrives(lab):
    assert 0 <= lab.now - ARRIVAL_NS < 30_000_000_000


@pytest.mark.parametrize("tool", ["sensorctl", "gatewayctl", "rulesctl", "dashboard"])
def test_device_is_no_thing_the_tools_of_things_say_so_as_on_the_simulator(lab, tool):
    simulated = SimEngine()
    simulated.start(two_networks())
    assert lab.run("pc", tool) == simulated.run("pc", tool)


def test_ifdown_is_asked_only_to_tell_it_refuses_and_takes_nothing_down(lab):
    told = lab.run("tv", "ifdown -n eth0")
    assert told == ('ifdown: "-n" is not implemented on this engine\n', 1)
    assert "10." in lab.run("tv", "ip -4 -br addr show eth0").text


def test_booted_device_has_what_its_files_say(lab):
    assert text(lab, "pc", "hostname") == "pc\n"
    assert "10.0.0.2/24" in text(lab, "pc", "ip -br addr show eth0")
    assert "default via 10.0.0.1 dev eth0" in text(lab, "pc", "ip route")
    assert text(lab, "gw", "cat /proc/sys/net/ipv4/ip_forward") == "1\n"


def test_ports_have_the_addresses_of_the_site(lab):
    port = two_networks().devices["gw"].port("wan")
    assert str(port.mac) in text(lab, "gw", "ip -br link show wan")


def test_ping_through_switch_and_router_loses_one_hop(lab):
    assert "ttl=64" in text(lab, "pc", "ping -c 1 -W 1 10.0.0.3")
    assert "ttl=63" in text(lab, "pc", "ping -c 1 -W 1 10.9.0.2")


def test_login_the_shell_is_another_and_jobs_of_the_one_before_go_on(lab):
    text(lab, "tv", "hostname() { echo mine; }; cd /tmp; (sleep 2; touch /root/done) &")
    lab.login()
    assert text(lab, "tv", "hostname; pwd") == "tv\n/root\n"
    assert text(lab, "tv", "sleep 3; ls /root/done") == "/root/done\n"


def test_session_keeps_directory_and_variables(lab):
    text(lab, "tv", "cd /tmp; colour=green")
    assert text(lab, "tv", "pwd; echo $colour") == "/tmp\ngreen\n"


def test_unknown_command_reads_as_in_an_interactive_shell(lab):
    assert lab.run("tv", "nosuchthing") == ("-bash: nosuchthing: command not found\n", 127)


def test_shell_that_ends_is_replaced(lab):
    assert lab.run("tv", "exit 3").status == 3
    assert text(lab, "tv", "echo again") == "again\n"


def test_unplugged_lead_takes_the_carrier_and_keeps_the_address(lab):
    assert text(lab, "hands", "unplug tv:eth0") == "The lead tv:eth0 - sw:p2 is out.\n"
    assert text(lab, "tv", "cat /sys/class/net/eth0/carrier") == "0\n"
    assert text(lab, "sw", "cat /sys/class/net/p2/carrier") == "0\n"
    assert "10.0.0.3/24" in text(lab, "tv", "ip addr show eth0")
    assert text(lab, "hands", "patch tv:eth0 sw:p4") == "A lead runs from tv:eth0 to sw:p4.\n"
    assert "1 received" in text(lab, "tv", "ping -c 1 -W 2 10.0.0.2")


def test_port_switched_off_is_dark_at_the_far_end(lab):
    lab.run("srv", "ip link set eth0 down")
    assert text(lab, "gw", "sleep 0.1; cat /sys/class/net/wan/carrier") == "0\n"
    lab.run("srv", "ip link set eth0 up; ip route add default via 10.9.0.1")
    assert text(lab, "gw", "sleep 0.1; cat /sys/class/net/wan/carrier") == "1\n"


def test_power_cut_forgets_what_was_typed_and_keeps_files(lab):
    lab.run("srv", "ip addr add 10.9.0.77/24 dev eth0; echo kept > /etc/note")
    assert text(lab, "hands", "power cycle srv").endswith("srv is on again.\n")
    assert text(lab, "srv", "cat /etc/note") == "kept\n"
    assert "10.9.0.77" not in text(lab, "srv", "ip addr")
    assert "1 received" in text(lab, "pc", "ping -c 1 -W 2 10.9.0.2")


def test_device_without_power_does_not_react(lab):
    lab.run("hands", "power off tv")
    assert lab.run("tv", "ls") == ("tv does not react: it has no power.\n", 255)
    lab.run("hands", "power on tv")


def test_deleted_port_comes_back_unconfigured(lab):
    lab.run("tv", "ip link del eth0")
    assert "eth0" in text(lab, "tv", "ip -br link")
    lab.run("tv", "systemctl restart networking")


def test_unknown_place_is_refused(lab):
    with pytest.raises(CommandRejected, match='there is no place "attic"'):
        lab.run("attic", "ls")


def test_systemctl_and_journal_tell_of_the_boot(lab):
    status = text(lab, "gw", "systemctl status networking")
    assert status.startswith("● networking.service - Raise network interfaces\n")
    assert "active (exited)" in status
    assert "Finished networking.service" in text(lab, "gw", "journalctl -u networking")


def test_observed_site_has_addresses_routes_and_files(lab):
    seen = lab.observe()
    state = seen.devices["pc"].state
    assert [str(a) for a in state.addresses()] == ["10.0.0.2/24"]
    assert any(str(r.prefix) == "0.0.0.0/0" and str(r.via) == "10.0.0.1" for r in state.routes)
    assert seen.devices["gw"].files["/etc/sysctl.conf"] == "net.ipv4.ip_forward=1\n"
    assert set(two_networks().devices["gw"].files) <= set(seen.devices["gw"].files)


def test_file_is_read_byte_for_byte(lab):
    assert lab.read_file("pc", "/etc/hostname") == b"pc\n"
    with pytest.raises(CommandRejected, match="No such file"):
        lab.read_file("pc", "/etc/nothing")


def test_site_on_the_wire_comes_back_the_same():
    made = two_networks()
    assert decode(encode(made)) == made


def test_site_that_the_kernel_cannot_do_is_refused_by_name():
    made = two_networks()
    slow = replace(made.links[0], delay_ns=20_000_000)
    unknown = made.devices["pc"].with_file("/etc/systemd/system/multi-user.target.wants/teleport.service", "")
    with pytest.raises(EngineUnavailable, match="no service teleport, and pc needs it"):
        KernelEngine().start(made.with_device(unknown))
    netem = "ip link add name v type veth peer name w && tc qdisc add dev v root netem delay 1ms"
    if subprocess.run(["unshare", "--net", "sh", "-c", netem], capture_output=True, check=False).returncode:
        with pytest.raises(EngineUnavailable, match=r"cannot delay packets .* pc:eth0 -- sw:p1 needs it"):
            KernelEngine().start(replace(made, links=(slow, *made.links[1:])))


def test_units_are_called_as_on_the_simulator():
    for name, unit in CATALOGUE.items():
        same = UNITS[name]
        assert (unit.description, unit.command, unit.config, unit.oneshot) == (
            same.description, same.command, same.config, same.oneshot,
        )  # fmt: skip


def test_bakery_earns_the_same_points_on_both_engines():
    scenario = find_scenario("bakery-address-clash")
    variant = draw(scenario, "3")
    seen = {}
    for engine in ("sim", "kernel"):
        header = Header(scenario.id, scenario.digest, "3", engine, version())
        grade = judge(variant, header, site=variant.broken)
        seen[engine] = {result.id: result.verdict for result in grade.results if result.id != "terminal-pays"}
    assert seen["kernel"] == seen["sim"]


def test_engine_is_loaded_the_shell_of_the_simulator_stays_out():
    loaded = "print([name for name in sys.modules if name.startswith('labs.shell.bash')])"
    code = f"import sys, labs.engines.kernel.lab.process; {loaded}"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"

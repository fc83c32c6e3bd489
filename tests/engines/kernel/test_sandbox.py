"""What is typed stays in the device: it sees nothing of the host and can do nothing to it."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from labs.engines.base import SandboxMissing
from labs.engines.kernel import engine as kernel
from labs.engines.kernel.sandbox.bubblewrap import SandboxError, check_proof, seccomp_program
from tests.engines.kernel.kernel_site import device, needs_kernel, running, site

pytestmark = needs_kernel


@pytest.fixture(scope="module")
def lab():
    files = {"/etc/inetd.conf": "7777 stream tcp nowait root /bin/cat cat\n"}
    with running(site([device("pc", "host", {"eth0": "10.0.0.2/24"}, files, units=("inetd",))], [])) as engine:
        yield engine


@pytest.mark.parametrize(
    "line",
    [
        "mount -t tmpfs none /mnt",
        "mount --bind /etc /mnt",
        "umount /proc",
        "unshare -n true",
        "unshare -r true",
        "nsenter -t 1 -m true",
        "nsenter -t 1 -n true",
        "mknod /tmp/disk b 8 0",
        "chroot / true",
        "date -s 2001-01-01",
        "dmesg",
        "modprobe dummy",
        "sh -c 'echo h > /proc/sysrq-trigger'",
        "sh -c 'echo x > /proc/sys/kernel/hostname'",
        "sh -c 'echo 1 > /proc/sys/vm/drop_caches'",
        "touch /usr/bin/mine",
        "touch /usr/local/sbin/mine",
        "touch /dev/mine",
        "cat /proc/1/environ",
        "ls /proc/1/root/",
        "ls -d /boot",
        "kill -9 1 && ! kill -0 1",
        "strace true",
    ],
)
def test_line_that_reaches_beyond_the_device_fails(lab, line):
    assert lab.run("pc", line).status != 0


STATUS = "grep -h -e ^Seccomp: -e ^NoNewPrivs: /proc/self/status"


def test_what_a_file_has_a_daemon_run_passes_the_filter_too():
    files = {
        "/etc/inetd.conf": "4444 stream tcp nowait root /bin/sh sh /srv/told\n",
        "/srv/told": f"{STATUS}\nunshare -n true && echo free\n",
        "/etc/network/interfaces": f"auto lo\niface lo inet loopback\n    up {STATUS} > /run/hook\n",
    }
    with running(site([device("pc", "server", {"eth0": ""}, files, units=["inetd"])], [])) as engine:
        for told in (engine.run("pc", "nc -w 2 127.0.0.1 4444 </dev/null"), engine.run("pc", "cat /run/hook")):
            assert told.text.split() == ["NoNewPrivs:", "1", "Seccomp:", "2"]
        listed = engine.run("pc", "awk '/^Name:/ {name = $2} /^Seccomp:/ {print name, $2}' /proc/[0-9]*/status").text
        modes = dict(line.split() for line in listed.splitlines())
        assert {"inetd", "bash"} <= modes.keys()
        assert {name for name, mode in modes.items() if mode != "2"} <= {"bwrap", "python", "python3"}  # bwrap and init


def test_people_of_the_host_are_not_to_be_seen(lab):
    names = set(lab.run("pc", "cut -d: -f1 /etc/passwd").text.split())
    accounts = [line.split(":") for line in Path("/etc/passwd").read_text(encoding="utf-8").splitlines()]
    people = {words[0] for words in accounts if 1000 <= int(words[2]) < 60_000}
    assert not names & people
    assert lab.run("pc", "cat /etc/shadow").text.startswith("root:*:")


def test_processes_of_the_host_are_not_to_be_seen(lab):
    assert int(lab.run("pc", "ps ax | wc -l").text) < 15


def test_network_of_the_device_is_its_own_to_change(lab):
    assert lab.run("pc", "sysctl -w net.ipv4.ip_forward=1 && ip addr add 10.7.0.1/24 dev eth0").status == 0
    assert lab.run("pc", "nft add table ip mine && nft list tables").text == "table ip mine\n"
    assert "192.168" not in lab.run("pc", "ip route").text


def test_flood_of_output_is_cut(lab):
    output = lab.run("pc", "head -c 3000000 /dev/zero | tr '\\0' x")
    assert len(output.text) < 300_000
    assert "output cut after" in output.text


def test_flood_of_processes_is_stopped(lab):
    assert lab.run("pc", "bomb() { bomb | bomb & }; bomb; sleep 20").status != 0
    assert lab.run("pc", "echo alive").text == "alive\n"
    assert int(lab.run("pc", "ps ax | wc -l").text) < 20
    assert lab.run("pc", "systemctl is-active inetd").text == "active\n"


def test_memory_has_a_limit(lab):
    assert lab.run("pc", "head -c 1500000000 /dev/zero | tail -c 1400000000 > /dev/null").status != 0


def test_endless_command_is_interrupted(lab):
    output = lab.run("pc", "ping 127.0.0.1")
    assert "^C" in output.text
    assert "packets transmitted" in output.text


def test_line_that_does_not_hear_ctrl_c_goes_and_the_daemons_of_the_device_stay(lab):
    stubborn = "trap '' INT; setsid bash -c 'while :; do sleep 1; done' & while :; do tail -f /dev/null; done"
    output = lab.run("pc", stubborn)
    assert "^C" in output.text
    assert output.status != 0
    assert lab.run("pc", "echo alive").text == "alive\n"
    assert lab.run("pc", "systemctl is-active inetd; ss -tln | grep -c :7777").text == "active\n1\n"


def test_proof_that_fails_refuses_the_lab():
    with pytest.raises(SandboxError, match="a device node can be made"):
        check_proof("netwerf-proof: a device node can be made\n")
    with pytest.raises(SandboxError, match="does not hold: bwrap: no"):
        check_proof("bwrap: no\n")


def test_machine_without_bubblewrap_is_refused(monkeypatch):
    real = shutil.which
    monkeypatch.setattr(kernel.shutil, "which", lambda name, **more: None if name == "bwrap" else real(name, **more))
    with pytest.raises(SandboxMissing, match="bubblewrap"):
        kernel.check_machine()


def test_filter_of_system_calls_is_for_machines_that_are_known():
    assert len(seccomp_program("x86_64")) % 8 == 0
    with pytest.raises(SandboxError, match="vax"):
        seccomp_program("vax")

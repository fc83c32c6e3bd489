"""Daemons of Debian that start from the files of a device, and say in its journal what they would say there."""

from __future__ import annotations

import pytest

from tests.engines.kernel.kernel_site import device, needs_kernel, running, site

pytestmark = needs_kernel

FILES = {
    "/etc/ssh/sshd_config": "Port 22\n",
    "/etc/chrony/chrony.conf": "local stratum 8\nallow 10.0.0.0/24\n",
    "/etc/dnsmasq.conf": "port=0\n",
    "/etc/mosquitto/mosquitto.conf": "listener 1883\nallow_anonymous true\n",
    "/etc/sensor.toml": """[sensor]
name = "srv"
quantity = "temperature"
unit = "C"
interval_s = 30

[mqtt]
host = "10.0.0.1"
port = 1883
topic = "a"
client_id = "srv"
username = ""
password = ""
retain = false
qos = 0
""",
    "/etc/rsyslog.conf": 'module(load="imudp")\ninput(type="imudp" port="514")\n*.* /var/log/all.log\n',
}


@pytest.fixture(scope="module")
def lab():
    server = device("srv", "server", {"eth0": "10.0.0.1/24"}, FILES, units=("ssh", "chrony", "rsyslog", "mosquitto"))
    with running(site([device("pc", "host", {"eth0": "10.0.0.2/24"}), server], ["pc:eth0 srv:eth0"])) as engine:
        yield engine


def test_ssh_server_greets_and_its_journal_has_no_carriage_returns(lab):
    assert lab.run("pc", "echo | nc -w 1 10.0.0.1 22").text.startswith("SSH-2.0-OpenSSH")
    journal = lab.run("srv", "journalctl -u ssh").text
    assert "Server listening on 0.0.0.0 port 22.\n" in journal
    assert "\r" not in journal


def test_time_server_answers_and_has_its_folders(lab):
    assert "Stratum         : 8" in lab.run("srv", "chronyc -n tracking").text
    journal = lab.run("srv", "journalctl -u chrony").text
    assert "]: chronyd version" in journal
    assert "Wrong" not in journal
    asked = lab.run("pc", "timeout 12 chronyd -Q -t 9 'server 10.0.0.1 iburst'")
    assert asked.status == 0, asked.text
    assert "System clock wrong by" in asked.text


def test_log_server_takes_what_others_send(lab):
    lab.run("pc", "logger -n 10.0.0.1 -P 514 -d hello; sleep .3")
    assert lab.run("srv", "cat /var/log/all.log").text.endswith("pc root hello\n")


def test_child_that_is_killed_says_nothing_of_a_terminal(lab):
    assert lab.run("pc", "timeout -s KILL 0.2 sleep 5") == ("", 137)


@pytest.mark.parametrize("unit", ["dnsmasq", "mosquitto", "ssh", "chrony", "sensor"])
def test_daemon_with_a_bad_line_in_its_file_systemctl_tells_that_it_failed(lab, unit):
    path = lab.run("srv", f"ls /etc/{unit}.* /etc/*/{unit}*.conf /etc/{unit}/sshd_config 2>/dev/null").text.split()[0]
    lab.run("srv", f"cp {path} /root/good; echo 'nonsense nonsense' >> {path}")
    told = lab.run("srv", f"systemctl restart {unit}")
    assert told.text.startswith(f"Job for {unit}.service failed because the control process exited with error code.\n")
    assert told.status == 1
    assert lab.run("srv", f"systemctl is-active {unit}").text == "failed\n"
    lab.run("srv", f"cp /root/good {path}")
    assert lab.run("srv", f"systemctl restart {unit}") == ("", 0)
    assert lab.run("srv", f"systemctl is-active {unit}").text == "active\n"


def test_daemon_that_is_killed_its_unit_failed_by_a_signal(lab):
    lab.run("srv", "systemctl start mosquitto")
    lab.run("srv", "kill -9 $(pgrep -x mosquitto)")
    lab.run("srv", "sleep 0.2")
    assert "Active: failed (Result: signal)" in lab.run("srv", "systemctl status mosquitto").text
    assert "code=killed, status=9/KILL" in lab.run("srv", "journalctl -u mosquitto -n 2").text

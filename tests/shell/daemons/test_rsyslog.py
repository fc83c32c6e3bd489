"""rsyslogd: lines of one device in the files of another."""

from __future__ import annotations

import pytest

from labs.net.rsyslog_conf import message, parse_rsyslog, read_priority
from labs.testing import pass_time, run
from tests.shell.daemons.site import SECOND, machine, pair

SERVER = """module(load="imudp")
input(type="imudp" port="514")
module(load="imtcp")
input(type="imtcp" port="514")
*.* /var/log/remote.log
"""


def test_message_round_trip_and_missing_priority() -> None:
    """RFC 3164: the number in front is facility times eight plus severity."""
    data = message(3, 6, "Jan  1 00:00:00 gw dnsmasq[3]: started")
    assert data.startswith(b"<30>Jan")
    assert read_priority(data) == (3, 6, "Jan  1 00:00:00 gw dnsmasq[3]: started")
    assert read_priority(b"hello\n") == (1, 5, "hello")


@pytest.mark.parametrize("at", ["@", "@@"])
def test_line_of_logger_arrives_on_the_server(at: str) -> None:
    """Over UDP and over TCP."""
    server, plc = pair(
        machine("server", "10.9.9.1", "rsyslog", **{"/etc/rsyslog.conf": SERVER}),
        machine("plc", "10.9.9.2", "rsyslog", **{"/etc/rsyslog.conf": f"*.* {at}10.9.9.1\n"}),
    )
    pass_time(plc, 2 * SECOND)
    run(plc, "logger -t valve 'stuck at 40 %'")
    pass_time(plc, SECOND)
    assert "Jan  1 00:00:02 plc valve: stuck at 40 %\n" in server.files.get("/var/log/remote.log")


def test_selectors_choose_what_goes_where() -> None:
    """The last selector that speaks of a facility decides."""
    conf = "*.*;auth.none /var/log/all\nauth.* -/var/log/auth.log\nkern.warning /var/log/kern.log\n"
    box = machine("box", "10.9.9.1", "rsyslog", **{"/etc/rsyslog.conf": conf})
    run(box, "logger -t sshd secret; logger -t valve open")
    pass_time(box, SECOND)
    assert "sshd: secret" in box.files.get("/var/log/auth.log")
    assert "sshd" not in box.files.get("/var/log/all")
    assert "valve: open" in box.files.get("/var/log/all")
    assert box.files.get("/var/log/kern.log") == ""


def test_server_that_is_away_suspends_a_tcp_action_once() -> None:
    """One complaint, and what was kept arrives later."""
    server, plc = pair(
        machine("server", "10.9.9.1", **{"/etc/rsyslog.conf": SERVER}),
        machine("plc", "10.9.9.2", "rsyslog", **{"/etc/rsyslog.conf": "*.* @@10.9.9.1\n"}),
    )
    run(plc, "logger -t valve early")
    pass_time(plc, 200 * SECOND)
    assert run(plc, "journalctl -u rsyslog").text.count("cannot connect to 10.9.9.1:514: Connection refused") == 1
    run(server, "systemctl start rsyslog")
    pass_time(plc, 60 * SECOND)
    assert "plc valve: early" in server.files.get("/var/log/remote.log")
    assert "resumed" in run(plc, "journalctl -u rsyslog").text


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("foo bar", "error during parsing file C, on or before line 1: warnings occurred in file 'C' around line 1"),
        (
            "*.* @",
            "error during parsing file C, on or before line 1: invalid character '@' - is there an invalid escape",
        ),
        ('input(type="imudp" port="514")', "input module name 'imudp' is unknown"),
        ("$ModLod imudp", "invalid or yet-unknown config file command 'ModLod' - have you forgotten to load a module?"),
        ("foo.info /x", 'unknown facility name "foo"'),
        ("kern.bar /x", 'unknown priority name "bar" [v8.2302.0]'),
        ("", "there are no active actions configured. Inputs would run, but no output whatsoever were created."),
    ],
)
def test_bad_line_is_complained_about(text: str, words: str) -> None:
    """As `rsyslogd -N1` 8.2302 prints them."""
    assert parse_rsyslog(text, "C").complaints[0].startswith(words)


def test_no_rule_fails_the_unit() -> None:
    """A log server that would throw everything away does not start."""
    box = machine("box", "10.9.9.1", "rsyslog", **{"/etc/rsyslog.conf": "# nothing\n"})
    assert run(box, "systemctl is-active rsyslog").text == "failed\n"

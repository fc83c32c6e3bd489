"""chronyd and chronyc: clocks that are wrong, servers that answer, refuse or lie."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labs.net import ntp
from labs.net.chrony_conf import ChronyError, parse_chrony
from labs.net.linux.node import LinuxNode
from labs.net.ntp import Mode, NtpPacket, timestamp, unix_ns
from labs.testing import pass_time, run
from tests.shell.daemons.site import SECOND, machine, pair

SERVER = "local stratum 8\nallow 10.9.9.0/24\n"
CLIENT = "server 10.9.9.1 iburst\nmakestep 1 3\n"


def clocks(server: str = SERVER, client: str = CLIENT) -> tuple[LinuxNode, LinuxNode]:
    """A time server and a client."""
    return pair(
        machine("clock", "10.9.9.1", "chrony", __etc__chrony__chrony_dot_conf=server),
        machine("plc", "10.9.9.2", "chrony", __etc__chrony__chrony_dot_conf=client),
    )


@given(st.integers(0, (1 << 32) * SECOND - SECOND))
def test_timestamp_round_trip_keeps_the_nanosecond(moment: int) -> None:
    """Both eras of the 32-bit second, from 1970 on."""
    assert unix_ns(timestamp(moment)) == moment


def test_packet_round_trip_is_48_bytes() -> None:
    """A header survives the wire."""
    packet = NtpPacket(Mode.SERVER, 0, 3, 6, -25, 15625 * 1000, 0, 0x0A090901, 1, 2, 3, 4)
    data = ntp.encode(packet)
    assert len(data) == 48
    assert data[0] == 0x24
    assert ntp.decode(data) == packet
    with pytest.raises(ValueError, match="48 bytes"):
        ntp.decode(data[:47])


def test_client_with_wrong_clock_is_stepped() -> None:
    """An hour of error is corrected after the third answer, and the journal says so."""
    _, plc = clocks()
    run(plc, "date -s '2026-01-01 01:00'")
    pass_time(plc, 8 * SECOND)
    assert abs(plc.clock_offset_ns) < 1_000_000
    journal = run(plc, "journalctl -u chrony --no-pager").text
    assert "Selected source 10.9.9.1\n" in journal
    assert "System clock was stepped by -3600.0" in journal
    tracking = run(plc, "chronyc -n tracking").text
    assert tracking.startswith("Reference ID    : 0A090901 (10.9.9.1)\nStratum         : 9\n")
    assert tracking.endswith("Leap status     : Normal\n")


def test_sources_show_reach_and_state() -> None:
    """The columns of the real tool, for a source that answers and one that does not."""
    _, plc = clocks(client=CLIENT + "server 10.9.9.77 iburst\n")
    pass_time(plc, 9 * SECOND)
    assert [row.partition(" +/-")[0] for row in run(plc, "chronyc -n sources").text.splitlines()[2:]] == [
        "^* 10.9.9.1                      8   6    17     2     +0ns[   +0ns]",
        "^? 10.9.9.77                     0   6     0     -     +0ns[   +0ns]",
    ]


def test_without_makestep_the_clock_is_slewed() -> None:
    """An error of 60 s needs about twelve minutes; `chronyc makestep` ends the wait."""
    _, plc = clocks(client="server 10.9.9.1 iburst\n")
    run(plc, "date -s '2026-01-01 00:01'")
    pass_time(plc, 120 * SECOND)
    assert 45 * SECOND < plc.clock_offset_ns < 55 * SECOND
    assert "seconds fast of NTP time" in run(plc, "chronyc tracking").text
    assert run(plc, "chronyc makestep") == ("200 OK\n", 0)
    assert abs(plc.clock_offset_ns) < 1_000_000


def test_server_without_allow_stays_unreachable() -> None:
    """No `allow`, no open port: reach stays 0 and the client knows nothing."""
    clock, plc = clocks(server="local stratum 8\n")
    pass_time(plc, 60 * SECOND)
    assert ":123" not in run(clock, "ss -uln").text
    assert "^? 10.9.9.1                      0   6     0     -" in run(plc, "chronyc -n sources").text
    assert "Not synchronised" in run(plc, "chronyc tracking").text


def test_server_that_allows_others_is_silent() -> None:
    """A client outside the allowed network gets no answer."""
    _, plc = clocks(server="local\nallow 10.8.0.0/16\n")
    pass_time(plc, 20 * SECOND)
    assert "     0     -" in run(plc, "chronyc -n sources").text


def test_server_without_local_or_source_is_not_used() -> None:
    """A server that does not know the time says so (leap 3, stratum 0)."""
    _, plc = clocks(server="allow\n")
    pass_time(plc, 20 * SECOND)
    assert "^? 10.9.9.1                      0" in run(plc, "chronyc -n sources").text


def test_name_that_resolves_late_becomes_a_source() -> None:
    """A source is counted as unknown until its name has an address."""
    _, plc = clocks(client="server clock.lan iburst\n")
    pass_time(plc, SECOND)
    assert "1 sources with unknown address" in run(plc, "chronyc activity").text
    run(plc, "echo 10.9.9.1 clock.lan >> /etc/hosts")
    pass_time(plc, 60 * SECOND)
    assert "^* clock.lan" in run(plc, "chronyc sources").text
    assert "Selected source 10.9.9.1 (clock.lan)" in run(plc, "journalctl -u chrony").text


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("server", "Could not parse server directive at line 1 in file /c"),
        ("servr a", "Invalid directive at line 1 in file /c"),
        ("server 10.0.0.1 ibrst", "Could not parse server directive at line 1 in file /c"),
        ("local stratum", "Could not parse local directive at line 1 in file /c"),
        ("makestep 1", "Missing arguments for makestep directive at line 1 in file /c"),
        ("makestep a b", "Could not parse makestep directive at line 1 in file /c"),
        ("allow 10.0.0.0/99", "Bad subnet in 10.0.0.0/99"),
    ],
)
def test_bad_line_is_refused_in_the_words_of_chronyd(line: str, words: str) -> None:
    """As chronyd 4.3 prints them."""
    with pytest.raises(ChronyError) as caught:
        parse_chrony(line, "/c")
    assert str(caught.value) == words


def test_bad_file_fails_the_unit() -> None:
    """The reason stands in the journal, and chronyc has nobody to talk to."""
    _, plc = clocks(client="# mine\nsrver 10.9.9.1\n")
    status = run(plc, "systemctl status chrony").text
    assert "Fatal error : Invalid directive at line 2 in file /etc/chrony/chrony.conf" in status
    assert "Active: failed" in status
    assert run(plc, "chronyc tracking") == ("506 Cannot talk to daemon\n", 1)
    assert run(plc, "chronyc foo") == ("Unrecognized command\n", 1)


def test_board_without_battery_starts_at_the_saved_time() -> None:
    """fake-hwclock sets the clock at boot; without a time server the device lives in the past."""
    plc = machine("plc", "10.9.9.2", "fake-hwclock", **{"/etc/fake-hwclock.data": "2020-01-01 00:00:00\n"})
    plc.files.write("/etc/fake-hwclock.data", "2024-05-06 07:08:09\n")
    run(plc, "reboot")
    pass_time(plc, 10 * SECOND)
    assert run(plc, "date +%F").text == "2024-05-06\n"

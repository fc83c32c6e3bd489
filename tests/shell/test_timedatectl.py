"""The zone of a device: timedatectl sets it, date and rules follow it, and a fault in it shows there."""

from __future__ import annotations

import pytest

from labs.faults import CATALOGUE
from labs.faults.fault import FaultError
from labs.net.strftime import clock_text
from labs.scenario.library import parse_scenario
from labs.scenario.variant import draw
from labs.shell.daemons.rules import load_rule_book
from labs.shell.system_clock import local_text
from labs.testing import run
from labs.things.timezone import zone
from tests.control_site import RULES, control
from tests.shell.daemons.site import machine

SUMMER, WINTER = 1_777_000_000, 1_790_000_000 + 10_000_000  # 2026-04-24, 2027-01-14
STATUS = """               Local time: Tue 2026-04-14 09:00:00 CEST
           Universal time: Tue 2026-04-14 07:00:00 UTC
                 RTC time: Tue 2026-04-14 07:00:00
                Time zone: Europe/Brussels (CEST, +0200)
System clock synchronized: no
              NTP service: n/a
          RTC in local TZ: no
"""


@pytest.fixture
def node():
    return machine("box", "10.9.9.1")


def test_status_looks_like_that_of_systemd(node) -> None:
    """Columns and words of print_status_info in timedatectl.c of systemd 252."""
    assert run(node, "timedatectl set-timezone Europe/Brussels").text == ""
    told = run(node, "timedatectl").text
    assert [line.partition(": ")[0] for line in told.splitlines()] == [
        line.partition(": ")[0] for line in STATUS.splitlines()
    ]
    assert "Time zone: Europe/Brussels (CE" in told
    assert run(node, "cat /etc/timezone").text == "Europe/Brussels\n"


def test_device_without_a_file_lives_in_utc(node) -> None:
    assert "Time zone: Etc/UTC (UTC, +0000)" in run(node, "timedatectl status").text
    assert " UTC " in run(node, "date").text


def test_date_follows_the_zone_and_tz_comes_before_it(node) -> None:
    run(node, "timedatectl set-timezone America/New_York")
    at = f"-d @{SUMMER}"
    assert run(node, f"date {at} '+%F %T %Z %z'").text == "2026-04-23 23:06:40 EDT -0400\n"
    assert run(node, f"TZ=Europe/Brussels date {at} '+%T %Z'").text == "05:06:40 CEST\n"
    assert run(node, f"date -u {at} '+%T %Z'").text == "03:06:40 UTC\n"
    assert run(node, f"date {at} -Iseconds").text == "2026-04-23T23:06:40-04:00\n"
    assert run(node, "date -d '2026-04-23 23:06:40' +%s").text == f"{SUMMER}\n"
    assert run(node, "date -d '2026-04-24 03:06:40 UTC' +%s").text == f"{SUMMER}\n"


def test_local_text_is_composed_in_local_time() -> None:
    assert local_text(zone("Asia/Kolkata"), SUMMER, "%F %R %z") == "2026-04-24 08:36 +0530"
    assert local_text(zone("Europe/Brussels"), WINTER, "%Z") == "CET"
    assert clock_text(SUMMER, "%T %Z %z %s") == f"03:06:40 UTC +0000 {SUMMER}"


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("timedatectl set-timezone Europe/Brusels", "Invalid or not installed time zone 'Europe/Brusels'"),
        ("timedatectl set-timezone", "Too few arguments."),
        ("timedatectl status now", "Too many arguments."),
        ("timedatectl clock", "Unknown command verb clock."),
        ("timedatectl set-ntp true", '"set-ntp" is not simulated here; use: systemctl enable --now chrony'),
    ],
)
def test_mistake_is_told_and_changes_nothing(node, line: str, said: str) -> None:
    output = run(node, line)
    assert said in output.text
    assert output.status == 1
    assert not node.files.is_file("/etc/timezone")


def test_rules_without_a_zone_follow_the_device_and_a_fault_there_shows_on_its_clock() -> None:
    from labs.engines.sim import SimEngine

    text = control("gap: {broker: server, topic: x, longest: 1 min}", RULES.replace("timezone Europe/Brussels\n", ""))
    healthy = draw(parse_scenario(text, "control.yaml"), "0").healthy
    broken = CATALOGUE["timezone-wrong"].apply(healthy, {"on": "server", "timezone": "Asia/Tokyo"})
    for site, name in ((healthy, "UTC"), (broken, "Asia/Tokyo")):
        engine = SimEngine()
        engine.start(site)
        assert load_rule_book(engine.node("server"), "/etc/rules.conf").zone.name == name
        assert (" JST " in engine.run("server", "date").text) == (name == "Asia/Tokyo")
        assert ("Time zone: Asia/Tokyo (JST, +0900)" in engine.run("server", "timedatectl").text) == (site is broken)
    with pytest.raises(FaultError, match="lives in UTC already"):
        CATALOGUE["utc-as-local"].apply(healthy, {"on": "server"})

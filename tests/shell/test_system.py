"""The device itself, its clock, its processes."""

from __future__ import annotations

from labs.testing import device, pass_time, run

SECOND = 1_000_000_000


def test_date_shows_and_sets_the_clock_of_the_device_only() -> None:
    node = device()
    assert run(node, "date").text == "Thu Jan  1 00:00:00 UTC 2026\n"
    assert run(node, "date -s '2026-03-01 12:00:00'").text == "Sun Mar  1 12:00:00 UTC 2026\n"
    pass_time(node, 5 * SECOND)
    assert run(node, "date +%T").text == "12:00:05\n"
    assert node.now == 5 * SECOND


def test_uptime_counts_from_the_boot() -> None:
    node = device()
    pass_time(node, 3700 * SECOND)
    assert run(node, "uptime").text == " 01:01:40 up  1:01,  1 user,  load average: 0.00, 0.00, 0.00\n"


def test_hostname_set_is_shown_until_reboot() -> None:
    node = device()
    assert run(node, "hostname gate; hostname; uname -n").text == "gate\ngate\n"
    run(node, "reboot")
    assert run(node, "hostname").text == "box\n"


def test_reboot_forgets_what_is_not_in_a_file() -> None:
    node = device()
    run(node, "echo x > /root/kept; echo x > /tmp/lost; X=1")
    run(node, "reboot")
    assert run(node, "cat /root/kept; cat /tmp/lost; echo [$X]").text == (
        "x\ncat: /tmp/lost: No such file or directory\n[]\n"
    )


def test_poweroff_leaves_the_device_off() -> None:
    node = device()
    run(node, "poweroff")
    assert not node.powered


def test_logger_writes_to_the_journal() -> None:
    node = device()
    run(node, "logger -t maintenance filter changed")
    assert (node.units.journal[-1].unit, node.units.journal[-1].text) == ("maintenance", "filter changed")


def test_timeout_expired_ends_the_command_with_124() -> None:
    node = device()
    assert run(node, "timeout 3 sleep 60") == ("", 124)
    assert node.now == 3 * SECOND


def test_ps_shows_services_jobs_and_itself() -> None:
    node = device()
    run(node, "sleep 100 &")
    text = run(node, "ps aux").text
    assert text.startswith("USER         PID %CPU %MEM    VSZ   RSS TTY      STAT START   TIME COMMAND\n")
    assert "sleep 100\n" in text
    assert text.endswith("ps aux\n")


def test_pkill_ends_processes_by_name_and_pgrep_finds_none_after() -> None:
    node = device()
    run(node, "sleep 100 & sleep 200 &")
    assert run(node, "pgrep -c sleep").text == "2\n"
    run(node, "pkill sleep")
    assert run(node, "pgrep sleep") == ("", 1)


def test_kill_of_nobody_is_told_as_bash_does() -> None:
    assert run(device(), "kill 4242") == ("-bash: kill: (4242) - No such process\n", 1)


def test_killall_of_nobody_is_told() -> None:
    assert run(device(), "killall foo") == ("foo: no process found\n", 1)


def test_sleep_forever_can_be_interrupted_by_its_timeout() -> None:
    assert run(device(), "timeout -s INT 2 sleep infinity; echo $?").text == "124\n"


def test_help_lists_commands_and_the_words_of_the_lab() -> None:
    text, status = run(device(), "help")
    assert status == 0
    assert "  hostname    its name\n" in text
    assert "  check       judge the site as it is now\n" in text


def test_xargs_builds_commands() -> None:
    assert run(device(), "printf 'a b\\nc\\n' | xargs -n 2 echo -").text == "- a b\n- c\n"

"""Text tools where the table against the real ones does not reach: following, streaming, refusals."""

from __future__ import annotations

import pytest

from labs.testing import device, run

SECOND = 1_000_000_000


def test_tail_follow_file_that_grows_shows_the_new_lines() -> None:
    node = device(files={"/root/log": "a\n"})
    line = "tail -f log & for i in 1 2; do sleep 1; echo n$i >> log; done; sleep 1; kill %1"
    assert [text for text in run(node, line).text.splitlines() if not text.startswith("[")] == ["a", "n1", "n2"]


def test_tail_follow_by_name_waits_for_the_file() -> None:
    text, _ = run(device(), "tail -F log & sleep 1; echo first > log; sleep 1; kill %1")
    assert "tail: cannot open 'log' for reading: No such file or directory\n" in text
    assert "\nfirst\n" in text


def test_grep_in_a_stream_answers_at_once() -> None:
    node = device()
    text, _ = run(node, "(echo yes; sleep 5; echo yes) | grep -m1 yes; date +%s")
    assert text.splitlines()[0] == "yes"


def test_sed_in_place_changes_the_file_and_keeps_a_copy() -> None:
    node = device(files={"/etc/x": "a\nb\n"})
    assert run(node, "sed -i.bak 's/a/A/' /etc/x") == ("", 0)
    assert (node.files.read("/etc/x"), node.files.read("/etc/x.bak")) == ("A\nb\n", "a\nb\n")


def test_sed_in_place_missing_file_is_told() -> None:
    assert run(device(), "sed -i s/a/b/ nope") == ("sed: can't read nope: No such file or directory\n", 2)


@pytest.mark.parametrize(
    "line",
    [
        "echo x | awk 'BEGIN {system(\"date\")}'",
        "echo x | awk 'BEGIN {\"date\" | getline}'",
        "echo x | awk '{print | \"sort\"}'",
        "echo x | sed 'e date'",
        "echo x | grep -P x",
        "echo aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab | grep -E '(a+)+$'",
    ],
)
def test_tool_beyond_the_simulation_refuses_clearly(line: str) -> None:
    text, status = run(device(), line)
    assert "simulated here" in text
    assert status != 0


def test_tee_to_a_setting_writes_it() -> None:
    node = device()
    assert run(node, "echo 1 | tee /proc/sys/net/ipv4/ip_forward") == ("1\n", 0)
    assert node.sysctl.number("net.ipv4.ip_forward") == 1


def test_long_pipeline_of_many_lines_loses_none() -> None:
    assert run(device(), "seq 1 30000 | grep -v x | cat | tail -1").text == "30000\n"

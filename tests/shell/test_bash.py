"""The shell at a device: what a person sees at the prompt."""

from __future__ import annotations

import pytest

from labs.net.process import Terminal
from labs.shell.bash import Session
from labs.testing import device, pass_time, run

SECOND = 1_000_000_000


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("ls | | wc", "-bash: syntax error near unexpected token `|'"),
        ("ls |", "-bash: syntax error: unexpected end of file"),
        ("; ls", "-bash: syntax error near unexpected token `;'"),
        ("if true; then", "-bash: syntax error: unexpected end of file"),
        ("fi", "-bash: syntax error near unexpected token `fi'"),
        ("echo 'open", "-bash: unexpected EOF while looking for matching `''"),
        ('echo "open', "-bash: unexpected EOF while looking for matching `\"'"),
        ("echo $(ls", "-bash: unexpected EOF while looking for matching `)'"),
        ("echo > ", "-bash: syntax error near unexpected token `newline'"),
        ("tee >(cat)", "netwerf: process substitution with >(...) is not simulated here; use a pipe"),
        ("a=(1 2", "-bash: syntax error: unexpected end of file"),
    ],
)
def test_line_with_wrong_syntax_is_refused_in_bashs_words(line: str, message: str) -> None:
    """Nothing of the line runs and the status is 2."""
    assert run(device(), line) == (message + "\n", 2)


def test_unknown_command_close_to_a_known_one_gets_a_hint() -> None:
    """The hint is marked as ours: bash does not say it."""
    text, status = run(device(), "hostnam")
    assert (text, status) == ('-bash: hostnam: command not found\nnetwerf: did you mean "hostname"?\n', 127)


@pytest.mark.parametrize("word", ["hallo", "kilall", "rebot"])
def test_mistyped_word_nobody_is_sent_to_what_halts_a_device(word: str) -> None:
    assert run(device(), word) == (f"-bash: {word}: command not found\n", 127)


def test_command_of_windows_says_what_is_typed_here() -> None:
    text, status = run(device(), "ipconfig /all")
    assert status == 127
    assert text.splitlines()[1] == 'netwerf: "ipconfig" is a command of Windows; here: ip addr'


def test_real_command_that_is_not_simulated_says_what_to_use() -> None:
    text, status = run(device(), "vim /etc/hosts")
    assert status == 127
    assert text.splitlines()[0] == "-bash: vim: command not found"
    assert text.splitlines()[1].startswith('netwerf: "vim" is a real command, but it is not simulated here')


def test_line_after_line_keeps_directory_variables_and_status() -> None:
    node = device()
    run(node, "cd /etc; X=5; false")
    assert run(node, "echo $? $X; pwd").text == "1 5\n/etc\n"


def test_subshell_changes_stay_inside() -> None:
    assert run(device(), "(cd /etc; X=1); echo $X; pwd").text == "\n/root\n"


def test_background_job_is_announced_and_reported_when_done() -> None:
    """The report comes before the next prompt, as in an interactive bash."""
    node = device()
    started = run(node, "sleep 3 &")
    assert started.text.startswith("[1] ")
    assert run(node, "jobs").text == "[1]+  Running                 sleep 3 &\n"
    pass_time(node, 4 * SECOND)
    assert run(node, "true").text == "[1]+  Done                    sleep 3\n"


def test_killed_job_is_reported_as_terminated() -> None:
    node = device()
    run(node, "sleep 100 &")
    assert run(node, "kill %1").text == "[1]+  Terminated              sleep 100\n"


def test_background_output_between_lines_is_shown_with_the_next_line() -> None:
    node = device()
    run(node, "(sleep 2; echo late) &")
    pass_time(node, 3 * SECOND)
    assert run(node, "echo now").text.splitlines()[:2] == ["late", "now"]


def test_wait_for_many_jobs_takes_as_long_as_the_longest() -> None:
    node = device()
    before = node.now
    run(node, "sleep 1 & sleep 4 & wait")
    assert node.now - before == 4 * SECOND


def test_pipeline_reader_leaving_ends_the_writer() -> None:
    """`yes` gets SIGPIPE."""
    assert run(device(), "yes | head -2") == ("y\ny\n", 0)


def test_row_without_an_end_stops_and_says_so() -> None:
    """It held up the lab, and the grading of whoever came after."""
    said = run(device(), "seq 1 99999999999 | tail -1")
    assert said.status == 0
    assert "netwerf: seq stopped after 50" in said.text
    assert run(device(), "seq 1 700000 | tail -1").text == "700000\n"


def test_pipeline_stages_run_at_the_same_time() -> None:
    """Each line passes on when it comes, not at the end."""
    node = device()
    line = "for i in 1 2; do echo $i; sleep 1; done | while read x; do date +%S; done"
    assert run(node, line).text == "00\n01\n"


def test_endless_command_gets_control_c_and_the_rest_does_not_run() -> None:
    assert run(device(files={"/etc/motd": "hello\n"}), "tail -f /etc/motd; echo after") == ("hello\n^C\n", 130)


def test_endless_loop_in_which_no_time_passes_is_stopped() -> None:
    text, status = run(device(), "while true; do :; done")
    assert (text, status) == ("netwerf: stopped: 10000 rounds of a loop in which no time passed\n", 130)


def test_endless_loop_with_sleep_is_interrupted_like_an_endless_command() -> None:
    text, status = run(device(), "while true; do date +%s; sleep 1; done")
    assert status == 130
    assert 8 <= text.count("\n") <= 14
    assert text.endswith("^C\n")


def test_endless_command_after_a_long_one_is_noticed_when_it_starts() -> None:
    node = device(files={"/etc/motd": "hello\n"})
    run(node, "sleep 30; tail -f /etc/motd")
    assert 39 * SECOND <= node.now <= 41 * SECOND


def test_head_that_is_still_fed_is_not_interrupted() -> None:
    """Twenty lines at one per second take longer than the patience for endless commands."""
    line = "while true; do echo x; sleep 1; done | head -20 | wc -l"
    assert run(device(), line).text == "20\n"


def test_function_without_end_is_stopped() -> None:
    text, status = run(device(), "f() { f; }; f")
    assert (text, status) == ("-bash: f: maximum function nesting level exceeded (20)\n", 1)


def test_deep_nesting_is_refused_without_a_crash() -> None:
    assert "levels of nesting" in run(device(), "$(" * 100).text
    assert "levels of nesting" in run(device(), "(" * 500 + "x").text


def test_redirection_to_a_setting_changes_it() -> None:
    node = device()
    run(node, "echo 1 > /proc/sys/net/ipv4/ip_forward")
    assert node.sysctl.number("net.ipv4.ip_forward") == 1


def test_setting_refuses_a_wrong_value_in_the_kernels_words() -> None:
    answer = run(device(), "echo x > /proc/sys/net/ipv4/ip_forward")
    assert answer == ("-bash: echo: write error: Invalid argument\n", 1)


def test_redirection_into_a_missing_directory_is_refused() -> None:
    assert run(device(), "echo x > /nope/f") == ("-bash: /nope/f: No such file or directory\n", 1)


def test_script_run_by_path_and_by_sh() -> None:
    node = device(files={"/root/s.sh": '#!/bin/sh\necho "$0 $1 $#"\nexit 3\n'})
    assert run(node, "./s.sh a b") == ("./s.sh a 2\n", 3)
    assert run(node, "sh s.sh a") == ("s.sh a 1\n", 3)


def test_script_error_names_the_script_and_the_line() -> None:
    node = device(files={"/root/b": "#!/bin/bash\n\nnosuchthing\n", "/root/d": "#!/bin/sh\nnosuchthing\n"})
    assert run(node, "./b").text.splitlines()[0] == "./b: line 3: nosuchthing: command not found"
    assert run(node, "./d").text.splitlines()[0] == "./d: 2: nosuchthing: not found"


def test_script_with_set_e_stops_at_the_first_error() -> None:
    node = device(files={"/root/s": "set -e\necho a\nfalse || true\nif false; then :; fi\nfalse\necho b\n"})
    assert run(node, "sh s") == ("a\n", 1)


def test_set_e_at_the_prompt_is_refused() -> None:
    assert run(device(), "set -e").status == 2


def test_command_by_absolute_path_runs() -> None:
    assert run(device(), "/bin/hostname; /usr/bin/hostname").text == "box\nbox\n"


def test_exit_ends_the_line_and_the_next_one_finds_a_new_shell() -> None:
    node = device()
    assert run(node, "X=1; cd /etc; exit 4; echo no") == ("logout\n", 4)
    assert run(node, "echo [$X]; pwd").text == "[]\n/root\n"


def test_device_gone_ends_the_line() -> None:
    """A power cut in the middle of a line kills its processes."""
    node = device()
    session = Session(node)
    process = session.start("sleep 100", Terminal())
    node.power_off(SECOND)
    assert not process.running


def test_process_left_behind_is_hung_up_by_the_next_line() -> None:
    node = device()
    session = Session(node)
    first = session.start("sleep 1000", Terminal())
    second = session.start("true", Terminal())
    assert (first.running, second.status) == (False, 0)


def test_here_document_without_its_end_is_warned_about() -> None:
    text, status = run(device(), "cat <<EOF\nhello")
    assert status == 0
    assert text == "-bash: warning: here-document at line 1 delimited by end-of-file (wanted `EOF')\nhello\n"


@pytest.mark.parametrize("word", ["alias x=y", "ulimit -n 5", "trap x INT", "declare -n x", "shopt -s extglob"])
def test_builtin_beyond_the_simulation_refuses_clearly(word: str) -> None:
    text, status = run(device(), word)
    assert status == 2
    assert text.endswith("is not simulated here\n")

"""Files of a device."""

from __future__ import annotations

import pytest

from labs.testing import device, run

FILES = {"/srv/hosts": "127.0.0.1 localhost\n", "/srv/net/a.conf": "a\n", "/srv/net/b.conf": "b\n"}


def test_ls_to_a_person_prints_columns_and_to_a_pipe_lines() -> None:
    node = device(files=FILES)
    assert run(node, "ls /srv/net").text == "a.conf  b.conf\n"
    assert run(node, "ls /srv/net | cat").text == "a.conf\nb.conf\n"


def test_ls_long_shows_kind_and_size() -> None:
    text = run(device(files=FILES), "ls -l /srv").text
    assert text == (
        "total 8\n-rw-r--r-- 1 root root   20 Jan  1 00:00 hosts\ndrwxr-xr-x 2 root root 4096 Jan  1 00:00 net\n"
    )


def test_ls_missing_file_is_an_error_of_status_2() -> None:
    assert run(device(), "ls nope") == ("ls: cannot access 'nope': No such file or directory\n", 2)


def test_cp_directory_needs_r() -> None:
    node = device(files=FILES)
    assert run(node, "cp /srv/net /tmp") == ("cp: -r not specified; omitting directory '/srv/net'\n", 1)
    assert run(node, "cp -r /srv/net /tmp; cat /tmp/net/b.conf").text == "b\n"


def test_mv_directory_moves_what_is_below() -> None:
    node = device(files=FILES)
    assert run(node, "mv /srv/net /srv/old; ls /srv; ls /srv/old").text == "hosts  old\na.conf  b.conf\n"


def test_rm_directory_needs_r() -> None:
    node = device(files=FILES)
    assert run(node, "rm /srv/net") == ("rm: cannot remove '/srv/net': Is a directory\n", 1)
    assert run(node, "rm -r /srv/net; ls /srv").text == "hosts\n"


def test_rm_of_everything_is_refused() -> None:
    node = device(files=FILES)
    assert run(node, "rm -rf /").status == 1
    assert node.files.is_file("/srv/hosts")


def test_find_by_name_and_type() -> None:
    node = device(files=FILES)
    assert run(node, "find /srv -name '*.conf'").text == "/srv/net/a.conf\n/srv/net/b.conf\n"
    assert run(node, "find /srv -type d").text == "/srv\n/srv/net\n"


@pytest.mark.parametrize("line", ["chmod 600 a", "chown root a", "ln -s a b", "df"])
def test_what_is_not_kept_is_refused_clearly(line: str) -> None:
    text, status = run(device(), line)
    assert "not simulated here" in text
    assert status == 1


def test_every_command_explains_itself() -> None:
    """`--help` prints a usage line and changes nothing."""
    from labs.shell.commands import awk, date, diff, digests, files, grep, processes, sed, system, text, wrappers

    node = device()
    silent = {"true", "false", "echo", "printf", "test", "[", "nproc", "man", "help", "clear", "pwd", "watch", "sync"}
    refused = {"chmod", "chown", "chgrp", "df", "ln"}
    for module in (awk, date, diff, digests, files, grep, processes, sed, system, text, wrappers):
        for name in set(module.COMMANDS) - silent - refused:
            answer = run(node, f"env {name} --help")
            assert answer.status == 0, (name, answer)
            assert "sage: " in answer.text, (name, answer)

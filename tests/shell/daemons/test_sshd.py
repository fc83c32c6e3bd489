"""sshd, ssh, telnet and the users of a device."""

from __future__ import annotations

import pytest

from labs.net.accounts import default_passwords
from labs.net.linux.node import LinuxNode
from labs.net.sha_crypt import sha512_crypt, verify
from labs.net.sshd_conf import SshdError, parse_sshd
from labs.testing import pass_time, run
from tests.shell.daemons.site import SECOND, machine, pair

PASSWD = "root:x:0:0:root:/root:/bin/bash\nbob:x:1000:1000::/home/bob:/bin/bash\n"
SHADOW = (
    f"root:{sha512_crypt('toor', 'aa')}:20000:0:99999:7:::\nbob:{sha512_crypt('Zu7-kale', 'bb')}:20000:0:99999:7:::\n"
)


def hosts(config: str = "PermitRootLogin yes\n", **files: str) -> tuple[LinuxNode, LinuxNode]:
    """A server with two users, and a laptop."""
    every = {"/etc/ssh/sshd_config": config, "/etc/passwd": PASSWD, "/etc/shadow": SHADOW, "/home/bob/note": "hi\n"}
    every["/etc/inetd.conf"] = "telnet stream tcp nowait root /usr/sbin/telnetd telnetd\n"
    return pair(
        machine("server", "10.9.9.1", "ssh", "inetd", **(every | files)),
        machine("laptop", "10.9.9.2", **{"/etc/hosts": "10.9.9.1 server\n"}),
    )


def journal(node: LinuxNode) -> str:
    """What sshd wrote."""
    return run(node, "journalctl -u ssh --no-pager").text


def test_hash_is_that_of_crypt() -> None:
    """A value made by `openssl passwd -6 -salt abcdefgh secret`."""
    known = "$6$abcdefgh$ltjgWl6579NluT/Vi1nwEvcil.G5Nbc4NiXZaNGStk8PSwGfQv72N2CKPPrVACtLtip/cZ/1GM/O6IND4WQhG."
    assert sha512_crypt("secret", "abcdefgh") == known
    assert verify("secret", known)
    assert not verify("Secret", known)
    assert not verify("", "*")


def test_command_runs_on_the_other_device_as_that_user() -> None:
    """Output, errors and the status come back."""
    server, laptop = hosts()
    answer = run(laptop, "sshpass -p Zu7-kale ssh bob@server 'hostname; pwd; cat note; echo $USER; nope; exit 3'")
    lines = answer.text.splitlines()
    assert lines[:5] == [
        "Warning: Permanently added 'server' (ED25519) to the list of known hosts.",
        "server",
        "/home/bob",
        "hi",
        "bob",
    ]
    assert "nope: command not found" in lines[5]
    assert answer.status == 3
    assert run(laptop, "sshpass -p toor ssh root@server uname") == ("Linux\n", 0)
    assert "Accepted password for bob from 10.9.9.2 port " in journal(server)


def test_standard_input_and_long_output_travel() -> None:
    """More than one record each way."""
    _, laptop = hosts()
    run(laptop, "sshpass -p toor ssh server true")
    assert run(laptop, "seq 1 9000 | sshpass -p toor ssh server 'cat | wc -l'").text == "9000\n"
    assert run(laptop, "sshpass -p toor ssh server 'seq 1 9000' | tail -n 1").text == "9000\n"


def test_endless_command_ends_with_ctrl_c() -> None:
    """Nothing is left running there."""
    server, laptop = hosts()
    answer = run(laptop, "sshpass -p toor ssh server 'ping 10.9.9.2'")
    assert answer.text.count("bytes from 10.9.9.2") > 3
    pass_time(server, SECOND)
    assert "ping" not in run(server, "ps aux").text


@pytest.mark.parametrize(
    ("config", "login", "words", "status"),
    [
        ("", "sshpass -p toor ssh root@server true", "Permission denied, please try again.", 5),
        ("PermitRootLogin no", "sshpass -p toor ssh root@server true", "Permission denied, please try again.", 5),
        ("AllowUsers root", "sshpass -p Zu7-kale ssh bob@server true", "Permission denied, please try again.", 5),
        ("", "sshpass -p wrong ssh bob@server true", "Permission denied, please try again.", 5),
        ("", "sshpass -p x ssh eve@server true", "Permission denied, please try again.", 5),
        (
            "PasswordAuthentication no",
            "sshpass -p x ssh bob@server true",
            "bob@server: Permission denied (publickey).",
            255,
        ),
        ("Port 2222", "ssh bob@server true", "ssh: connect to host server port 22: Connection refused", 255),
        (
            "",
            "ssh bob@nowhere true",
            "ssh: Could not resolve hostname nowhere: Temporary failure in name resolution",
            255,
        ),
        (
            "",
            "ssh -o ConnectTimeout=1 bob@10.9.9.77 true",
            "ssh: connect to host 10.9.9.77 port 22: Connection timed out",
            255,
        ),
        (
            "",
            "ssh bob@server",
            "ssh: an interactive login is not simulated here; use: on DEVICE, or ssh bob@server COMMAND",
            255,
        ),
    ],
)
def test_refusal_has_the_words_of_ssh(config: str, login: str, words: str, status: int) -> None:
    """And the exit status."""
    _, laptop = hosts(config)
    answer = run(laptop, login)
    assert answer.text.splitlines()[-1] == words
    assert answer.status == status


def test_refused_users_stand_in_the_journal() -> None:
    """What an administrator looks for."""
    server, laptop = hosts("AllowUsers root\n")
    run(laptop, "sshpass -p x ssh bob@server true; sshpass -p x ssh eve@server true")
    text = journal(server)
    assert "User bob from 10.9.9.2 not allowed because not listed in AllowUsers" in text
    assert "Failed password for invalid user eve from 10.9.9.2 port" in text


def test_host_with_another_key_is_not_trusted() -> None:
    """Somebody else answers for that name now."""
    server, laptop = hosts()
    run(laptop, "sshpass -p toor ssh server true")
    run(server, "mkdir -p /etc/ssh; echo ssh-ed25519 AAAAother root > /etc/ssh/ssh_host_ed25519_key.pub")
    answer = run(laptop, "sshpass -p toor ssh server true")
    assert "WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED!" in answer.text
    assert answer.text.endswith("Host key verification failed.\n")


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("Prot 22", ["C: line 1: Bad configuration option: Prot", "C: terminating, 1 bad configuration options"]),
        ("Port x", ["C line 1: Badly formatted port number."]),
        ("Port", ['C line 1: no argument after keyword "Port"', "C: terminating, 1 bad configuration options"]),
        ("PermitRootLogin maybe", ['C line 1: unsupported option "maybe".']),
        (
            "Port 22 23",
            ["C line 1: keyword Port extra arguments at end of line", "C: terminating, 1 bad configuration options"],
        ),
    ],
)
def test_bad_option_is_told_as_sshd_tells_it(text: str, lines: list[str]) -> None:
    """As `sshd -t` of OpenSSH 9.2 prints them."""
    with pytest.raises(SshdError) as caught:
        parse_sshd(text, "C")
    assert list(caught.value.lines) == lines


def test_bad_file_fails_the_unit() -> None:
    """With status 255."""
    server, laptop = hosts("Prot 22\n")
    assert "status=255" in run(server, "systemctl status ssh").text
    assert run(laptop, "ssh server true").status == 255


def test_factory_passwords_are_found_and_changed() -> None:
    """`toor` can be guessed; a new password cannot, and works."""
    server, laptop = hosts()
    assert default_passwords(server.files) == {"root": "toor"}
    run(server, "echo 'root:kR9-vierkant' | chpasswd")
    assert default_passwords(server.files) == {}
    assert run(laptop, "sshpass -p kR9-vierkant ssh server hostname").text.endswith("server\n")
    assert run(server, "printf 'a1\\na2\\n' | passwd bob").status == 10
    assert run(server, "passwd nobody2") == ("passwd: user 'nobody2' does not exist\n", 1)
    assert run(server, "useradd bob") == ("useradd: user 'bob' already exists\n", 9)
    assert run(server, "useradd -m ann; passwd -S ann").text == "ann L 0 99999 7 -1\n"
    assert run(server, "userdel ann; userdel ann") == ("userdel: user 'ann' does not exist\n", 6)


def test_banner_is_shown_to_anybody() -> None:
    """As with the real one, and strangers are sent away."""
    _, laptop = hosts()
    answer = run(laptop, "echo GET | nc -N server 22").text
    assert answer.startswith("SSH-2.0-OpenSSH_9.2p1")
    assert "Invalid SSH identification string." in answer


def test_telnet_logs_in_and_everybody_can_read_it() -> None:
    """A script on standard input; the password crosses the wire as it is."""
    server, laptop = hosts()
    answer = run(laptop, "printf 'root\\ntoor\\nhostname\\nexit\\n' | telnet server")
    assert answer.text.startswith("Trying 10.9.9.1...\nConnected to server.\nEscape character is '^]'.\n")
    assert "server login: Password: " in answer.text
    assert "server\n" in answer.text
    assert answer.text.endswith("logout\r\nConnection closed by foreign host.\n")
    wrong = run(laptop, "printf 'root\\nx\\n' | telnet server")
    assert "Login incorrect" in wrong.text
    assert run(laptop, "telnet server 99").text.endswith(
        "telnet: Unable to connect to remote host: Connection refused\n"
    )
    assert "FAILED LOGIN FOR 'root'" in run(server, "journalctl --no-pager").text


def test_every_client_explains_itself() -> None:
    """`--help` prints a usage line."""
    _, laptop = hosts()
    for name in "chronyc curl wget openssl nginx ssh sshpass telnet passwd chpasswd useradd userdel".split():
        answer = run(laptop, f"{name} --help")
        assert answer.status == 0, (name, answer)
        assert answer.text.startswith("Usage: "), (name, answer)

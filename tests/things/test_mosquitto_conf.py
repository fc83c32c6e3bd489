"""mosquitto.conf, its password file and its access list, judged by mosquitto where it is installed."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labs.things.mosquitto_access import Direction, hash_password, parse_acl, parse_passwords
from labs.things.mosquitto_conf import (
    ConfigError,
    ListenerConfig,
    Retained,
    parse_mosquitto_conf,
    parse_retained,
    retained_file,
    retained_line,
)

MOSQUITTO = shutil.which("mosquitto") or "/usr/sbin/mosquitto"
needs_mosquitto = pytest.mark.skipif(not Path(MOSQUITTO).exists(), reason="mosquitto is not installed")
PATH = "/etc/mosquitto/mosquitto.conf"
REFUSED = [
    ("listener 1883\nfoo bar\n", 'Error: Unknown configuration variable "foo".', 2),
    ("foo\n", 'Error: Unknown configuration variable "foo".', 1),
    ("  # indented\n", 'Error: Unknown configuration variable "#".', 1),
    ("listener abc\n", "Error: A listener with port 0 must provide a Unix socket path.", 1),
    ("listener 99999\n", "Error: Invalid port value (99999).", 1),
    ("listener\n", "Error: Empty listener value in configuration.", 1),
    ("allow_anonymous maybe\n", "Error: Invalid allow_anonymous value (maybe).", 1),
    ("allow_anonymous TRUE\n", "Error: Invalid allow_anonymous value (TRUE).", 1),
    ("allow_anonymous\n", "Error: Empty allow_anonymous value in configuration.", 1),
    ("# c\n\npassword_file\n", "Error: Empty password_file value in configuration.", 3),
    ("password_file /a\npassword_file /a\n", "Error: Duplicate password_file value in configuration.", 2),
    ("listener 1883\ncafile /a\ncafile /b\n", "Error: Duplicate cafile value in configuration.", 3),
    ("log_type foo\n", "Error: Invalid log_type value (foo).", 1),
    ("log_dest foo\n", "Error: Invalid log_dest value (foo).", 1),
    ("log_dest file\n", 'Error: Empty "log_dest file" value in configuration.', 1),
    ("protocol foo\n", "Error: Invalid protocol value (foo).", 1),
    ("max_keepalive 5\n", "Error: Invalid max_keepalive value (5).", 1),
    ("include_dir /no/such\n", "Error: Unable to open include_dir '/no/such'.", 1),
]


@pytest.mark.parametrize(("text", "message", "line"), REFUSED)
def test_bad_line_is_refused_with_its_place(text: str, message: str, line: int) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_mosquitto_conf(text)
    assert caught.value.lines == (message, f"Error found at {PATH}:{line}.")
    assert caught.value.status == 3


@pytest.mark.kernel
@needs_mosquitto
@pytest.mark.parametrize(("text", "message", "line"), REFUSED)
def test_mosquitto_refuses_the_same_line(tmp_path: Path, text: str, message: str, line: int) -> None:
    conf = tmp_path / "m.conf"
    conf.write_text(text)
    done = subprocess.run([MOSQUITTO, "-c", str(conf)], capture_output=True, text=True, timeout=5, check=False)
    said = [entry.partition(": ")[2] for entry in done.stderr.splitlines()]
    assert said == [message, f"Error found at {conf}:{line}."]
    assert done.returncode == 3


@pytest.mark.parametrize(
    "text",
    [
        "capath /etc/ssl\n",
        "connection other\n",
        "plugin /x.so\n",
        "per_listener_settings true\n",
        "protocol websockets\n",
    ],
)
def test_what_is_not_simulated_says_so(text: str) -> None:
    with pytest.raises(ConfigError, match="not simulated"):
        parse_mosquitto_conf(text)


def test_no_listener_is_local_only_and_lets_everybody_in() -> None:
    config = parse_mosquitto_conf("")
    assert config.local_only
    assert config.anonymous


def test_listener_lets_nobody_in_without_being_told() -> None:
    assert not parse_mosquitto_conf("listener 1883\n").anonymous
    assert parse_mosquitto_conf("allow_anonymous true\nlistener 1883 10.0.0.1\n").listeners == (
        ListenerConfig(1883, "10.0.0.1"),
    )


def test_old_port_and_bind_address_make_a_listener_with_a_warning() -> None:
    config = parse_mosquitto_conf("port 1884\nbind_address 127.0.0.1\n")
    assert config.listeners == (ListenerConfig(1884, "127.0.0.1"),)
    assert [line.split("'")[1] for line in config.warnings] == ["port", "bind_address"]


def test_include_dir_reads_conf_files_in_order() -> None:
    folder = {
        "/etc/mosquitto/conf.d/b.conf": "allow_anonymous true\n",
        "/etc/mosquitto/conf.d/a.conf": "listener 1\nlistener 2\n",
    }
    config = parse_mosquitto_conf("include_dir /etc/mosquitto/conf.d\n", include=lambda _: list(folder.items()))
    assert [listener.port for listener in config.listeners] == [1, 2]
    with pytest.raises(ConfigError) as caught:
        parse_mosquitto_conf("include_dir /d\n", include=lambda _: [("/d/x.conf", "\nbad\n")])
    assert caught.value.lines[-1] == "Error found at /d/x.conf:2."


def test_database_path_has_one_slash() -> None:
    assert (
        parse_mosquitto_conf("persistence_location /var/lib/mosquitto/\n").database == "/var/lib/mosquitto/mosquitto.db"
    )


KEPT = st.builds(Retained, st.text(min_size=1), st.binary(), st.integers(0, 2), st.just(()))


@given(st.lists(KEPT, unique_by=lambda message: message.topic))
def test_database_reads_back(messages: list[Retained]) -> None:
    assert parse_retained("".join(map(retained_line, messages))) == messages


def test_retained_file_is_a_line_that_the_broker_reads() -> None:
    path, line = retained_file("home/t", '{"value": 72.0}')
    assert path == "/var/lib/mosquitto/mosquitto.db"
    assert parse_retained("nonsense\n[1]\n" + line) == [Retained("home/t", b'{"value": 72.0}')]


# Passwords


@given(st.text(max_size=12).filter(lambda text: "\0" not in text), st.text(max_size=12))
def test_hashed_password_is_accepted_and_another_is_not(right: str, other: str) -> None:
    passwords = parse_passwords(f"user:{hash_password(right, 'salt')}\n")
    assert passwords.accepts("user", right.encode())
    assert passwords.accepts("user", other.encode()) is (other == right)
    assert not passwords.accepts("other", right.encode())


@pytest.mark.parametrize(
    ("line", "warning"),
    [
        ("a:plain", "Error: Invalid password hash type for user a, removing entry."),
        ("a:", "Error: Invalid password hash for user a, removing entry."),
        ("a:$7$101$a$b", "Error: Unable to decode password salt for user a, removing entry."),
        ("a:$8$101$a$b", "Error: Invalid password hash type for user a, removing entry."),
        (":x", "Warning: Invalid line in password file '/pw': :x"),
    ],
)
def test_unusable_entry_is_left_out_with_a_warning(line: str, warning: str) -> None:
    passwords = parse_passwords(f"# comment\n\n{line}\n", "/pw")
    assert passwords.hashes == {}
    assert passwords.warnings == (warning,)


@pytest.mark.kernel
@needs_mosquitto
@pytest.mark.parametrize("kind", ["sha512", "sha512-pbkdf2"])
def test_entry_of_mosquitto_passwd_is_accepted(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "pw"
    subprocess.run(["mosquitto_passwd", "-H", kind, "-c", "-b", str(path), "bob", "sécret"], check=True, timeout=5)
    passwords = parse_passwords(path.read_text())
    assert passwords.accepts("bob", "sécret".encode())
    assert not passwords.accepts("bob", b"secret")


# The access list. The answers are those of mosquitto 2.0.11 (log_type all: Received or Denied PUBLISH).

ACL = """topic readwrite anon/#
topic read $SYS/#
user u1
topic readwrite x/#
topic deny x/secret
user u2
topic read x/y
pattern write dev/%u/%c/#
pattern deny dev/%u/%c/no
user u1
topic read later
"""


@pytest.mark.parametrize(
    ("user", "client", "topic", "expected"),
    [
        (None, "c", "anon/a", True),
        (None, "c", "x/y", False),
        (None, "c", "dev//c/a", False),
        ("u1", "c", "anon/a", False),
        ("u1", "c", "x/secret", False),
        ("u1", "c", "x/a", True),
        ("u1", "c", "later", False),
        ("u2", "c", "x/y", False),
        ("u2", "c", "dev/u2/c/t", True),
        ("u2", "c", "dev/u2/c/no", False),
        ("u2", "c", "dev/u2/other/x", False),
        ("a/b", "c1", "dev/a/b/c1/x", True),
        ("#", "c1", "dev/#/c1/x", False),
    ],
)
def test_access_list_decides_like_mosquitto(user: str | None, client: str, topic: str, expected: bool) -> None:
    assert parse_acl(ACL).permits(Direction.WRITE, topic, user, client) is expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("topic foo bar\n", 'Error: Invalid topic access type "foo" in acl_file "/acl".'),
        ("foo bar\n", 'Error: Invalid line in acl_file "/acl": foo.'),
        ("user\n", 'Error: Missing username in acl_file "/acl".'),
        ("topic\n", 'Error: Empty topic in acl_file "/acl".'),
        ("topic read a/#/b\n", 'Error: Invalid ACL topic "a/#/b" in acl_file "/acl".'),
    ],
)
def test_bad_access_list_is_refused(text: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_acl(text, "/acl")
    assert caught.value.lines == (message,)


def test_pattern_without_a_variable_is_warned_about() -> None:
    assert parse_acl("pattern read a/b\n").warnings == ("Warning: ACL pattern 'a/b' does not contain '%c' or '%u'.",)


def test_text_of_a_listener_is_given_to_the_next_one_too_each_has_its_own() -> None:
    config = parse_mosquitto_conf("listener 1883\ncafile /a\nlistener 8883\ncafile /b\n")
    assert [listener.cafile for listener in config.listeners] == ["/a", "/b"]

"""What Tab offers."""

from __future__ import annotations

import pytest

from labs.shell.completion import complete
from labs.testing import device

NODE = device(
    files={"/etc/hosts": "127.0.0.1 localhost\n10.0.0.1 gateway gw.lan # the router\n", "/root/notes.txt": ""},
    ports=("eth0", "wan"),
)


@pytest.mark.parametrize(
    ("line", "offer"),
    [
        ("hostn", "hostname"),
        ("echo x | gre", "grep"),
        ("sleep 1; hostn", "hostname"),
        ("cat /et", "/etc/"),
        ("cat no", "notes.txt"),
        ("cat < no", "notes.txt"),
        ("echo > /etc/ho", "/etc/hosts"),
        ("ping gat", "gateway"),
        ("ip a", "address"),
        ("ip addr sh", "show"),
        ("ip addr add 10.0.0.2/24 dev w", "wan"),
        ("ip link set et", "eth0"),
        ("tcpdump -i et", "eth0"),
        ("sysctl net.ipv4.ip_f", "net.ipv4.ip_forward"),
        ("sudo hostn", "hostname"),
        ("echo $HOM", "$HOME"),
        ("ls -", "-l"),
    ],
)
def test_line_completed_offers_the_word(line: str, offer: str) -> None:
    assert offer in complete(NODE, line, len(line))


def test_cursor_in_the_middle_completes_the_word_before_it() -> None:
    assert complete(NODE, "hostn /etc", 5) == ["hostname"]


def test_comment_in_hosts_is_no_name() -> None:
    assert "router" not in complete(NODE, "ping ", 5)

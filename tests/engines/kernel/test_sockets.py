"""What the kernel says of sockets, against sockets whose state is known."""

from __future__ import annotations

import os
import socket
import subprocess
import sys

import pytest

if sys.platform != "linux":
    pytest.skip("sockets of Linux", allow_module_level=True)

from labs.engines.kernel.device.sockets import Unread, listening_inodes, sleeps, socket_inodes

LOOPBACK = {socket.AF_INET: "127.0.0.1", socket.AF_INET6: "::1"}
FAMILIES = pytest.mark.parametrize("family", list(LOOPBACK), ids=["IPv4", "IPv6"])


def _inode(opened: socket.socket) -> int:
    return os.fstat(opened.fileno()).st_ino


def _pair(family: int) -> tuple[socket.socket, socket.socket]:
    with socket.create_server((LOOPBACK[family], 0), family=family) as server:
        client = socket.create_connection(server.getsockname()[:2])
        return client, server.accept()[0]


@FAMILIES
def test_server_that_listens_its_socket_accepts_and_that_of_a_client_does_not(family: int):
    with socket.create_server((LOOPBACK[family], 0), family=family) as server:
        with socket.create_connection(server.getsockname()[:2]) as client:
            accepting = listening_inodes()
            assert _inode(server) in accepting
            assert _inode(client) not in accepting
        assert {_inode(server)} <= socket_inodes(os.getpid())
        gone = _inode(server)
    assert gone not in listening_inodes()


def test_datagram_socket_that_is_bound_accepts_until_it_is_connected():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as bound:
        bound.bind((LOOPBACK[socket.AF_INET], 0))
        assert _inode(bound) in listening_inodes()
        bound.connect(bound.getsockname())
        assert _inode(bound) not in listening_inodes()


def test_process_that_asks_is_awake_one_that_waits_sleeps_and_one_that_is_gone_does_not():
    assert not sleeps(os.getpid())
    with subprocess.Popen(["cat"], stdin=subprocess.PIPE) as waiting:
        assert any(sleeps(waiting.pid) for _ in range(100_000))
        waiting.communicate()
    assert not sleeps(waiting.pid)


@FAMILIES
def test_bytes_that_came_are_unread_until_somebody_read_them_all(family: int):
    unread = Unread()
    client, served = _pair(family)
    with client, served:
        assert not unread.now() & {_inode(client), _inode(served)}
        client.sendall(b"four")
        assert unread.now() & {_inode(client), _inode(served)} == {_inode(served)}
        served.recv(2)
        assert _inode(served) in unread.now()
        served.recv(2)
        assert _inode(served) not in unread.now()
        client.sendall(b"more")
        assert _inode(served) in unread.now()


def test_bytes_before_the_end_of_a_connection_are_unread_too():
    unread = Unread()
    client, served = _pair(socket.AF_INET)
    with served:
        client.sendall(b"last words")
        client.close()
        assert _inode(served) in unread.now()
        served.recv(100)
        assert _inode(served) not in unread.now()

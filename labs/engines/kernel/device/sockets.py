"""The sockets of a network namespace: who accepts, and who has not read yet.

The kernel is asked by sock_diag(7). /proc/net/tcp says the same, but goes through every bucket of a hash table that all
namespaces share: 7 ms on a machine with 24 GB, where the table has half a million of them.
"""

from __future__ import annotations

import contextlib
import os
import socket
import struct
from collections.abc import Iterator
from dataclasses import dataclass

__all__ = ["Unread", "listening_inodes", "sleeps", "socket_inodes"]

ESTABLISHED, CLOSE_WAIT, LISTEN = 1, 8, 10  # include/net/tcp_states.h
UDP_UNCONNECTED = "07"
NETLINK_SOCK_DIAG = 4  # linux/netlink.h
TCPDIAG_GETSOCK = 18  # linux/inet_diag.h: asks for both versions of IP at once
DUMP = 0x301  # NLM_F_REQUEST | NLM_F_DUMP
NLMSG_ERROR, NLMSG_DONE = 2, 3
HEADER = struct.Struct("=IHHII")  # struct nlmsghdr
QUESTION = struct.Struct("=BBBB48xII")  # struct inet_diag_req
ANSWER = struct.Struct("=BB2x48xIIIII")  # struct inet_diag_msg
BUFFER = 1 << 16


@dataclass(frozen=True, slots=True)
class _Tcp:
    state: int
    queue: int
    """Bytes that nobody has read; of one that listens, connections that nobody has accepted."""
    inode: int


def _tcp(*states: int) -> Iterator[_Tcp]:
    """The TCP sockets of this network namespace that are in one of these states."""
    wanted = sum(1 << state for state in states)
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_SOCK_DIAG) as link:
        link.send(
            HEADER.pack(HEADER.size + QUESTION.size, TCPDIAG_GETSOCK, DUMP, 1, 0) + QUESTION.pack(0, 0, 0, 0, wanted, 0)
        )
        while True:
            data, position = link.recv(BUFFER), 0
            while position < len(data):
                length, kind, *_ = HEADER.unpack_from(data, position)
                if kind == NLMSG_DONE:
                    return
                if kind == NLMSG_ERROR:
                    number = -struct.unpack_from("=i", data, position + HEADER.size)[0]
                    raise OSError(number, os.strerror(number))
                _, state, _, queue, _, _, inode = ANSWER.unpack_from(data, position + HEADER.size)
                yield _Tcp(state, queue, inode)
                position += (length + 3) & ~3


def listening_inodes() -> set[int]:
    """The sockets of this network namespace that accept."""
    found = {found.inode for found in _tcp(LISTEN)}
    for name in ("udp", "udp6"):
        with contextlib.suppress(OSError), open(f"/proc/net/{name}", encoding="ascii") as file:
            words = (line.split() for line in file.readlines()[1:])
            found |= {int(line[9]) for line in words if line[3] == UDP_UNCONNECTED}
    return found


def socket_inodes(pid: int) -> set[int]:
    """The sockets of a process."""
    found = set()
    with contextlib.suppress(OSError):
        for name in os.listdir(f"/proc/{pid}/fd"):
            with contextlib.suppress(OSError):
                target = os.readlink(f"/proc/{pid}/fd/{name}")
                if target.startswith("socket:["):
                    found.add(int(target[8:-1]))
    return found


def sleeps(pid: int) -> bool:
    """True where a process waits for something (proc_pid_stat(5), field 3)."""
    with contextlib.suppress(OSError), open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as file:
        return file.read().rpartition(")")[2].split()[0] == "S"
    return False


class Unread:
    """The TCP sockets here with bytes that nobody has read yet, by inode.

    Where none had any and no segment came since, the sockets themselves are not asked.
    """

    def __init__(self) -> None:
        self._none_at: list[str] = []
        """What the kernel counted when nothing was unread."""

    def now(self) -> frozenset[int]:
        """Look now."""
        counts = _segments()
        if counts and counts == self._none_at:
            return frozenset()
        found = frozenset(tcp.inode for tcp in _tcp(ESTABLISHED, CLOSE_WAIT) if tcp.queue)
        self._none_at = [] if found else counts
        return found


def _segments() -> list[str]:
    """The counters of TCP of this network namespace (RFC 1213, tcp)."""
    with contextlib.suppress(OSError), open("/proc/net/snmp", encoding="ascii") as file:
        return [line for line in file if line.startswith("Tcp:")]
    return []

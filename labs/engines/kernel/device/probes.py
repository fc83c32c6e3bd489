"""The grader's own traffic through real sockets of a device: every probe at once, and no process for any of them.

Each packet carries the number of its probe, so that a trace can tell whose it is: in the payload of echo requests and
datagrams, and in the initial sequence number of a connection, which no router changes (TCP_REPAIR, tcp(7)).
"""

from __future__ import annotations

import asyncio
import errno
import fcntl
import socket
import struct
from typing import TYPE_CHECKING

from labs.engines.base import Disposition, Probe
from labs.net import icmp, icmpv6
from labs.net.foresight import Answer
from labs.net.said import Said, said

if TYPE_CHECKING:
    from labs.engines.kernel.device.machine import Machine

__all__ = ["MAGIC", "SEQUENCE", "disposition_of", "send_probes"]

MAGIC = b"NWF0"
SEQUENCE = 0x4E57_0000  # high half of the initial sequence number; the low half is the number of the probe
TRIES = 2
SIOCOUTQ = 0x5411  # linux/sockios.h: bytes that are not acknowledged yet
POLL_S = 0.02
TCP_REPAIR, TCP_REPAIR_QUEUE, TCP_QUEUE_SEQ, TCP_SEND_QUEUE = 19, 20, 21, 2
IP_RECVERR, IPV6_RECVERR, MSG_ERRQUEUE = 11, 25, 0x2000
ORIGIN_ICMP, ORIGIN_ICMP6 = 2, 3
ERRORS = {
    errno.ECONNREFUSED: Disposition.REFUSED,
    errno.ECONNRESET: Disposition.REFUSED,
    errno.ETIMEDOUT: Disposition.TIMED_OUT,
    errno.EHOSTUNREACH: Disposition.UNREACHABLE,
    errno.ENETUNREACH: Disposition.NO_ROUTE,
    errno.EPERM: Disposition.REJECTED,
    errno.EACCES: Disposition.REJECTED,
}
NO_ANSWER = Disposition.TIMED_OUT, "no answer"
PROHIBITED = frozenset({icmp.NET_PROHIBITED, icmp.HOST_PROHIBITED, icmp.ADMIN_PROHIBITED})

Ending = tuple[Disposition, str, str | Said]


def disposition_of(kind: int, code: int) -> Disposition:
    """What an ICMP error means for the packet that it is about."""
    if kind == icmp.TIME_EXCEEDED:
        return Disposition.UNREACHABLE
    if code in PROHIBITED:
        return Disposition.REJECTED
    if code == icmp.PORT_UNREACHABLE:
        return Disposition.REFUSED
    return Disposition.NO_ROUTE if code == icmp.NET_UNREACHABLE else Disposition.UNREACHABLE


def disposition_of_6(kind: int, code: int) -> Disposition:
    """What an ICMPv6 error means for the packet that it is about."""
    if kind != icmpv6.DEST_UNREACHABLE6:
        return Disposition.UNREACHABLE
    if code in (icmpv6.ADMIN_PROHIBITED6, icmpv6.POLICY_FAILED, icmpv6.REJECT_ROUTE):
        return Disposition.REJECTED
    words = {icmpv6.PORT_UNREACHABLE6: Disposition.REFUSED, icmpv6.NO_ROUTE: Disposition.NO_ROUTE}
    return words.get(code, Disposition.UNREACHABLE)


async def send_probes(
    machine: Machine, probes: list[tuple[int, Probe]]
) -> list[tuple[int, Disposition, str, str | Said]]:
    """Send all at once; how each ended: number, disposition, the address that was used, details."""
    endings = await asyncio.gather(*(_send(machine, number, probe) for number, probe in probes))
    return [(number, *ending) for (number, _), ending in zip(probes, endings, strict=True)]


async def _send(machine: Machine, number: int, probe: Probe) -> Ending:
    address = await _resolve(machine, probe.target)
    if address is None:
        return Disposition.NAME_UNKNOWN, "", f"{probe.target}: Name or service not known"
    try:
        if probe.protocol == "tcp":
            how, detail = await _tcp(number, probe, address)
        elif probe.protocol == "udp":
            how, detail = await _udp(number, probe, address)
        else:
            how, detail = await _ping(number, probe, address)
    except OSError as error:
        how, detail = ERRORS.get(error.errno or 0, Disposition.UNREACHABLE), error.strerror or str(error)
    return how, address, detail


async def _resolve(machine: Machine, name: str) -> str | None:
    try:
        return socket.inet_ntoa(socket.inet_aton(name)) if name.count(".") == 3 else await _look_up(machine, name)
    except OSError:
        pass
    try:
        return socket.inet_ntop(socket.AF_INET6, socket.inet_pton(socket.AF_INET6, name))
    except (OSError, ValueError):
        return await _look_up(machine, name)


async def _look_up(machine: Machine, name: str) -> str | None:
    if name.startswith("-"):
        return None
    from labs.engines.kernel.device.observe import speaks_six

    words = (await machine.capture("/usr/bin/getent", "ahosts" if speaks_six() else "ahostsv4", name)).split()
    return words[0] if words and (words[0].count(".") == 3 or ":" in words[0]) else None


def _opened(address: str, kind: socket.SocketKind, protocol: int = 0) -> socket.socket:
    """A socket of the family of an address that tells of ICMP errors."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    end = socket.socket(family, kind | socket.SOCK_NONBLOCK, protocol)
    if family == socket.AF_INET6:
        end.setsockopt(socket.IPPROTO_IPV6, IPV6_RECVERR, 1)
    else:
        end.setsockopt(socket.IPPROTO_IP, IP_RECVERR, 1)
    return end


async def _tcp(number: int, probe: Probe, address: str) -> tuple[Disposition, str | Said]:
    loop = asyncio.get_running_loop()
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK) as end:
        end.setsockopt(socket.IPPROTO_TCP, TCP_REPAIR, 1)
        end.setsockopt(socket.IPPROTO_TCP, TCP_REPAIR_QUEUE, TCP_SEND_QUEUE)
        end.setsockopt(socket.IPPROTO_TCP, TCP_QUEUE_SEQ, struct.pack("=I", SEQUENCE | number & 0xFFFF))
        end.setsockopt(socket.IPPROTO_TCP, TCP_REPAIR, 0)
        try:
            await asyncio.wait_for(loop.sock_connect(end, (address, probe.port)), probe.timeout_ns / 1e9)
        except TimeoutError:
            return Disposition.TIMED_OUT, "Connection timed out"
        left = await _load(end, probe) if probe.load else 0
    if left:
        return Disposition.TIMED_OUT, said(Answer.LOST, left=left, size=probe.load)
    return Disposition.DELIVERED, ""


async def _load(end: socket.socket, probe: Probe) -> int:
    """Send the load: how many bytes the other end has not acknowledged when time is up."""
    loop = asyncio.get_running_loop()
    until = loop.time() + probe.timeout_ns / 1e9
    try:
        await asyncio.wait_for(loop.sock_sendall(end, bytes(probe.load)), probe.timeout_ns / 1e9)
    except TimeoutError:
        return probe.load
    while loop.time() < until:
        (left,) = struct.unpack("=i", fcntl.ioctl(end.fileno(), SIOCOUTQ, bytes(4)))
        if not left:
            return 0
        await asyncio.sleep(POLL_S)
    return int(left)


async def _readable(end: socket.socket, until: float) -> bool:
    """Wait until something has come in, an error included; False where time runs out."""
    loop = asyncio.get_running_loop()
    event = asyncio.Event()
    loop.add_reader(end.fileno(), event.set)
    try:
        await asyncio.wait_for(event.wait(), max(0.0, until - loop.time()))
    except TimeoutError:
        return False
    finally:
        loop.remove_reader(end.fileno())
    return True


def _reported(end: socket.socket) -> tuple[Disposition, str] | None:
    """The error that waits at a socket: an ICMP message, or the kernel's own."""
    try:
        _, extra, _, _ = end.recvmsg(256, 256, MSG_ERRQUEUE)
    except OSError:
        return None
    for level, kind, data in extra:
        if level == socket.IPPROTO_IPV6 and kind == IPV6_RECVERR and len(data) >= 16:
            number, origin, icmp_type, icmp_code = struct.unpack_from("=IBBB", data)
            if origin == ORIGIN_ICMP6:
                offender = socket.inet_ntop(socket.AF_INET6, data[24:40]) if len(data) >= 40 else ""
                return disposition_of_6(icmp_type, icmp_code), f"reported by {offender}"
            return ERRORS.get(number, Disposition.UNREACHABLE), errno.errorcode.get(number, "")
        if level == socket.IPPROTO_IP and kind == IP_RECVERR and len(data) >= 16:
            number, origin, icmp_type, icmp_code = struct.unpack_from("=IBBB", data)
            offender = socket.inet_ntoa(data[20:24]) if len(data) >= 24 else ""
            if origin == ORIGIN_ICMP:
                return disposition_of(icmp_type, icmp_code), f"reported by {offender}"
            return ERRORS.get(number, Disposition.UNREACHABLE), errno.errorcode.get(number, "")
    return None


async def _answer(end: socket.socket, until: float) -> tuple[Disposition, str] | None:
    """What came back until a time of the loop: an answer or an error; None where nothing did."""
    while await _readable(end, until):
        found = _reported(end)
        if found is not None:
            return found
        try:
            end.recv(2048)
        except BlockingIOError:
            continue
        except OSError as error:
            return ERRORS.get(error.errno or 0, Disposition.UNREACHABLE), error.strerror or ""
        return Disposition.DELIVERED, ""
    return None


async def _udp(number: int, probe: Probe, address: str) -> tuple[Disposition, str]:
    until = asyncio.get_running_loop().time() + probe.timeout_ns / 1e9
    with _opened(address, socket.SOCK_DGRAM) as end:
        end.sendto(MAGIC + struct.pack("!I", number) + b"netwerf probe", (address, probe.port))
        return await _answer(end, until) or NO_ANSWER


async def _ping(number: int, probe: Probe, address: str) -> tuple[Disposition, str]:
    protocol, request = (socket.IPPROTO_ICMPV6, 128) if ":" in address else (socket.IPPROTO_ICMP, 8)
    with _opened(address, socket.SOCK_DGRAM, protocol) as end:
        for sequence in range(1, TRIES + 1):
            until = asyncio.get_running_loop().time() + probe.timeout_ns / 1e9 / TRIES
            body = (MAGIC + struct.pack("!I", number) + b"netwerf probe").ljust(probe.load, b"\0")
            end.sendto(struct.pack("!BBHHH", request, 0, 0, 0, sequence) + body, (address, 0))
            answer = await _answer(end, until)
            if answer is not None:
                return answer
    return NO_ANSWER

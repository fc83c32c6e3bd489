"""Flows through real sockets: servers that answer with the address they see, and senders with what they are told."""

from __future__ import annotations

import errno
import os
import selectors
import socket
import struct
from collections.abc import Callable, Iterator
from contextlib import suppress

from tests.traffic import PORT, Flow

IP_RECVERR, IPV6_RECVERR = 11, 25  # linux/in.h, linux/in6.h
SOL_RAW = 255  # linux/socket.h
ECHO_REQUEST, ECHO_REQUEST6, ECHO_REPLY6 = 8, 128, 129  # RFC 792, RFC 4443
ICMP_FILTER, ICMPV6_FILTER = 1, 1  # linux/icmp.h, linux/icmpv6.h
ORIGIN_ICMP, ORIGIN_ICMP6 = 2, 3  # linux/errqueue.h
Reader = Callable[[socket.socket], None]


def servers() -> Iterator[socket.socket]:
    """TCP and UDP of both versions on PORT of the namespace this is called in."""
    for family in (socket.AF_INET, socket.AF_INET6):
        for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
            server = socket.socket(family, kind)
            if family == socket.AF_INET6:
                server.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            server.bind(("::" if family == socket.AF_INET6 else "0.0.0.0", PORT))
            if kind == socket.SOCK_STREAM:
                server.listen(64)
            server.setblocking(False)
            yield server


def answer(server: socket.socket) -> None:
    """Tell whoever asks which address it is seen as."""
    with suppress(OSError):  # nothing there after all, or no way back to the asker
        if server.type == socket.SOCK_STREAM:
            connection, peer = server.accept()
            with connection:
                connection.send(peer[0].encode())
        else:
            _, peer = server.recvfrom(100)
            server.sendto(peer[0].encode(), peer)


def _errors(handle: socket.socket, identifier: int = 0) -> Iterator[str]:
    """The error queue (ip(7), ipv6(7)); of an echo request those that quote its identifier."""
    request = ECHO_REQUEST6 if handle.family == socket.AF_INET6 else ECHO_REQUEST
    while True:
        try:
            quoted, controls, _, _ = handle.recvmsg(2048, 512, socket.MSG_ERRQUEUE)
        except OSError:
            return
        if identifier and (quoted[:1] != bytes([request]) or quoted[4:6] != struct.pack("!H", identifier)):
            continue  # a raw socket hears of every ICMP packet to its target, of replies too; ping(8) looks as well
        for level, kind, value in controls:
            if (level, kind) in ((socket.IPPROTO_IP, IP_RECVERR), (socket.IPPROTO_IPV6, IPV6_RECVERR)):
                number, origin, icmp_type, code, _, _, _ = struct.unpack_from("IBBBBII", value)
                if origin == ORIGIN_ICMP:
                    yield f"error {icmp_type}/{code} from {socket.inet_ntoa(value[20:24])}"
                elif origin == ORIGIN_ICMP6:
                    yield f"error {icmp_type}/{code} from {socket.inet_ntop(socket.AF_INET6, value[24:40])}"
                else:
                    yield os.strerror(number)


def _open(flow: Flow, kind: int, *, ping: bool = False) -> socket.socket:
    protocol = (socket.IPPROTO_ICMPV6 if flow.wide else socket.IPPROTO_ICMP) if ping else 0
    handle = socket.socket(socket.AF_INET6 if flow.wide else socket.AF_INET, kind, protocol)
    handle.setblocking(False)
    if flow.wide:
        handle.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_UNICAST_HOPS, flow.ttl)
    else:
        handle.setsockopt(socket.IPPROTO_IP, socket.IP_TTL, flow.ttl)
    return handle


def _datagrams(
    flow: Flow,
    handle: socket.socket,
    request: bytes,
    told: dict[Flow, str],
    understand: Callable[[socket.socket], str | None],
    identifier: int = 0,
) -> Reader | None:
    """Send one datagram; the reader takes its answer or its error."""
    if flow.wide:
        handle.setsockopt(socket.IPPROTO_IPV6, IPV6_RECVERR, 1)
    else:
        handle.setsockopt(socket.IPPROTO_IP, IP_RECVERR, 1)
    port = 0 if handle.type == socket.SOCK_RAW else flow.port
    try:
        if handle.type == socket.SOCK_RAW:  # so that it hears of its own errors alone
            handle.connect((flow.target, port))
        handle.sendto(request, (flow.target, port))
    except OSError as error:
        told[flow] = error.strerror
        return None

    def read(_: socket.socket) -> None:
        for text in _errors(handle, identifier):
            told.setdefault(flow, text)
        while True:
            try:
                text = understand(handle)
            except BlockingIOError:
                return
            except OSError:
                continue
            if text is not None:
                told.setdefault(flow, text)

    return read


def _ping(flow: Flow, number: int, told: dict[Flow, str], selector: selectors.BaseSelector) -> socket.socket:
    handle = _open(flow, socket.SOCK_RAW, ping=True)
    body = bytes(56)
    if flow.wide:
        everything_but_replies = bytearray(b"\xff" * 32)
        everything_but_replies[ECHO_REPLY6 // 8] ^= 1 << ECHO_REPLY6 % 8
        handle.setsockopt(socket.IPPROTO_ICMPV6, ICMPV6_FILTER, bytes(everything_but_replies))
        handle.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVHOPLIMIT, 1)
        request = struct.pack("!BBHHH", ECHO_REQUEST6, 0, 0, number, 1) + body  # the kernel adds the checksum
    else:
        handle.setsockopt(SOL_RAW, ICMP_FILTER, struct.pack("I", 0xFFFFFFFF ^ 1))
        head = struct.pack("!BBHHH", ECHO_REQUEST, 0, 0, number, 1)
        total = sum(struct.unpack(f"!{len(head + body) // 2}H", head + body))
        total = (total >> 16) + (total & 0xFFFF)
        request = struct.pack("!BBHHH", ECHO_REQUEST, 0, ~(total + (total >> 16)) & 0xFFFF, number, 1) + body

    def understand(_: socket.socket) -> str | None:
        if flow.wide:
            packet, controls, _, _ = handle.recvmsg(2048, 512)
            if struct.unpack_from("!H", packet, 4)[0] != number:
                return None
            (hops,) = (value for level, kind, value in controls if kind == socket.IPV6_HOPLIMIT)
            return f"reply ttl={struct.unpack('i', hops)[0]}"
        packet = handle.recv(2048)
        mine = packet[20] == 0 and struct.unpack_from("!H", packet, 24)[0] == number
        return f"reply ttl={packet[8]}" if mine else None

    read = _datagrams(flow, handle, request, told, understand, number)
    if read is not None:
        selector.register(handle, selectors.EVENT_READ, read)
    return handle


def _udp(flow: Flow, _: int, told: dict[Flow, str], selector: selectors.BaseSelector) -> socket.socket:
    handle = _open(flow, socket.SOCK_DGRAM)
    read = _datagrams(flow, handle, b"?", told, lambda end: f"seen as {end.recv(2048).decode()}")
    if read is not None:
        selector.register(handle, selectors.EVENT_READ, read)
    return handle


def _tcp(flow: Flow, _: int, told: dict[Flow, str], selector: selectors.BaseSelector) -> socket.socket:
    handle = _open(flow, socket.SOCK_STREAM)
    number = handle.connect_ex((flow.target, flow.port))
    if number not in (0, errno.EINPROGRESS):
        told[flow] = os.strerror(number)
        return handle

    def connected(_: socket.socket) -> None:
        failed = handle.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if failed:
            told[flow] = os.strerror(failed)
            selector.unregister(handle)
            return
        selector.modify(handle, selectors.EVENT_READ, read)

    def read(_: socket.socket) -> None:
        try:
            told[flow] = f"seen as {handle.recv(100).decode()}"
        except OSError as error:
            told[flow] = error.strerror
        selector.unregister(handle)

    selector.register(handle, selectors.EVENT_WRITE, connected)
    return handle


SENDERS = {"ping": _ping, "tcp": _tcp, "udp": _udp}

"""The program of a thing that posts its readings over HTTP, and that of the server that takes them."""

from __future__ import annotations

import json
from functools import partial
from typing import TYPE_CHECKING

from labs.net.http import HttpError, Request, Response, header, read_request, response_bytes
from labs.net.process import Process, Program, Routine, Wait
from labs.net.sockets import SocketError, listen
from labs.shell.daemons.clients import Clients, Requests
from labs.shell.daemons.thing_unit import EXIT_CONFIG
from labs.shell.instrument import read_instrument
from labs.shell.web import Exchange, WebError, read_url
from labs.things.push import COLLECTOR, PUSH, CollectorConfig, parse_collector, parse_push, read_report
from labs.things.sensor import sensor_payload
from labs.things.thing_config import ThingConfigError
from labs.things.units import BASE_UNITS, UnitError, to_unit

if TYPE_CHECKING:
    from labs.net.tcp import TcpConnection

__all__ = ["collector", "push"]

KEPT = "/var/lib/collector.jsonl"
SECOND = 1_000_000_000
TIMEOUT_NS = 10 * SECOND
GOOD = (200, 201, 204)
MAX_CLIENTS = 32
JSON = "application/json"


def push(process: Process) -> Routine:
    """The unit `push`."""
    node = process.node
    try:
        config = parse_push(node.files.get(PUSH))
        url = read_url(config.url)
    except (ThingConfigError, WebError) as error:
        process.error(f"{PUSH}: {error}")
        return EXIT_CONFIG
    process.endless = True
    process.print(f"{config.quantity} to {url} every {config.interval_s} s")
    due, last = node.now, ""
    while True:
        try:
            value = read_instrument(node, config.quantity)
            value = to_unit(value, BASE_UNITS.get(config.quantity, config.unit), config.unit)
            body = sensor_payload(round(value, 1) + 0.0, config.unit, node.wall_clock())
            headers = [("Host", url.authority), ("Content-Type", JSON), ("Content-Length", str(len(body)))]
            if config.token:
                headers.append(("Authorization", f"Bearer {config.token}"))
            kept = len(process.cleanup)
            exchange = Exchange(process, url, deadline_ns=node.now + TIMEOUT_NS)
            answer = yield from exchange.run(Request("POST", url.target, tuple(headers), body=body))
            del process.cleanup[kept:]
            outcome = "ok" if answer.status in GOOD else f"{url}: {answer.status} {answer.reason}"
        except (WebError, UnitError, ValueError) as error:
            outcome = str(error)
        if outcome != last:
            (process.print if outcome == "ok" else process.error)(outcome)
            last = outcome
        due = max(due + config.interval_s * SECOND, node.now)
        while node.now < due:
            yield Wait((), due)


def _answer(config: CollectorConfig, process: Process, request: Request) -> Response:
    """What becomes of one request."""
    node = process.node
    if config.token and header(request, "Authorization") != f"Bearer {config.token}":
        return Response(401, "Unauthorized", (("WWW-Authenticate", "Bearer"),), body=b"")
    if request.method == "GET":
        lines = node.files.get(KEPT).splitlines()
        body = (lines[-1] + "\n").encode() if lines else b"{}\n"
        return Response(200, "OK", (("Content-Type", JSON),), body=body)
    if request.method != "POST":
        return Response(405, "Not Allowed", (), body=b"")
    try:
        report = read_report(request.body)
    except ValueError as error:
        process.error(f"{request.target}: {error}")
        return Response(400, "Bad Request", (("Content-Type", "text/plain"),), body=f"{error}\n".encode())
    entry = json.dumps({"path": request.target, **report}, ensure_ascii=False)
    lines = [*node.files.get(KEPT).splitlines(), entry][-config.keep :]
    node.files.write(KEPT, "\n".join(lines) + "\n")
    return Response(204, "No Content", (), body=b"")


def _client(connection: TcpConnection, config: CollectorConfig, owner: Process) -> Program:
    def client(process: Process) -> Routine:
        node = process.node
        process.cleanup.append(lambda: connection.release(node.now))
        requests = Requests(connection, read_request)
        while True:
            try:
                request = yield from requests.take()
            except HttpError:
                connection.send(response_bytes(Response(400, "Bad Request", (("Content-Length", "0"),))), node.now)
                return 1
            if request is None:
                return 0
            answer = _answer(config, owner, request)
            length = ("Content-Length", str(len(answer.body)))
            connection.send(response_bytes(answer._replace(headers=(*answer.headers, length))), node.now)

    return client


def collector(process: Process) -> Routine:
    """The unit `collector`."""
    node = process.node
    try:
        config = parse_collector(node.files.get(COLLECTOR))
        listener = listen(process, config.port)
    except ThingConfigError as error:
        process.error(f"{COLLECTOR}: {error}")
        return EXIT_CONFIG
    except SocketError as error:
        process.error(str(error))
        return 1
    process.endless = True
    process.print(f"reports on TCP port {config.port}")
    clients = Clients(process, "collectord", MAX_CLIENTS)
    while True:
        clients.admit(listener, partial(_client, config=config, owner=process))
        yield Wait((listener.signal,))

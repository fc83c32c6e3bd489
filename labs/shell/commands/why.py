"""why: what would become of a packet, and which route, rule or file decides. No real network can answer this.

Nothing is sent: the answer comes from whoever knows the whole site (`node.oracle`).
"""

from __future__ import annotations

from labs.model.addresses import Address, parse_address
from labs.model.services import Service
from labs.net.foresight import Foresight, Question, Step
from labs.net.process import Process, Program, Routine
from labs.net.service_names import port_number
from labs.shell.resolver import ResolveError, lookup

__all__ = ["COMMANDS"]

USAGE = """Usage: why [-4 | -6] [SOURCE] DESTINATION [ping | tcp PORT | udp PORT | SERVICE]
What would become of a packet from here, hop by hop, and what decides it. Nothing is sent.
SOURCE is an address of this device, or the name of another that would send it; without it the kernel chooses.
A name means the address that ping would take; -4 and -6 ask for one of that version.
SERVICE is one of those that checks name, such as https, mqtt or tcp/8080."""
PROTOCOLS = ("ping", "icmp", "tcp", "udp")
FAMILIES = {"-4": "ip", "-6": "ip6"}


class _Refusal(Exception):
    """A question that makes no sense."""


def _port(text: str, protocol: str) -> int:
    found = port_number(protocol, text)
    if not found:
        message = f'"{text}" is no {protocol} port'
        raise _Refusal(message)
    return found


def _service(text: str) -> Service | None:
    """`https`, `tcp/443`: what a check would call it, or None."""
    try:
        service = Service.parse(text)
    except ValueError:
        return None
    return service if service.protocol in ("tcp", "udp") and not service.wide else None


def _read(words: list[str]) -> tuple[list[str], str, int]:
    """Names or addresses, protocol, port."""
    places = words
    protocol, port = "ping", 0
    at = next((index for index, word in enumerate(words) if index > 0 and word in PROTOCOLS), None)
    if at is not None:
        places, (protocol, *rest) = words[:at], words[at:]
        if protocol in ("tcp", "udp"):
            if len(rest) != 1:
                message = f"{protocol} needs one port"
                raise _Refusal(message)
            port = _port(rest[0], protocol)
        elif rest:
            message = f'"{rest[0]}" is not understood'
            raise _Refusal(message)
        protocol = "ping" if protocol == "icmp" else protocol
    elif len(words) > 1 and (service := _service(words[-1])) is not None:
        places, protocol, port = words[:-1], service.protocol, service.port
    if not 1 <= len(places) <= 2 or any(place.startswith("-") for place in places):
        raise _Refusal("")
    return places, protocol, port


def why(process: Process) -> Routine:
    """The program."""
    node = process.node
    if node.oracle is None:
        process.error("why: nobody here knows the whole site")
        return 2
    try:
        words = process.argv[1:]
        family = FAMILIES.get(words[0], "") if words else ""
        places, protocol, port = _read(words[1:] if family else words)
        sender, source = node.name, None
        if len(places) == 2:
            sender, source = _sender(process, places[0])
        found = (yield from lookup(process, places[-1], family=family))[0]
    except _Refusal as refusal:
        process.error(*([f"why: {refusal}"] if str(refusal) else []), *USAGE.split("\n"))
        return 2
    except ResolveError as error:
        process.error(f"why: {places[-1]}: {error}")
        return 2
    try:
        question = Question(found.address, protocol, port, source, over=found.zone)
        answer = node.oracle.foresee(sender, question)
    except KeyError:
        process.error(
            f'why: "{sender}" is neither an address of this device nor the name of another', *USAGE.split("\n")
        )
        return 2
    if answer is None:
        process.error("why: not available in this lab")
        return 2
    _print(process, answer)
    return 0 if answer.answered else 1


def _sender(process: Process, text: str) -> tuple[str, Address | None]:
    """Who would send, and from which address: one of this device, or whichever another device would choose."""
    try:
        address = parse_address(text)
    except ValueError:
        return text, None
    if not process.node.is_local(address):
        message = f"{text} is no address of this device"
        raise _Refusal(message)
    return process.node.name, address


def _print(process: Process, answer: Foresight) -> None:
    device, back = "", False
    for step in answer.steps:
        if step.back and not back:
            process.print("-- the way back --")
            device = ""
        back = step.back
        if step.device != device and step.device:
            device = step.device
            process.print(device)
        _print_step(process, step)
    detail = str(answer.detail)
    process.print(f"= {answer.ending}" + (f": {detail}" if detail not in ("", answer.ending) else ""))


def _print_step(process: Process, step: Step) -> None:
    process.print(f"  {step.what}")
    if step.by or step.where:
        process.print(f"      by {step.by}{f'   [{step.where}]' if step.where else ''}")


COMMANDS: dict[str, Program] = {"why": why}

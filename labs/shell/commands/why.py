"""why: what would become of a packet, and which route, rule or file decides. No real network can answer this.

Nothing is sent: the answer comes from whoever knows the whole site (`node.oracle`).
"""

from __future__ import annotations

from labs.model.addresses import IPv4, IPv6
from labs.net.foresight import Foresight, Question, Step
from labs.net.process import Process, Program, Routine
from labs.net.service_names import port_number
from labs.shell.resolver import ResolveError, literal_place, resolve

__all__ = ["COMMANDS"]

USAGE = """Usage: why [SOURCE] DESTINATION [ping | tcp PORT | udp PORT]
What would become of a packet from here, hop by hop, and what decides it. Nothing is sent.
SOURCE is an address of this device, or the name of another that would send it; without it the kernel chooses."""
PROTOCOLS = ("ping", "icmp", "tcp", "udp")


class _Refusal(Exception):
    """A question that makes no sense."""


def _port(text: str, protocol: str) -> int:
    found = port_number(protocol, text)
    if not found:
        message = f'"{text}" is no {protocol} port'
        raise _Refusal(message)
    return found


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
    if not 1 <= len(places) <= 2 or any(place.startswith("-") for place in places):
        raise _Refusal("")
    for place in places:
        found = literal_place(place)
        if found is not None and isinstance(found.address, IPv6):
            message = f"{place}: IPv6 is not explained here"
            raise _Refusal(message)
    return places, protocol, port


def why(process: Process) -> Routine:
    """The program."""
    node = process.node
    if node.oracle is None:
        process.error("why: nobody here knows the whole site")
        return 2
    try:
        places, protocol, port = _read(process.argv[1:])
        sender, source = node.name, None
        if len(places) == 2:
            sender, source = _sender(process, places[0])
        destination = yield from resolve(process, places[-1])
    except _Refusal as refusal:
        process.error(*([f"why: {refusal}"] if str(refusal) else []), *USAGE.split("\n"))
        return 2
    except ResolveError as error:
        process.error(f"why: {places[-1]}: {error}")
        return 2
    try:
        answer = node.oracle.foresee(sender, Question(destination, protocol, port, source))
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


def _sender(process: Process, text: str) -> tuple[str, IPv4 | None]:
    """Who would send, and from which address: one of this device, or whichever another device would choose."""
    try:
        address = IPv4.parse(text)
    except ValueError:
        return text, None
    if not process.node.ip.is_local(address):
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
    ending = (
        answer.ending if answer.ending == answer.detail or not answer.detail else f"{answer.ending}: {answer.detail}"
    )
    process.print(f"= {ending}")


def _print_step(process: Process, step: Step) -> None:
    process.print(f"  {step.what}")
    if step.by or step.where:
        process.print(f"      by {step.by}{f'   [{step.where}]' if step.where else ''}")


COMMANDS: dict[str, Program] = {"why": why}

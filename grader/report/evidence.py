"""Lines that show a verdict, in the language of the reader.

Judges write them in English, as the tools of a device do, so that a grade is the same for everybody. What a sentence of
ours says is translated when it is shown; names, addresses, routes, rules and lines of files stay as they are.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cache

from labs.messages import Message, message, translate
from labs.net.actions import DropReason

__all__ = ["REASONS", "evidence_in"]

REASONS = tuple(reason.value for reason in DropReason)
PLACEHOLDER = re.compile(r"\\\{(\w+)\\\}")
BECAUSE = "   ["  # begins the route, the rule or the line of a file that decided
SENTENCES = (  # the longer of two that begin alike comes first
    message("{device} sends out of {interface}"),
    message("{device} passes on {incoming} -> {outgoing} to {hop}"),
    message("{device} takes it in at {interface}"),
    message("{device} drops it: {reason}"),
    message("{device}: leaves by {interface}"),
    message("{device}: is forwarded from {incoming} to {outgoing}, to {hop}"),
    message("{device}: is forwarded from {incoming} to {outgoing}"),
    message("{device}: arrives by {interface}: {program} listens on {protocol} port {port}"),
    message("{device}: arrives by {interface}"),
    message("{device}: dies: nothing listens on {port}"),
    message("{device}: dies: nobody answers {question} for {address} on {interface}"),
    message("{device}: dies: {reason}"),
    message("{device}: the ARP question for {address} dies at {interface}: {reason}"),
    message("{device}: the frame for {address} dies at {interface}: {reason}"),
    message("{device}: {hook}: becomes {packet}"),
    message("{device}: bridge: {incoming} -> {outgoing} (and out of every other port: it does not know the station)"),
)


def evidence_in(lines: Iterable[str], language: str) -> list[str]:
    """The lines in a language; one that is nobody's sentence stays as it is."""
    return [line if language == "en" else _said(line, language) for line in lines]


def _said(line: str, language: str) -> str:
    sentence, because, rest = line.partition(BECAUSE)
    for template, pattern in _patterns():
        found = pattern.fullmatch(sentence)
        if found:
            values: dict[str, object] = {name: _word(name, text, language) for name, text in found.groupdict().items()}
            return Message(template, values).in_language(language) + because + rest
    return line


def _word(name: str, text: str, language: str) -> str:
    return translate(text, language) if name == "reason" and text in REASONS else text


@cache
def _patterns() -> tuple[tuple[str, re.Pattern[str]], ...]:
    def pattern(template: str) -> re.Pattern[str]:
        greedy = {"device": r"(?P<device>[\w-]*)"}
        return re.compile(
            PLACEHOLDER.sub(lambda found: greedy.get(found[1], f"(?P<{found[1]}>.+?)"), re.escape(template))
        )

    return tuple((sentence.template, pattern(sentence.template)) for sentence in SENTENCES)

"""Texts of an author that the program for which they are would refuse: firewalls and rules.

An interfaces file is read when the site is built, because faults change it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from fnmatch import fnmatchcase

from labs.messages import Message, message

__all__ = ["unreadable"]

NFTABLES, RULES = "/etc/nftables.conf", "/etc/rules.conf"


def unreadable(files: Mapping[str, str]) -> Iterator[tuple[str, Message]]:
    """The path of each such file, placeholders filled in, and what its program says."""
    for path, why in ((NFTABLES, _firewall), (RULES, _rules)):
        said = why(files) if path in files and "${" not in files[path] else None
        if said is not None:
            yield path, said


def _firewall(files: Mapping[str, str]) -> Message | None:
    from labs.net.nftables import NftError, Ruleset  # its grammar is loaded by those who have a firewall
    from labs.net.nftables.apply import apply
    from labs.net.nftables.inclusion import Inclusions
    from labs.net.nftables.parser import parse

    def find(pattern: str) -> list[str]:
        return sorted(path for path in files if fnmatchcase(path, pattern))

    inclusions = Inclusions(files[NFTABLES], NFTABLES, find=find, read=files.__getitem__)
    try:
        apply(Ruleset(), parse(files[NFTABLES], inclusions))
    except NftError as error:
        place, _, said = inclusions.render(error).partition(": Error: ")
        why, _, line = said.partition("\n")
        text = line.partition("\n")[0].strip()
        return message("nft cannot read it: {place}: {why}: {text}", place=place, why=why, text=text)
    return None


def _rules(files: Mapping[str, str]) -> Message | None:
    from labs.things.rules import RulesError, parse_rules

    try:
        parse_rules(files[RULES])
    except RulesError as error:
        return message("rules cannot read it: {why}", why=error)
    return None

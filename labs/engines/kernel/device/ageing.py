"""What ages on a device by the clock of the machine, which nobody puts forward: leases, addresses, elements of sets."""

from __future__ import annotations

import glob
import json
import re
import time
from calendar import timegm
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from labs.engines.kernel.device.machine import Machine

__all__ = ["ageing", "expiries", "lifetimes", "renewals", "strangers"]

LEASES = "/var/lib/dhcp/dhclient.*.leases"
RENEW = re.compile(r"^\s*renew\s+\d\s+(\S+ \S+);", re.MULTILINE)
NUMBER = re.compile(r"\d+")
FOREVER_S = 0xFFFF_FFFF  # INFINITY_LIFE_TIME, linux/if_addr.h


# Daemons that leave their parent, or that no unit started: what they do now and then is known.
KNOWN_DAEMONS = frozenset({"dhclient", "ovsdb-server", "ovs-vswitchd"})


def strangers(known: Iterable[int]) -> list[str]:
    """The names of processes here that are neither `known` nor below one of them: they keep a time of their own."""
    mine = set(known)
    found: dict[int, tuple[str, int]] = {}
    for path in glob.glob("/proc/[0-9]*/stat"):
        try:
            with open(path, "rb") as file:
                head, _, tail = file.read().rpartition(b")")
        except OSError:
            continue
        number, _, name = head.partition(b" (")
        if not tail.startswith(b" Z"):
            found[int(number)] = (name.decode("utf-8", "replace"), int(tail.split()[1]))

    def is_mine(number: int) -> bool:
        while number in found and number != 1:
            if number in mine or found[number][0] in KNOWN_DAEMONS:
                return True
            number = found[number][1]
        return False

    return sorted(name for number, (name, _) in found.items() if number != 1 and not is_mine(number))


async def ageing(machine: Machine, duration_ns: int) -> str:
    """What would have changed within the next `duration_ns`, in words; empty where nothing would."""
    until_s = (machine.clock.elapsed_ns + duration_ns) / 1e9  # what was put forward before did not age it either
    for path in sorted(glob.glob(LEASES)):
        if any(left_s <= until_s for left_s in renewals(machine.files.get(path), time.time())):
            return "its lease would be renewed meanwhile"
    if any(left_s <= until_s for left_s in lifetimes(await machine.capture("ip", "-j", "address"))):
        return "an address of it would end meanwhile"
    if any(left_s <= until_s for left_s in expiries(await machine.capture("nft", "-j", "list", "ruleset"))):
        return "an element of a set of nftables would end meanwhile"
    return ""


def renewals(leases: str, now_s: float) -> list[float]:
    """In how many seconds dhclient asks again, by the last lease of its file (dhclient.leases(5), in UTC)."""
    return [timegm(tuple(map(int, NUMBER.findall(text)))) - now_s for text in RENEW.findall(leases)[-1:]]


def lifetimes(listing: str) -> list[float]:
    """How many seconds each address is still valid, by `ip -j address`, for those that end."""
    found = [
        info.get("valid_life_time", FOREVER_S) for port in _read(listing, []) for info in port.get("addr_info", [])
    ]
    return [seconds for seconds in found if seconds != FOREVER_S]


def expiries(listing: str) -> list[float]:
    """In how many seconds each element of a set ends, by `nft -j list ruleset`."""
    return list(_expiries(_read(listing, {})))


def _expiries(item: Any) -> Iterator[float]:
    if isinstance(item, dict):
        if isinstance(item.get("expires"), (int, float)):
            yield float(item["expires"])
        for value in item.values():
            yield from _expiries(value)
    elif isinstance(item, list):
        for value in item:
            yield from _expiries(value)


def _read(text: str, otherwise: Any) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return otherwise

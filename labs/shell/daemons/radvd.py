"""radvd: tells the hosts of a network about routers and prefixes.

Before changing this file read RFC 4861 §6.2 and compare with radvd 2.19. Intervals that radvd draws are taken at their
mean, so that a lab can be replayed.
"""

from __future__ import annotations

from collections.abc import Callable

from labs.model.addresses import IPv6
from labs.net import icmpv6
from labs.net.interface import Interface
from labs.net.ipv6 import ALL_NODES, ANY6
from labs.net.ndp import Prefix, RouterAdvert
from labs.net.process import SIGTERM, Interrupt, Process, Routine, Wait
from labs.net.radvd_conf import PATH, Advertiser, RadvdError, parse_radvd

__all__ = ["advert_of", "radvd"]

SECOND = 1_000_000_000
FIRST_ADVERTS = 3  # MAX_INITIAL_RTR_ADVERTISEMENTS, RFC 4861 §10
FIRST_INTERVAL_NS = 16 * SECOND  # MAX_INITIAL_RTR_ADVERT_INTERVAL
ANSWER_NS = SECOND // 4  # MAX_RA_DELAY_TIME is half a second; the mean
RETRY_NS = 5 * SECOND  # an interface that is not ready yet


def advert_of(conf: Advertiser, interface: Interface, *, lifetime_s: int | None = None) -> RouterAdvert:
    """What an advertiser says on an interface."""
    longest = round(conf.longest_s)
    default = 3 * longest if conf.lifetime_s < 0 else conf.lifetime_s
    return RouterAdvert(
        hop_limit=conf.hop_limit,
        managed=conf.managed,
        other=conf.other,
        preference=conf.preference,
        lifetime_s=default if lifetime_s is None else lifetime_s,
        reachable_ms=conf.reachable_ms,
        retrans_ms=conf.retrans_ms,
        link=interface.mac if conf.link_option else None,
        mtu=conf.mtu,
        prefixes=_prefixes(conf, interface),
        servers=tuple(conf.servers),
        servers_lifetime_s=longest if conf.servers_lifetime_s < 0 else conf.servers_lifetime_s,
        domains=tuple(conf.domains),
        domains_lifetime_s=longest if conf.domains_lifetime_s < 0 else conf.domains_lifetime_s,
    )


def _prefixes(conf: Advertiser, interface: Interface) -> tuple[Prefix, ...]:
    """Those of the file; ::/64 stands for every /64 that the interface has an address in."""
    told: list[Prefix] = []
    for prefix in conf.prefixes:
        if prefix.network.address != 0:
            told.append(prefix)
            continue
        own = [a.network for a in interface.inet6 if a.scope == "global" and a.length == prefix.network.length]
        told += [
            Prefix(network, prefix.on_link, prefix.autonomous, prefix.valid_s, prefix.preferred_s) for network in own
        ]
    return tuple(told)


class _Line:
    """One interface that is advertised on."""

    def __init__(self, process: Process, conf: Advertiser) -> None:
        self._node = process.node
        self.conf = conf
        self.next_ns = process.node.now
        self._sent = 0

    def _interface(self) -> tuple[Interface, IPv6] | None:
        interface = self._node.interfaces.get(self.conf.name)
        if interface is None or not interface.running:
            return None
        source = self._node.ipv6.source_for(interface, ALL_NODES)
        return None if source is None else (interface, source)

    def send(self, target: IPv6 = ALL_NODES, *, lifetime_s: int | None = None) -> bool:
        """Advertise once; False where the interface cannot."""
        ready = self._interface()
        if ready is None:
            return False
        advert = advert_of(self.conf, ready[0], lifetime_s=lifetime_s)
        self._node.ipv6.discovery.send(*ready, target, icmpv6.ROUTER_ADVERT, advert)
        return True

    def work(self, now: int) -> None:
        """Advertise when it is time to."""
        if now < self.next_ns:
            return
        if not self.send():
            self.next_ns = now + RETRY_NS
            return
        self._sent += 1
        longest = round(self.conf.longest_s * SECOND)
        shortest = round(self.conf.shortest_s * SECOND) or longest // 3
        mean = (shortest + longest) // 2
        self.next_ns = now + (min(mean, FIRST_INTERVAL_NS) if self._sent < FIRST_ADVERTS else mean)


def radvd(process: Process) -> Routine | int:
    """The daemon; with -c it only reads the file."""
    node = process.node
    path = PATH
    words = process.argv[1:]
    for option in ("-C", "--config"):
        if option in words[:-1]:
            path = words[words.index(option) + 1]
    head = f"radvd ({process.pid}): " if "stderr_clean" not in words else ""
    if not node.files.is_file(path):
        process.print(f"{head}can't open {path}: No such file or directory")
        process.print(f"{head}exiting, failed to read config file")
        return 1
    try:
        conf = parse_radvd(node.files.get(path), path)
    except RadvdError as error:
        text = str(error)
        process.print(text if text.startswith(f"{path}:") else f"{head}{text}")
        process.print(f"{head}exiting, failed to read config file")
        return 1
    if "-c" in words or "--configtest" in words:
        process.print(f"{head}config file, {path}, syntax ok")
        return 0
    process.print("version 2.19 started")
    if not node.sysctl.number("net.ipv6.conf.all.forwarding"):
        process.print("IPv6 forwarding seems to be disabled, but continuing anyway")
    for each in conf:
        if each.name not in node.interfaces:
            process.print(f"{each.name} not found: No such device")
    return _serve(process, [_Line(process, each) for each in conf if each.send])


def _serve(process: Process, lines: list[_Line]) -> Routine:
    node = process.node
    autoconf = node.ipv6.autoconf
    answers: list[tuple[int, Callable[[], object]]] = []
    autoconf.questions.clear()
    groups = {line.conf.name for line in lines} - node.ipv6.router_groups
    node.ipv6.router_groups |= groups
    process.cleanup.append(lambda: node.ipv6.router_groups.difference_update(groups))
    try:
        while True:
            now = node.now
            for name, asker in autoconf.questions:
                for line in lines:
                    if line.conf.name == name:
                        target = ALL_NODES if asker == ANY6 else asker
                        answers.append((now + ANSWER_NS, lambda line=line, target=target: line.send(target)))  # type: ignore[misc]
            autoconf.questions.clear()
            due = [answer for at, answer in answers if at <= now]
            answers = [(at, answer) for at, answer in answers if at > now]
            for answer in due:
                answer()
            for line in lines:
                line.work(now)
            until = min([line.next_ns for line in lines] + [at for at, _ in answers], default=None)
            yield Wait((autoconf.asked, autoconf.settled), until)
    except Interrupt as interrupt:
        if interrupt.signal == SIGTERM:
            for line in lines:  # RFC 4861 §6.2.5: a router that ceases says so
                line.send(lifetime_s=0)
        raise

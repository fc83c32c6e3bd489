"""Proofs over all packets: the analysis beside a BDD library, a SAT solver and an SMT solver, with equal answers.

Five routers in a row with 200 random rules each, 20 subnets at each router, one host in each. The question, for each of
the 9,900 ordered pairs: is there any packet that the first host can send (any free address of its subnet, any port) and
that every router on the way lets through to the second? The other figures are one-sided goals of ours, and a comparison
with packets that are played one by one on the same machines.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from random import Random
from time import process_time
from typing import Any

from benchmarks.common import Case, heading, measure, table
from grader.reach import Packet, Reach
from labs.model.addresses import InterfaceAddress, IPv4, Mac, Network
from labs.model.site import Device, Endpoint, Kind, Link, Port, Site
from labs.model.state import DeviceState, InterfaceState, Route
from labs.net.linux.sysctl import DEFAULTS
from labs.net.nftables import to_json
from labs.net.nftables.apply import load

ROUTERS, SUBNETS, RULES = 5, 20, 200
PORTS = (22, 53, 80, 123, 443, 502, 1883, 5060, 8080, 8883)
SAT_ROUNDS, SMT_PAIRS, PACKET_HOSTS = 1, 12, 12
GOAL_COLD_S, GOAL_AGAIN_S = 0.25, 0.02


class Rule:
    """One random rule."""

    def __init__(self, random: Random) -> None:
        self.permit = random.random() < 0.4
        self.source = self._prefix(random)
        self.target = self._prefix(random)
        self.protocol = random.choice((6, 17))
        low = random.choice(PORTS)
        self.ports = (low, min(65535, low + random.choice((0, 0, 0, 10, 1000))))
        self.sports = random.choice(((0, 65535), (0, 65535), (1024, 65535), (32768, 60999), (1, 1023)))

    @staticmethod
    def _prefix(random: Random) -> Network:
        length = random.choice((8, 16, 20, 22, 24, 24))
        address = IPv4((10 << 24) | random.randrange(ROUTERS) << 16 | random.randrange(SUBNETS) << 8)
        return Network.of(address, length)

    def __str__(self) -> str:
        verdict = "accept" if self.permit else "drop"
        protocol = "tcp" if self.protocol == 6 else "udp"
        sport = f" {protocol} sport {self.sports[0]}-{self.sports[1]}" if self.sports != (0, 65535) else ""
        ports = f"{protocol} dport {self.ports[0]}-{self.ports[1]}{sport}"
        return f"ip saddr {self.source} ip daddr {self.target} {ports} {verdict}"


def rules_of(router: int) -> list[Rule]:
    """The rules of a router."""
    random = Random(f"rules/{router}")
    return [Rule(random) for _ in range(RULES)]


ALL_RULES = [rules_of(router) for router in range(ROUTERS)]
HOSTS = [(router, subnet) for router in range(ROUTERS) for subnet in range(SUBNETS)]


def subnet_of(router: int, subnet: int) -> int:
    """The first address of a subnet."""
    return (10 << 24) | router << 16 | subnet << 8


def interface(number: int, name: str, mac: int, addresses: list[str], kind: str = "ether") -> InterfaceState:
    """An interface in operation."""
    found = tuple(InterfaceAddress.parse(address) for address in addresses)
    return InterfaceState(name, number, kind, Mac(mac), up=True, carrier=True, addresses=found)


def connected(shown: InterfaceState) -> list[Route]:
    """The routes that addresses bring."""
    return [
        Route(a.network, shown.name, source=a.address, protocol="kernel", scope="link")
        for a in shown.addresses
        if shown.kind != "loopback"
    ]


def device(
    name: str, interfaces: list[InterfaceState], routes: list[Route], rules: str = "", *, forward: bool
) -> Device:
    """A device as it would be observed."""
    ports = tuple(Port(i.name, i.mac) for i in interfaces if i.kind == "ether")
    sysctls = dict(DEFAULTS) | {"net.ipv4.ip_forward": str(int(forward))}
    shown = [interface(1, "lo", 0, ["127.0.0.1/8"], "loopback"), *interfaces]
    every = [route for i in shown for route in connected(i)] + routes
    ruleset = to_json(load(rules)) if rules else {}
    state = DeviceState(tuple(shown), tuple(every), ruleset, sysctls)
    return Device(name, Kind.ROUTER if forward else Kind.HOST, ports, {}, state=state)


def filter_of(rules: list[Rule]) -> str:
    """A forward chain."""
    text = "\n".join(str(rule) for rule in rules)
    return f"table inet f {{ chain forward {{ type filter hook forward priority 0; policy drop;\n{text}\n}}\n}}\n"


def network() -> Site:
    """The whole site, as an engine would have observed it."""
    devices, links = [], []
    for router in range(ROUTERS):
        interfaces = []
        for subnet in range(SUBNETS):
            base = subnet_of(router, subnet)
            interfaces.append(interface(subnet + 2, f"s{subnet}", 0x020000000000 + base, [f"{IPv4(base + 1)}/24"]))
            far = interface(2, "eth0", 0x020100000000 + base, [f"{IPv4(base + 10)}/24"])
            default = Route(Network(IPv4(0), 0), "eth0", IPv4(base + 1))
            devices.append(device(f"h{router}x{subnet}", [far], [default], forward=False))
            links.append(Link(Endpoint(f"r{router}", f"s{subnet}"), Endpoint(f"h{router}x{subnet}", "eth0")))
        routes = []
        for side, other in (("left", router - 1), ("right", router + 1)):
            if 0 <= other < ROUTERS:
                base = (192 << 24 | 168 << 16) + min(router, other) * 4 + 1 + (router > other)
                interfaces.append(interface(50 + (side == "right"), side, 0x020200000000 + base, [f"{IPv4(base)}/30"]))
                hop = IPv4(base - 1 if router > other else base + 1)
                beyond = range(router) if side == "left" else range(router + 1, ROUTERS)
                routes += [Route(Network(IPv4(10 << 24 | far << 16), 16), side, hop) for far in beyond]
        if router + 1 < ROUTERS:
            links.append(Link(Endpoint(f"r{router}", "right"), Endpoint(f"r{router + 1}", "left")))
        devices.append(device(f"r{router}", interfaces, routes, filter_of(ALL_RULES[router]), forward=True))
    return Site({found.name: found for found in devices}, tuple(links))


SITE = network()
answers: dict[str, set[tuple[int, int]]] = {}
Pairs = set[tuple[int, int]]


def by_reach() -> float:
    """Build the analysis and ask it about every pair."""

    def work() -> None:
        reach = Reach(SITE)
        found: Pairs = set()
        names = [f"h{router}x{subnet}" for router, subnet in HOSTS]
        for a, row in enumerate(reach.matrix(names)):
            found |= {(a, b) for b, services in enumerate(row) if a != b and services & ~reach.analysis.services.icmp}
        answers["analysis"] = found

    return processor_seconds(work)


def path(a: int, b: int) -> list[int]:
    """The routers between two hosts, in order."""
    first, last = HOSTS[a][0], HOSTS[b][0]
    return list(range(first, last + 1)) if first <= last else list(range(first, last - 1, -1))


def by_bdd() -> float:
    """dd.cudd: one BDD for each router, one for each way, restricted by sender and target."""
    from dd import cudd

    def work() -> None:
        bdd = cudd.BDD()
        names = (
            [f"s{i}" for i in range(32)]
            + [f"d{i}" for i in range(32)]
            + ["udp"]
            + [f"{letter}{i}" for letter in "pq" for i in range(16)]
        )
        bdd.declare(*names)
        var = {name: bdd.var(name) for name in names}

        def prefix(letter: str, found: Network) -> Any:
            return cube(letter, int(found.address) >> 32 - found.length, found.length)

        def cube(letter: str, value: int, length: int) -> Any:
            return bdd.cube({f"{letter}{i}": bool(value >> length - 1 - i & 1) for i in range(length)})

        def at_least(letter: str, low: int) -> Any:
            found = bdd.true
            for i in range(15, -1, -1):
                bit = low >> 15 - i & 1
                found = var[f"{letter}{i}"] & found if bit else var[f"{letter}{i}"] | found
            return found

        def between(letter: str, ends: tuple[int, int]) -> Any:
            found = at_least(letter, ends[0])
            return found & ~at_least(letter, ends[1] + 1) if ends[1] < 65535 else found

        def router(rules: list[Rule]) -> Any:
            allowed = bdd.false
            for rule in reversed(rules):
                ports = between("p", rule.ports) & between("q", rule.sports)
                match = prefix("s", rule.source) & prefix("d", rule.target) & ports
                match &= var["udp"] if rule.protocol == 17 else ~var["udp"]
                allowed = allowed | match if rule.permit else allowed & ~match
            return allowed

        routers = [router(rules) for rules in ALL_RULES]
        low8 = [bdd.cube({f"s{24 + i}": bool(value >> 7 - i & 1) for i in range(8)}) for value in (0, 1, 255)]
        free = ~(low8[0] | low8[1] | low8[2])
        port0 = ~bdd.cube({f"p{i}": False for i in range(16)}) & ~bdd.cube({f"q{i}": False for i in range(16)})
        sources = [cube("s", subnet_of(*host) >> 8, 24) & free & port0 for host in HOSTS]
        targets = [cube("d", subnet_of(*host) + 10, 32) for host in HOSTS]
        ways: dict[tuple[int, int], Any] = {}
        found: Pairs = set()
        for a in range(len(HOSTS)):
            sent: dict[int, Any] = {}
            for b in range(len(HOSTS)):
                if a == b:
                    continue
                ends = (HOSTS[a][0], HOSTS[b][0])
                if ends not in ways:
                    way = bdd.true
                    for number in path(a, b):
                        way &= routers[number]
                    ways[ends] = way
                if ends[1] not in sent:
                    sent[ends[1]] = ways[ends] & sources[a]
                if (sent[ends[1]] & targets[b]) != bdd.false:
                    found.add((a, b))
        answers["dd.cudd"] = found

    return processor_seconds(work)


def by_sat() -> float:
    """CaDiCaL, incremental: every router as clauses once, each pair as assumptions."""
    from pysat.solvers import Solver

    def work() -> None:
        with Solver(name="cadical153") as solver:
            top = 97
            bits_ = {"s": range(1, 33), "d": range(33, 65), "p": range(66, 82), "q": range(82, 98)}

            def fresh() -> int:
                nonlocal top
                top += 1
                return top

            def conjunction(literals: list[int]) -> int:
                made = fresh()
                for literal in literals:
                    solver.add_clause([-made, literal])
                solver.add_clause([made, *(-literal for literal in literals)])
                return made

            def disjunction(literals: list[int]) -> int:
                return -conjunction([-literal for literal in literals])

            def fixed(letter: str, value: int, length: int) -> list[int]:
                return [bits_[letter][i] * (1 if value >> length - 1 - i & 1 else -1) for i in range(length)]

            def at_least(letter: str, low: int) -> int:
                found = conjunction([])
                for i in range(15, -1, -1):
                    join = conjunction if low >> 15 - i & 1 else disjunction
                    found = join([bits_[letter][i], found])
                return found

            edges: dict[tuple[str, int], int] = {}

            def edge(letter: str, low: int) -> int:
                if (letter, low) not in edges:
                    edges[letter, low] = at_least(letter, low)
                return edges[letter, low]

            routers = []
            for rules in ALL_RULES:
                allowed = -conjunction([])
                for rule in reversed(rules):
                    literals = fixed("s", int(rule.source.address) >> 32 - rule.source.length, rule.source.length)
                    literals += fixed("d", int(rule.target.address) >> 32 - rule.target.length, rule.target.length)
                    literals.append(65 if rule.protocol == 17 else -65)
                    for letter, (low, high) in (("p", rule.ports), ("q", rule.sports)):
                        literals += [edge(letter, low)] if low else []
                        literals += [-edge(letter, high + 1)] if high < 65535 else []
                    match = conjunction(literals)
                    allowed = disjunction([allowed, match]) if rule.permit else conjunction([allowed, -match])
                routers.append(allowed)
            for value in (0, 1, 255):
                solver.add_clause(
                    [-literal for literal in (bits_["s"][24 + i] * (1 if value >> 7 - i & 1 else -1) for i in range(8))]
                )
            solver.add_clause(list(bits_["p"]))
            solver.add_clause(list(bits_["q"]))
            found: Pairs = set()
            for a in range(len(HOSTS)):
                for b in range(len(HOSTS)):
                    if a != b:
                        asked = fixed("s", subnet_of(*HOSTS[a]) >> 8, 24) + fixed("d", subnet_of(*HOSTS[b]) + 10, 32)
                        if solver.solve(assumptions=[*asked, *(routers[number] for number in path(a, b))]):
                            found.add((a, b))
            answers["CaDiCaL"] = found

    return processor_seconds(work)


def by_smt() -> tuple[float, bool]:
    """z3 over bit vectors, some pairs only: seconds for all pairs by extrapolation, and whether the answers agree."""
    import z3

    source, target, port, udp = z3.BitVec("s", 32), z3.BitVec("d", 32), z3.BitVec("p", 16), z3.Bool("u")
    sport = z3.BitVec("q", 16)

    def inside(variable: Any, found: Network) -> Any:
        return z3.Extract(31, 32 - found.length, variable) == int(found.address) >> 32 - found.length

    start = process_time()
    solver = z3.Solver()
    routers = []
    for number, rules in enumerate(ALL_RULES):
        allowed: Any = z3.BoolVal(val=False)
        for rule in reversed(rules):
            match = z3.And(
                inside(source, rule.source),
                inside(target, rule.target),
                z3.ULE(rule.ports[0], port),
                z3.ULE(port, rule.ports[1]),
                z3.ULE(rule.sports[0], sport),
                z3.ULE(sport, rule.sports[1]),
                udp == (rule.protocol == 17),
            )
            allowed = z3.If(match, rule.permit, allowed)
        name = z3.Bool(f"r{number}")
        solver.add(name == allowed)
        routers.append(name)
    low = z3.Extract(7, 0, source)
    solver.add(low != 0, low != 1, low != 255, port != 0, sport != 0)
    built = process_time() - start
    random = Random("pairs")
    pairs = [tuple(random.sample(range(len(HOSTS)), 2)) for _ in range(SMT_PAIRS)]
    start = process_time()
    agree = True
    for a, b in pairs:
        solver.push()
        solver.add(z3.Extract(31, 8, source) == subnet_of(*HOSTS[a]) >> 8, target == subnet_of(*HOSTS[b]) + 10)
        solver.add(*(routers[number] for number in path(a, b)))
        agree &= (solver.check() == z3.sat) == ((a, b) in answers["analysis"])
        solver.pop()
    each = (process_time() - start) / SMT_PAIRS
    return built + each * len(HOSTS) * (len(HOSTS) - 1), agree


def processor_seconds(work: Callable[[], object]) -> float:
    """How long a call keeps the processor busy: all contestants have one thread, and the machine may have guests."""
    start = process_time()
    work()
    return process_time() - start


def installed(module: str) -> bool:
    """Whether a rival is here: they come with the extra `oracles`."""
    try:
        __import__(module)
    except ImportError:
        return False
    return True


def all_pairs() -> None:
    """The first table."""
    heading(
        "All pairs of 100 subnets, five routers with 200 rules each",
        "processor time; the rivals get the rules as they are, we the whole observed site",
    )
    cases = [Case("analysis (build and prove)", by_reach)]
    if installed("dd.cudd"):
        cases.append(Case("dd.cudd", by_bdd))
    measure(cases)
    if installed("pysat"):
        sat = Case("CaDiCaL (one round)", by_sat)
        sat.times = [sat.run() for _ in range(SAT_ROUNDS)]
        cases.append(sat)
    ours = cases[0].seconds
    rows = [[case.name, f"{case.seconds:.3f} s", f"{case.seconds / ours:.1f}"] for case in cases]
    for name, found in answers.items():
        if found != answers["analysis"]:
            message = f"{name} finds other pairs: {sorted(found ^ answers['analysis'])[:5]}"
            raise RuntimeError(message)
    if installed("z3"):
        total, agree = by_smt()
        if not agree:
            message = "z3 finds other pairs"
            raise RuntimeError(message)
        rows.append([f"z3 ({SMT_PAIRS} pairs, extrapolated)", f"{total:.0f} s", f"{total / ours:.0f}"])
    table(["", "time", "times ours"], rows)
    pairs = len(HOSTS) * (len(HOSTS) - 1)
    print(f"  {len(answers['analysis'])} of {pairs} pairs can exchange something; all find the same pairs\n")


LAB = """
import time; start = time.process_time()
from benchmarks.proofs import lab_of_50, prove_lab
loaded = time.process_time()
site = lab_of_50()
ready = time.process_time()
prove_lab(site)
print(time.process_time() - ready, time.process_time() - start)
"""


def lab_of_50() -> Site:
    """Five routers, nine hosts each, a filter of some twenty rules at each router."""
    names = {f"h{router}x{subnet}" for router in range(ROUTERS) for subnet in range(9)}
    names |= {f"r{router}" for router in range(ROUTERS)}
    devices = {}
    for name in names:
        found = SITE.devices[name]
        if name.startswith("r") and found.state is not None:
            rules = to_json(load(filter_of(ALL_RULES[int(name[1:])][:20])))
            found = replace(found, state=replace(found.state, ruleset=rules))
        devices[name] = found
    links = tuple(link for link in SITE.links if all(end.device in names for end in link.ends))
    return Site(devices, links)


def prove_lab(site: Site, like: Reach | None = None) -> Reach:
    """Every pair of its hosts."""
    reach = Reach(site, like=like)
    list(reach.matrix([name for name in site.devices if name.startswith("h")]))
    return reach


def lab() -> None:
    """A lab of 50 devices: cold, and again after one edit."""
    heading("A lab of 50 devices: build the analysis and prove all 1,980 pairs", "processor time")
    runs = [
        subprocess.run([sys.executable, "-c", LAB], capture_output=True, text=True, check=True)  # noqa: S603 - our own text
        for _ in range(5)
    ]
    proofs = sorted(float(run.stdout.split()[0]) for run in runs)[2]
    site = lab_of_50()
    reach = prove_lab(site)
    again = []
    for number in range(9):
        router = site.devices["r2"]
        assert router.state is not None
        edited = load(filter_of([*ALL_RULES[2][:20], ALL_RULES[2][30 + number]]))
        changed = site.with_device(replace(router, state=replace(router.state, ruleset=to_json(edited))))
        again.append(processor_seconds(partial(prove_lab, changed, reach)))
        reach = prove_lab(site)
    edit = sorted(again)[len(again) // 2]
    table(
        ["", "time", "goal"],
        [
            [
                "in a cold process, imports and the site left out",
                f"{proofs * 1e3:.0f} ms",
                f"{GOAL_COLD_S * 1e3:.0f} ms",
            ],
            ["again after one edit at a router", f"{edit * 1e3:.1f} ms", f"{GOAL_AGAIN_S * 1e3:.0f} ms"],
        ],
    )
    print()


def thousand() -> Site:
    """One router, ten subnets, a switch and a hundred hosts in each."""
    devices, links, interfaces = [], [], []
    for subnet in range(10):
        base = subnet_of(0, subnet)
        interfaces.append(interface(subnet + 2, f"s{subnet}", 0x020000000000 + base, [f"{IPv4(base + 1)}/24"]))
        ports = [InterfaceState("br0", 1, "bridge", Mac(0x020500000000 + base), up=True, carrier=True)]
        for number in range(101):
            mac = Mac(0x020300000000 + base + number)
            ports.append(InterfaceState(f"p{number}", number + 2, "ether", mac, up=True, carrier=True, master="br0"))
        devices.append(switch(f"sw{subnet}", ports))
        links.append(Link(Endpoint("r", f"s{subnet}"), Endpoint(f"sw{subnet}", "p0")))
        for number in range(100):
            host = IPv4(base + 10 + number)
            far = interface(2, "eth0", 0x020400000000 + int(host), [f"{host}/24"])
            default = Route(Network(IPv4(0), 0), "eth0", IPv4(base + 1))
            devices.append(device(f"h{subnet}x{number}", [far], [default], forward=False))
            links.append(Link(Endpoint(f"sw{subnet}", f"p{number + 1}"), Endpoint(f"h{subnet}x{number}", "eth0")))
    rules = [str(rule) for rule in ALL_RULES[0][:50]] + ["ip saddr 10.0.0.0/22 icmp type echo-request accept"]
    text = "table inet f { chain forward { type filter hook forward priority 0; policy drop;\n"
    rules.insert(0, "ct state established accept")
    devices.append(device("r", interfaces, [], text + "\n".join(rules) + "\n}\n}\n", forward=True))
    return Site({found.name: found for found in devices}, tuple(links))


def switch(name: str, shown: list[InterfaceState]) -> Device:
    """A bridge of all its ports."""
    from labs.model.state import BridgePortState, BridgeState

    parts = [
        replace(i, bridge=BridgeState()) if i.kind == "bridge" else replace(i, bridge_port=BridgePortState())
        for i in shown
    ]
    ports = tuple(Port(i.name, i.mac) for i in parts if i.kind == "ether")
    state = DeviceState(tuple(parts), (), {}, dict(DEFAULTS))
    return Device(name, Kind.SWITCH, ports, {}, state=state)


def classes() -> None:
    """Who can ping whom, among a thousand hosts."""
    heading("Who can ping whom among 1,000 hosts: classes beside packets, on the same machines", "processor time")
    site = thousand()
    names = [name for name in site.devices if name.startswith("h")]
    start = process_time()
    reach = Reach(site)
    rows = [[services & reach.analysis.services.icmp for services in row] for row in reach.matrix(names)]
    ours = process_time() - start
    random = Random("hosts")
    some = random.sample(range(len(names)), PACKET_HOSTS)
    start = process_time()
    for a in some:
        for b in random.sample(range(len(names)), 100):
            if a != b:
                talk = reach.tracer.converse(Packet(names[a], reach.addresses_of(names[b])[0]))
                if talk.arrived_at(names[b]) != bool(rows[a][b]):
                    message = f"{names[a]} -> {names[b]}: the packet says otherwise"
                    raise RuntimeError(message)
    theirs = (process_time() - start) / (PACKET_HOSTS * 100) * len(names) ** 2
    table(
        ["", "time", "times ours"],
        [
            ["classes, build included", f"{ours:.2f} s", "1"],
            [f"packets ({PACKET_HOSTS * 100} of a million, extrapolated)", f"{theirs:.0f} s", f"{theirs / ours:.0f}"],
        ],
    )


def main() -> None:
    """Every table."""
    parts: list[Callable[[], None]] = [all_pairs, lab, classes]
    for part in parts:
        part()


if __name__ == "__main__":
    main()

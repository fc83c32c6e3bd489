"""Random tunnels: two routers with a provider between them, a host behind each, and what people get wrong at the ends.

Networks are 10.0.1.0/24 and 10.0.2.0/24 at the two places, 172.30.0.0/30 in the tunnel; 198.51.100.2 and 203.0.113.2
are the routers outside.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from hypothesis import strategies as st

from labs.model.site import Device, Site
from labs.net.linux.units import enabled_path
from tests.engines.kernel.kernel_site import device, site

FORWARDS = {"/etc/sysctl.conf": "net.ipv4.ip_forward=1\n"}
SILENT = (
    "table ip f {\n chain o {\n type filter hook output priority 0; icmp type destination-unreachable drop\n }\n}\n"
)
OUTSIDE = ("198.51.100", "203.0.113")


@dataclass(frozen=True)
class End:
    """One router: what follows `ip tunnel add t0 mode …`, and the lines after it."""

    words: str
    lines: tuple[str, ...]


def router(name: str, number: int, end: End) -> Device:
    """One end of the tunnel, with a place behind it."""
    outside = OUTSIDE[number - 1]
    lines = "".join(f"    up {line}\n" for line in end.lines)
    file = (
        "auto lo\niface lo inet loopback\n\n"
        f"auto wan\niface wan inet static\n    address {outside}.2/24\n    gateway {outside}.1\n\n"
        f"auto lan\niface lan inet static\n    address 10.0.{number}.1/24\n\n"
        f"auto t0\niface t0 inet static\n    address 172.30.0.{number}/30\n"
        f"    pre-up ip tunnel add t0 {end.words}\n{lines}"
    )
    return device(name, "router", {"wan": "", "lan": ""}, FORWARDS | {"/etc/network/interfaces": file})


@st.composite
def ends(draw: st.DrawFn, number: int, mode: str, key: str) -> End:
    """Right more often than not; else one of the things people do."""
    own, other = OUTSIDE if number == 1 else OUTSIDE[::-1]
    local, remote = f"{own}.2", f"{other}.2"
    mistake = draw(
        st.sampled_from([""] * 8 + ["remote", "local", "any local", "any remote", "key", "route", "off", "loop"])
    )
    ttl = draw(st.sampled_from(["ttl 64", "ttl 64", "ttl inherit", "ttl 1", ""]))
    words = [
        f"mode {'ipip' if mode == 'gre' and mistake == 'mode' else mode}",
        f"local {'any' if mistake == 'any local' else f'{own}.77' if mistake == 'local' else local}",
        f"remote {'any' if mistake == 'any remote' else f'{other}.77' if mistake == 'remote' else remote}",
        ttl,
        "" if ttl.endswith(("64", "1")) else draw(st.sampled_from(["", "nopmtudisc"])),
        draw(st.sampled_from(["", "", "dev wan", "tos inherit"])),
        key.replace("42", "43") if mistake == "key" else key,
    ]
    lines = [] if mistake == "route" else [f"ip route add 10.0.{3 - number}.0/24 dev t0"]
    mtu = draw(st.sampled_from([0, 0, 1376, 1300, 1480]))
    lines += [f"ip link set t0 mtu {mtu}"] if mtu else []
    lines += ["ip link set t0 down"] if mistake == "off" else []
    lines += [f"ip route add {other}.2 dev t0"] if mistake == "loop" else []
    return End(" ".join(word for word in words if word), tuple(lines))


@st.composite
def tunnel_sites(draw: st.DrawFn) -> Site:
    """A tunnel over a provider whose line may be narrow, and who may keep that to himself."""
    mode = draw(st.sampled_from(["gre", "gre", "ipip"]))
    key = draw(st.sampled_from(["", "", "key 42", "csum", "key 42 csum"])) if mode == "gre" else ""
    left, right = (draw(ends(number, mode, key)) for number in (1, 2))
    narrow = draw(st.sampled_from([1500, 1500, 1400, 1320]))
    silent = draw(st.sampled_from([False, False, True]))
    files = dict(FORWARDS)
    if silent:
        files |= {"/etc/nftables.conf": SILENT, enabled_path("nftables"): "[Unit]\n"}
    provider = device("p", "router", {"one": "198.51.100.1/24", "two": "203.0.113.1/24"}, files)
    file = provider.files["/etc/network/interfaces"].rstrip("\n") + f"\n    up ip link set two mtu {narrow}\n"
    host = partial(device, files={"/etc/sysctl.conf": ""})
    return site(
        [
            host("a", "host", {"eth0": "10.0.1.10/24"}, gateway="10.0.1.1"),
            router("r", 1, left),
            provider.with_file("/etc/network/interfaces", file),
            router("s", 2, right),
            host("d", "host", {"eth0": "10.0.2.20/24"}, gateway="10.0.2.1"),
        ],
        ["a:eth0 r:lan", "r:wan p:one", "p:two s:wan", "s:lan d:eth0"],
    )


PINGS = (
    ("a", "10.0.2.20", ""),
    ("r", "172.30.0.2", ""),
    ("d", "10.0.1.10", "-M do -s 1448"),
    ("a", "10.0.2.20", "-M do -s 1348"),
    ("a", "10.0.2.20", "-M dont -s 1430"),
    ("s", "172.30.0.1", "-M do -s 1400"),
)


@st.composite
def pings(draw: st.DrawFn) -> list[tuple[str, str]]:
    """Place and line; each twice, since a sender is often told only at the next try."""
    chosen = draw(st.permutations(PINGS))[:4]
    return [(place, f"ping -c 1 -W 0.4 {how} {target}") for place, target, how in chosen for _ in (1, 2)]

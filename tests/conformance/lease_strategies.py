"""Random files of dnsmasq, and who asks it: ranges, reservations, options and names, right ones and wrong ones.

`gw` serves 10.0.1.0/24 (behind the switch s1) and 10.0.2.0/24, and 10.0.3.0/24 behind the relay `r`; `up` answers other
names at 10.8.0.53. Ports of clients are up and without address: they ask when a line is typed.
"""

from __future__ import annotations

from dataclasses import dataclass

from hypothesis import strategies as st

from labs.model.site import Device, Site
from labs.net.linux.units import enabled_path
from tests.sites import machine, site, switch

ASK = "timeout 2 dhclient -v -1 eth0"
CLIENTS = ("h1", "h2", "h3", "h4", "h5")
RANGES = {
    1: (
        "10.0.1.100,10.0.1.199", "10.0.1.50,10.0.1.52", "10.0.1.60,10.0.1.60", "10.0.1.70,static", "10.0.1.0,10.0.1.3",
        "10.0.1.100,10.0.1.120,255.255.255.0", "192.168.7.5,192.168.7.9", "set:shop,10.0.1.90,10.0.1.99",
        "tag:shop,10.0.1.90,10.0.1.99", "10.0.1.20,10.0.1.40,255.255.255.0,10.0.1.255",
    ),
    2: ("10.0.2.100,10.0.2.199", "10.0.2.4,10.0.2.4", "10.0.2.200,10.0.2.210,255.255.255.128", "10.0.2.9,10.0.3.9"),
    3: ("10.0.3.100,10.0.3.199,255.255.255.0", "10.0.3.100,10.0.3.199", "10.0.3.4,10.0.3.4,255.255.255.0"),
}  # fmt: skip
"""Network to what may stand behind `dhcp-range=`, without the time."""
TIMES = ("", "12h", "30m", "2m", "45s", "1d", "infinite", "7200")
OPTIONS = (
    "option:router,10.0.1.254", "3", "3,10.0.1.1,10.0.1.2", "option:dns-server,10.0.1.9", "option:dns-server,0.0.0.0",
    "6,10.8.0.53", "6", "42,10.0.1.3", "option:ntp-server,0.0.0.0", "option:domain-search,a.example,b.example",
    "option:domain-name,shop.example", "15", "tag:shop,3,10.0.1.77", "tag:known,option:router,10.0.1.78",
    "tag:!known,option:dns-server,10.0.1.79", "28,10.0.1.127", "1,255.255.0.0", "option:mtu,1400",
    "option:classless-static-route,10.44.0.0/16,10.0.1.2", "121,10.44.0.0/16,10.0.1.2,0.0.0.0/0,10.0.1.3", "12,till",
)  # fmt: skip
FLAGS = ("dhcp-authoritative", "dhcp-sequential-ip", "bogus-priv", "domain-needed", "expand-hosts")
DOMAINS = ("domain=home", "domain=home", "domain=Shop.Example", "")
CONTENTS = (
    "address=/ads.example/10.0.0.9", "address=/none.example/", "address=/zero.example/#",
    "address=/six.example/2001:db8::6", "address=/ads.example/deep.example/10.0.0.10", "address=/#/10.0.0.11",
    "host-record=printer,10.0.1.30", "host-record=printer,printer.home,10.0.1.31,2001:db8::31",
    "host-record=printer.home,10.0.1.32,120", "host-record=cam,10.0.1.33",
    "cname=press,printer", "cname=press.home,copy,printer.home", "cname=loop,press", "cname=far,www.outside.example",
    "local=/inner.example/", "local=/home/", "local=/outside.example/", "server=/inner.example/10.8.0.53",
    "server=/outside.example/10.8.0.77", "server=/deep.inner.example/#", "server=//10.8.0.53",
    "domain-needed", "bogus-priv", "expand-hosts", "no-hosts",
)  # fmt: skip
HOSTS = (
    "127.0.0.1 localhost\n10.0.1.1 gw\n10.0.1.20 cam camera\n10.0.1.21 cam\n2001:db8::20 cam\n10.0.1.22 two.home two\n"
)
ABOVE = (
    "no-resolv\naddress=/outside.example/198.51.100.7\nhost-record=inner.example,198.51.100.8\nlocal=/outside.example/\n"
    "host-record=www.inner.example,198.51.100.9,300\ncname=alias.inner.example,www.inner.example\n"
    "host-record=plain,198.51.100.10\nhost-record=cam.home,198.51.100.11\n"
)
NAMES = (
    "cam", "camera", "cam.home", "camera.home", "CAM.home", "two", "two.home", "gw", "gw.home", "nobody", "nobody.home",
    "ads.example", "x.ads.example", "none.example", "a.none.example", "zero.example", "six.example", "deep.example",
    "printer", "printer.home", "press", "press.home", "copy", "loop", "far", "inner.example", "www.inner.example",
    "alias.inner.example", "deep.inner.example", "outside.example", "www.outside.example", "plain", "localhost",
    "h1", "h1.home", "h2", "h2.home", "h3.shop.example", "till", "till.home", "h4", "h5.home",
)  # fmt: skip
REVERSES = (
    "10.0.1.1", "10.0.1.20", "10.0.1.22", "10.0.1.30", "10.0.1.32", "10.0.1.99", "192.168.7.7", "127.0.0.1", "8.8.8.8",
    "198.51.100.8", "10.0.1.100", "2001:db8::20", "2001:db8::31", "2001:db8::99", "10.0.1.188",
)  # fmt: skip


@dataclass(frozen=True)
class Asking:
    """A site, what is typed at its clients, and which names are asked for."""

    site: Site
    lines: tuple[tuple[str, str], ...]
    questions: tuple[str, ...]


def client(name: str) -> Device:
    """A host whose dhclient asks every second."""
    made = machine(name, {"eth0": ""})
    conf = (
        "option rfc3442-classless-static-routes code 121 = array of unsigned integer 8;\n"
        "send host-name = gethostname();\n"
        "request subnet-mask, broadcast-address, time-offset, routers, domain-name, domain-name-servers,"
        " domain-search, host-name, netbios-name-servers, netbios-scope, interface-mtu,"
        " rfc3442-classless-static-routes, ntp-servers;\n"
        "initial-interval 1;\nbackoff-cutoff 1;\n"
    )
    return made.with_file("/etc/dhcp/dhclient.conf", conf).with_file("/etc/hosts", "127.0.0.1 localhost\n")


@st.composite
def reservations(draw: st.DrawFn, macs: list[str]) -> list[str]:
    """Lines `dhcp-host=`; an address never twice, which dnsmasq refuses."""
    mac = st.sampled_from(macs)
    free = draw(
        st.permutations(["10.0.1.77", "10.0.1.78", "10.0.1.100", "10.0.2.77", "10.0.9.9", "10.0.1.1", "10.0.3.7"])
    )
    lines = []
    for address in free[: draw(st.integers(0, 3))]:
        form = draw(st.sampled_from([
            "{mac},{address}", "{mac},till,{address}", "{mac},ignore", "{mac},{address},2h", "{mac},set:shop",
            "h2,{address}", "{mac},two", "h3,ignore", "{mac},{address},infinite", "{mac},till",
        ]))  # fmt: skip
        lines.append("dhcp-host=" + form.format(mac=draw(mac), address=address))
    return lines


@st.composite
def servers(draw: st.DrawFn, macs: list[str]) -> str:
    """A file of dnsmasq."""
    lines = [
        draw(st.sampled_from(["interface=l1\ninterface=l2\ninterface=w", "", "except-interface=l2", "interface=l1"]))
    ]
    lines += draw(st.sampled_from([["no-resolv"], ["no-resolv", "server=10.8.0.53"], []]))
    lines.append("no-ping")  # three seconds for each address otherwise
    lines += draw(st.lists(st.sampled_from(FLAGS), max_size=3, unique=True))
    lines.append(draw(st.sampled_from(DOMAINS)))
    for number, ranges in RANGES.items():
        chosen = st.lists(st.sampled_from(ranges[:1] * 4 + ranges), min_size=int(number == 1), max_size=2, unique=True)
        for text in draw(chosen):
            lines.append(f"dhcp-range={text},{draw(st.sampled_from(TIMES))}".rstrip(","))
    lines += draw(reservations(macs))
    lines += [f"dhcp-option={text}" for text in draw(st.lists(st.sampled_from(OPTIONS), max_size=4, unique=True))]
    lines += draw(st.lists(st.sampled_from(CONTENTS), max_size=9, unique_by=lambda line: line.partition(",")[0]))
    return "\n".join(line for line in lines if line) + "\n"


def build(conf: str, relay: str) -> Site:
    """The site around a file of `gw` and one of `r`."""
    routes = ["ip route add 10.0.3.0/24 via 10.9.0.2"]
    gw = machine(
        "gw",
        {"l1": "10.0.1.1/24", "l2": "10.0.2.1/24", "w": "10.9.0.1/30", "o": "10.8.0.1/24"},
        forward=True,
        up=routes,
    )
    r = machine("r", {"w": "10.9.0.2/30", "l3": "10.0.3.1/24"}, forward=True, up=["ip route add default via 10.9.0.1"])
    up = machine("up", {"eth0": "10.8.0.53/24"}, gateway="10.8.0.1")
    nobody = "127.0.0.1 localhost\n"
    served = [
        made.with_file("/etc/dnsmasq.conf", text)
        .with_file("/etc/hosts", hosts)
        .with_file("/etc/resolv.conf", "nameserver 10.8.0.53\n")
        .with_file(enabled_path("dnsmasq"), "")
        for made, text, hosts in ((gw, conf, HOSTS), (r, relay, nobody), (up, ABOVE, nobody))
    ]
    clients = [client(name) for name in CLIENTS]
    leads = [
        "gw:l1 s1:p1",
        *(f"h{n}:eth0 s1:p{n + 1}" for n in (1, 2, 3)),
        "gw:l2 h4:eth0",
        "gw:w r:w",
        "r:l3 h5:eth0",
        "gw:o up:eth0",
    ]
    return site([*served, switch("s1", 4), *clients], leads)


@st.composite
def askings(draw: st.DrawFn) -> Asking:
    """A site and a course of events."""
    macs = [str(client(name).ports[0].mac) for name in CLIENTS]
    relay = draw(
        st.sampled_from(
            ["dhcp-relay=10.0.3.1,10.9.0.1"] * 3
            + ["dhcp-relay=10.0.3.1,10.0.1.1,w", "", "dhcp-relay=10.0.3.2,10.9.0.1"]
        )
    )
    made = build(draw(servers(macs)), f"port=0\n{relay}\n")
    lines = [(name, ASK) for name in draw(st.permutations(CLIENTS))[: draw(st.integers(3, 5))]]
    again = [
        "dhclient -r eth0", ASK, f"dhclient -x eth0; ip addr flush dev eth0; {ASK}",
        f"ip link set eth0 down; ip link set eth0 up; {ASK}",
    ]  # fmt: skip
    lines += draw(st.lists(st.tuples(st.sampled_from(CLIENTS), st.sampled_from(again)), max_size=2))
    kinds = st.sampled_from([["A"], ["A"], ["A", "AAAA"], ["AAAA"], ["ANY"], ["MX"], ["CNAME"]])
    questions = [f"{name} {kind}" for name in draw(st.permutations(NAMES))[:30] for kind in draw(kinds)]
    questions += [f"-x {address}" for address in draw(st.permutations(REVERSES))[:5]]
    return Asking(made, tuple(lines), tuple(questions))

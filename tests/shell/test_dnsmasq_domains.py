"""Who answers for a name, what clients are told and write down: recorded from dnsmasq 2.90 and dhclient 4.4.3."""

from __future__ import annotations

import re

import pytest

from labs.engines.sim import SimEngine
from labs.net.linux.units import enabled_path
from tests.sites import machine, site

HOSTS = "127.0.0.1 localhost\n10.0.1.20 cam camera\n10.0.1.21 cam\n2001:db8::20 cam\n"
PLAIN = (
    "cname=far,www.outside.example\ncname=press,printer\ncname=loop,press\naddress=/six.example/2001:db8::6\n"
    "address=/both.example/10.0.0.4\naddress=/both.example/2001:db8::4\naddress=/four.example/10.0.0.10\n"
    "address=/zero.example/#\naddress=/none.example/\nhost-record=printer,10.0.1.30,2001:db8::31\n"
    "host-record=one,10.0.1.31,90\nlocal=/local.example/\n"
)
EXPANDED = (
    "expand-hosts\ndomain=home\nlocal=/home/\nbogus-priv\ndomain-needed\nhost-record=cam,10.0.1.33,50\n"
    "host-record=one,10.0.1.34\ncname=press.home,cam.home\naddress=/ads.home/10.0.0.9\naddress=/b.example/\n"
    "address=/#/10.0.0.11\nserver=/c.example/10.8.0.1\nserver=/deep.c.example/#\n"
)
MIXED = "local=/c.example/\naddress=/a.c.example/1.2.3.4\naddress=/c.example/1.2.3.5\n"
OWN, ELSEWHERE, REFUSED = "NOERROR aa", "NOERROR", "REFUSED"
ANSWERS = {
    PLAIN: {
        "far A": f"{OWN} www.outside.example.",
        "far MX": f"{OWN} www.outside.example.",
        "press AAAA": f"{OWN} printer. 2001:db8::31",
        "press MX": f"{OWN} printer.",
        "loop A": f"{OWN} press. printer. 10.0.1.30",
        "loop CNAME": f"{OWN} press.",
        "press ANY": f"{OWN} printer. 10.0.1.30 2001:db8::31",
        "six.example A": REFUSED,
        "x.six.example AAAA": f"{OWN} 2001:db8::6",
        "six.example ANY": f"{OWN} 2001:db8::6",
        "both.example A": f"{OWN} 10.0.0.4",
        "both.example ANY": f"{OWN} 2001:db8::4",
        "four.example AAAA": REFUSED,
        "four.example MX": REFUSED,
        "zero.example ANY": f"{OWN} 0.0.0.0 ::",
        "zero.example MX": REFUSED,
        "none.example MX": "NXDOMAIN",
        "cam ANY": f"{OWN} 10.0.1.20 10.0.1.21 2001:db8::20",
        "printer ANY": f"{OWN} 10.0.1.30 2001:db8::31",
        "one AAAA": REFUSED,
        "in.local.example MX": "NXDOMAIN",
        "-x 2001:db8::20": f"{OWN} cam.",
        "-x 2001:db8::31": f"{OWN} printer.",
        "-x 10.0.0.10": REFUSED,
    },
    EXPANDED: {
        "cam A": f"{OWN} 10.0.1.33 10.0.1.20 10.0.1.21",
        "cam.home AAAA": f"{OWN} 2001:db8::20",
        "nobody.home A": "NXDOMAIN",
        "cam.home MX": ELSEWHERE,
        "home A": ELSEWHERE,
        "nobody A": f"{OWN} 10.0.0.11",
        "nobody MX": REFUSED,
        "one.home A": "NXDOMAIN",
        "-x 10.0.1.99": "NXDOMAIN aa",
        "-x 10.0.1.33": f"{OWN} cam.",
        "-x 10.0.1.20": f"{OWN} cam.home.",
        "-x fd00::1": "NXDOMAIN aa",
        "-x 8.8.8.8": REFUSED,
        "a.ads.home AAAA": "NXDOMAIN",
        "a.b.example A": "NXDOMAIN",
        "deep.c.example A": REFUSED,
    },
    MIXED: {
        "c.example A": f"{OWN} 1.2.3.5",
        "c.example AAAA": ELSEWHERE,
        "a.c.example MX": ELSEWHERE,
    },
}


def served(conf: str) -> SimEngine:
    """A machine that runs dnsmasq, and a client beside it."""
    server = machine("r", {"lan": "10.0.1.1/24"})
    for path, text in {"/etc/dnsmasq.conf": f"no-resolv\nno-ping\n{conf}", "/etc/hosts": HOSTS}.items():
        server = server.with_file(path, text)
    engine = SimEngine()
    engine.start(site([server.with_file(enabled_path("dnsmasq"), ""), machine("p", {"eth0": ""})], ["r:lan p:eth0"]))
    return engine


@pytest.mark.parametrize("conf", ANSWERS, ids=["plain", "expanded", "mixed"])
def test_question_is_answered_by_the_longest_domain(conf):
    engine = served(conf)
    told = {}
    for question in ANSWERS[conf]:
        text = engine.run("r", f"dig +noall +comments +answer +notcp @127.0.0.1 {question}").text
        status = re.findall(r"status: (\w+)", text) + re.findall(r"flags: qr (aa)", text)
        told[question] = " ".join(
            status + [line.split()[-1] for line in text.splitlines() if line[:1] not in ("", ";")]
        )
    assert told == ANSWERS[conf]


def test_record_with_a_time_to_live_is_told_with_it():
    assert served(PLAIN).run("r", "dig +noall +answer @127.0.0.1 one").text == "one.\t\t\t90\tIN\tA\t10.0.1.31\n"


def test_types_belong_to_the_name_before_them():
    engine = served(PLAIN)
    ask = "dig +noall +answer @127.0.0.1"
    assert [line.split()[-1] for line in engine.run("r", f"{ask} printer AAAA one").text.splitlines()] == [
        "2001:db8::31",
        "10.0.1.31",
    ]
    assert engine.run("r", "dig +noall +answer A @127.0.0.1 printer AAAA").text.startswith(
        ";; Warning, extra type option\nprinter."
    )


RANGE = "dhcp-range=10.0.1.100,10.0.1.199\n"


def leased(engine: SimEngine) -> str:
    engine.run("p", "dhclient -1 eth0")
    return engine.run("r", "cat /var/lib/misc/dnsmasq.leases").text.partition(" ")[2]


MAC = str(machine("p", {"eth0": ""}).ports[0].mac)


@pytest.mark.parametrize(
    ("lines", "given"),
    [
        (f"dhcp-host={MAC},10.0.1.5\ndhcp-host={MAC},10.0.1.6\n", f"{MAC} 10.0.1.6 p *\n"),
        (f"dhcp-host={MAC},box\ndhcp-host={MAC},till,10.0.2.5\n", " box *\n"),
        (f"dhcp-host={MAC},camera\n", f"{MAC} 10.0.1.20 camera *\n"),
        (f"dhcp-host={MAC},10.0.1.21\n", f"{MAC} 10.0.1.21 cam *\n"),
        (f"dhcp-range=tag:shop,10.0.1.50,10.0.1.50\ndhcp-host={MAC},set:shop\n", f"{MAC} 10.0.1.50 p *\n"),
        ("dhcp-range=tag:shop,10.0.1.50,10.0.1.50\n", " p *\n"),
    ],
    ids=["last-line", "line-of-another-network", "name-in-hosts", "address-in-hosts", "own-range", "range-of-others"],
)
def test_client_gets_what_its_line_says(lines, given):
    text = leased(served(RANGE + lines))
    assert text.endswith(given)
    assert "10.0.1.50" not in text or "10.0.1.50" in given


def test_routes_and_domains_of_a_lease_are_used_and_written_down():
    engine = served(
        f"domain=home\n{RANGE}dhcp-option=121,10.44.0.0/16,10.0.1.2,0.0.0.0/0,10.0.1.3\n"
        "dhcp-option=option:domain-search,a.example,b.example\n"
    )
    engine.run("p", "dhclient -1 eth0")
    assert [line.partition(" dev")[0] for line in engine.run("p", "ip route").text.splitlines()] == [
        "default via 10.0.1.3",
        "10.0.1.0/24",
        "10.44.0.0/16 via 10.0.1.2",
    ]
    assert "search home a.example. b.example.\n" in engine.run("p", "cat /etc/resolv.conf").text
    options = re.findall(r"option (.*);", engine.run("p", "cat /var/lib/dhcp/dhclient.leases").text)
    assert options[5:] == [
        "dhcp-server-identifier 10.0.1.1",
        'domain-search "a.example.", "b.example."',
        "dhcp-renewal-time 1800",
        "rfc3442-classless-static-routes 16,10,44,10,0,1,2,0,10,0,1,3",
        "broadcast-address 10.0.1.255",
        "dhcp-rebinding-time 3150",
        'host-name "p"',
        'domain-name "home"',
    ]


def test_released_lease_stays_in_the_file_as_one_that_has_ended():
    engine = served(RANGE)
    engine.run("p", "dhclient -1 eth0; dhclient -r eth0")
    text = engine.run("p", "cat /var/lib/dhcp/dhclient.leases").text
    assert text.count("lease {") == 2
    renew, rebind, expire = re.findall(r"(?:renew|rebind|expire) (.*);", text)[3:]
    assert renew == rebind == expire
    assert "DHCPDISCOVER" in engine.run("p", "dhclient -v -1 eth0").text

"""/etc/dnsmasq.conf: read, written, and refused in the words of dnsmasq 2.90 (`dnsmasq --test`)."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labs.model.addresses import IPv4, Mac
from labs.net.dhcp import FOREVER
from labs.net.dnsmasq_conf import (
    AddressRecord,
    DhcpHost,
    DhcpOption,
    DhcpRange,
    DnsmasqConf,
    DnsmasqError,
    HostRecord,
    Server,
    parse_dnsmasq,
    render_dnsmasq,
    with_line,
    without_line,
)

ADDRESSES = st.integers(1, 2**32 - 1).map(IPv4)
NAMES = st.sampled_from(["cam", "till-2", "printer"])
DOMAINS = st.sampled_from(["home", "ads.example", "shop.lan"])
TAGS = st.sampled_from(["red", "blue"])
LEASES = st.one_of(st.none(), st.sampled_from([FOREVER, 120, 3600, 43_200]), st.integers(121, 10**6))
MASKS = st.integers(8, 30).map(lambda length: IPv4((0xFFFFFFFF << 32 - length) & 0xFFFFFFFF))


@st.composite
def ranges(draw: st.DrawFn) -> DhcpRange:
    base = draw(st.integers(1, 200)) << 24 | 1 << 16
    low, high = sorted(draw(st.lists(st.integers(1, 200), min_size=2, max_size=2)))
    mask = draw(st.one_of(st.none(), st.just(IPv4(0xFFFFFF00))))
    broadcast = draw(st.one_of(st.none(), st.just(IPv4(base + 255)))) if mask is not None else None
    end = draw(st.sampled_from([None, IPv4(base + high)]))
    tags = tuple(draw(st.lists(TAGS, max_size=1)))
    return DhcpRange(IPv4(base + low), end, mask, broadcast, draw(LEASES), draw(st.sampled_from(["", "red"])), tags)


HOSTS = st.builds(
    DhcpHost,
    st.lists(st.integers(0, 2**48 - 1).map(Mac), min_size=1, max_size=2).map(tuple),
    st.one_of(st.none(), ADDRESSES),
    st.one_of(st.just(""), NAMES),
    LEASES,
    st.lists(TAGS, max_size=2).map(tuple),
    st.just(()),
    st.booleans(),
)
OPTIONS = st.one_of(
    st.builds(
        DhcpOption,
        st.sampled_from([3, 6, 42]),
        st.lists(ADDRESSES.map(str), max_size=2).map(tuple),
        st.lists(TAGS, max_size=1).map(tuple),
    ),
    st.builds(DhcpOption, st.just(15), st.tuples(DOMAINS)),
)
CONFIGURATIONS = st.builds(
    DnsmasqConf,
    interfaces=st.lists(st.sampled_from(["eth1", "br0"]), max_size=2).map(tuple),
    except_interfaces=st.lists(st.just("eth0"), max_size=1).map(tuple),
    listen_addresses=st.lists(ADDRESSES, max_size=2).map(tuple),
    port=st.sampled_from([53, 0, 5353]),
    bind_interfaces=st.booleans(),
    no_resolv=st.booleans(),
    no_hosts=st.booleans(),
    addn_hosts=st.lists(st.just("/etc/hosts.shop"), max_size=1).map(tuple),
    expand_hosts=st.booleans(),
    domain=st.one_of(st.just(""), DOMAINS),
    domain_needed=st.booleans(),
    bogus_priv=st.booleans(),
    servers=st.lists(
        st.builds(
            Server,
            st.one_of(st.none(), ADDRESSES),
            st.lists(DOMAINS, min_size=1, max_size=2).map(tuple),
            st.just(53),
        )
        | st.builds(Server, ADDRESSES, st.just(()), st.integers(1, 65535)),
        max_size=3,
    ).map(tuple),
    addresses=st.lists(st.builds(AddressRecord, DOMAINS, st.one_of(st.none(), ADDRESSES)), max_size=2).map(tuple),
    host_records=st.lists(
        st.builds(HostRecord, st.lists(NAMES, min_size=1, max_size=2).map(tuple), ADDRESSES), max_size=2
    ).map(tuple),
    cnames=st.lists(st.tuples(NAMES, NAMES), max_size=2).map(tuple),
    cache_size=st.sampled_from([150, 0, 1000]),
    ranges=st.lists(ranges(), max_size=2).map(tuple),
    hosts=st.lists(HOSTS, max_size=3, unique_by=lambda host: host.address or host.macs).map(tuple),
    options=st.lists(OPTIONS, max_size=3).map(tuple),
    authoritative=st.booleans(),
    no_ping=st.booleans(),
    sequential_ip=st.booleans(),
    log_queries=st.booleans(),
    log_dhcp=st.booleans(),
    others=st.lists(st.sampled_from(["strict-order", "user=root", "neg-ttl=60"]), max_size=2).map(tuple),
)


@given(CONFIGURATIONS)
def test_configuration_written_and_read_is_the_same(conf: DnsmasqConf) -> None:
    assert parse_dnsmasq(render_dnsmasq(conf)) == conf


REFUSED = [
    ("foo=bar", "bad option"),
    ("interface", "missing parameter"),
    ("port=abc", "error"),
    ("port=70000", "error"),
    ("dhcp-range=1.2.3", "bad dhcp-range"),
    ("dhcp-range=192.168.1.5", "bad dhcp-range"),
    ("dhcp-range=192.168.1.5,192.168.1.50,12x", "bad dhcp-range"),
    ("dhcp-range=192.168.1.5,192.168.1.50,255.255.0.255", "inconsistent DHCP range"),
    ("dhcp-range=", "bad dhcp-range"),
    ("dhcp-host=a b,192.168.1.3", "bad DHCP host name"),
    ("dhcp-option=3,192.168.1.x", "bad IP address"),
    ("dhcp-option=option:foo,1", "bad dhcp-option"),
    ("dhcp-option=option:lease-time,5", "bad dhcp-option"),
    ("no-resolv=1", "extraneous parameter"),
    ("dhcp-authoritative=yes", "extraneous parameter"),
    ("address=/a/1.2.3", "Bad address in --address"),
    ("address=a", "Bad address in --address"),
    ("host-record=a", "Bad host-record"),
    ("listen-address=1.2.3", "error"),
    ("cache-size=x", "error"),
    ("leasefile=/x", "bad option"),
    ("cname=a", "bad CNAME"),
    ('"a"', "bad option"),
    ("=x", "bad option"),
]
ACCEPTED = [
    "dhcp-range=192.168.1.50,192.168.1.5",
    "dhcp-range=set:lan,192.168.1.5,192.168.1.50,255.255.255.0,192.168.1.255,12h",
    "dhcp-range=192.168.1.5,static",
    "dhcp-range=192.168.1.5,192.168.1.50,infinite",
    "dhcp-host=02:4e:00:00:00:01,192.168.1.3,cam,12h",
    "dhcp-host=02:4e:00:00:00:01,192.168.1.300",
    "dhcp-host=02:4e:00:00:00:01,ignore",
    "dhcp-host=cam,1.2.3.4",
    "dhcp-option=3",
    "dhcp-option=42,0.0.0.0",
    "dhcp-option=option:dns-server,1.2.3.4",
    "dhcp-option=tag:red,6,192.168.1.1,9.9.9.9",
    "server=9.9.9.9#5353",
    "server=/home/192.168.1.1",
    "local=/home/",
    "address=/#/1.2.3.4",
    "host-record=a,1.2.3.4",
    "  interface = eth1  # the shop",
    "interface=eth1#c",
    "listen-address=127.0.0.1,192.168.1.1",
    "log-queries=extra",
    "# nothing but a remark",
]


@pytest.mark.parametrize(("line", "complaint"), REFUSED)
def test_bad_line_is_refused_in_dnsmasq_words(line: str, complaint: str) -> None:
    with pytest.raises(DnsmasqError) as caught:
        parse_dnsmasq(f"# first\n\n{line}\n")
    assert (caught.value.complaint, caught.value.line) == (complaint, 3)


@pytest.mark.parametrize("line", ACCEPTED)
def test_good_line_is_accepted(line: str) -> None:
    parse_dnsmasq(line)


@pytest.mark.kernel
@pytest.mark.skipif(shutil.which("dnsmasq") is None, reason="needs dnsmasq")
def test_real_dnsmasq_says_the_same_of_every_line(tmp_path: Path) -> None:
    path = tmp_path / "x.conf"
    for line, complaint in [*REFUSED, *((line, "") for line in ACCEPTED)]:
        path.write_text(f"# first\n\n{line}\n", encoding="utf-8")
        done = subprocess.run(["dnsmasq", "--test", "-C", str(path)], capture_output=True, text=True, check=False)
        wanted = f"dnsmasq: {complaint} at line 3 of {path}" if complaint else "dnsmasq: syntax check OK."
        assert (done.stderr.strip(), done.returncode) == (wanted, 1 if complaint else 0), line


def test_second_reservation_of_an_address_is_refused() -> None:
    with pytest.raises(DnsmasqError, match=r"duplicate dhcp-host IP address 10\.0\.0\.9 at line 2"):
        parse_dnsmasq("dhcp-host=02:00:00:00:00:01,10.0.0.9\ndhcp-host=02:00:00:00:00:02,10.0.0.9\n")


def test_changed_line_leaves_the_remarks_alone() -> None:
    text = "# the shop\ninterface=eth1\n# its pool\ndhcp-range=10.0.0.5,10.0.0.9\n"
    changed = with_line(text, "dhcp-range", "10.0.0.50,10.0.0.90")
    assert changed == text.replace("10.0.0.5,10.0.0.9", "10.0.0.50,10.0.0.90")
    assert with_line("a=1\n", "no-resolv") == "a=1\nno-resolv\n"
    assert without_line(text, "interface") == text.replace("interface=eth1\n", "")
    assert without_line(text, "interface", "eth0") == text

"""nginx, curl, wget and openssl: pages, refusals, certificates and the clocks that judge them."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labs.net import http, tls
from labs.net.http import HttpError, Request, Response
from labs.net.linux.node import LinuxNode
from labs.net.nginx_conf import NginxError, parse_nginx
from labs.net.tls import Record, Records
from labs.testing import pass_time, run
from tests.shell.daemons.site import SECOND, machine, pair

CERTIFICATE = """-----BEGIN CERTIFICATE-----
Subject: CN=shop.example
Issuer: CN=Shop CA
Not-Before: 2026-01-01 00:00:00
Not-After: 2027-01-01 00:00:00
Names: shop.example, *.shop.example
Key: 41
-----END CERTIFICATE-----
"""
AUTHORITY = """-----BEGIN CERTIFICATE-----
Subject: CN=Shop CA
Issuer: CN=Shop CA
Not-Before: 2020-01-01 00:00:00
Not-After: 2040-01-01 00:00:00
-----END CERTIFICATE-----
"""
KEY = "-----BEGIN PRIVATE KEY-----\nKey: 41\n-----END PRIVATE KEY-----\n"
MAIN = "events { }\nhttp {\n    include sites-enabled/*;\n}\n"
SITE = r"""
server {
    listen 80 default_server;
    listen [::]:80;
    root /var/www/html;
    location /api { return 200 "hello $host\n"; }
    location = /old { return 301 /; }
    location /private { deny all; }
    location ~ \.php$ { return 403; }
}
server {
    listen 80;
    listen 443 ssl;
    server_name shop.example;
    ssl_certificate /etc/ssl/shop.pem;
    ssl_certificate_key /etc/ssl/shop.key;
    return 200 "shop\n";
}
"""


def web(site: str = SITE, **files: str) -> tuple[LinuxNode, LinuxNode]:
    """A web server and a laptop that trusts its authority."""
    every = {
        "/etc/nginx/nginx.conf": MAIN,
        "/etc/nginx/sites-enabled/default": site,
        "/etc/ssl/shop.pem": CERTIFICATE,
        "/etc/ssl/shop.key": KEY,
        "/var/www/html/index.html": "<h1>Hi</h1>\n",
        "/var/www/html/menu.txt": "soup\n",
        "/var/www/html/empty/x.bin": "",
    }
    hosts = "10.9.9.1 shop.example www.shop.example other.example\n"
    laptop = machine("laptop", "10.9.9.2", **{"/etc/ssl/certs/shop-ca.pem": AUTHORITY, "/etc/hosts": hosts})
    return pair(machine("web", "10.9.9.1", "nginx", **(every | files)), laptop)


# The wire


@given(st.binary(max_size=40_000))
def test_application_records_round_trip(data: bytes) -> None:
    """Whatever is cut where, the same bytes come out, and not one word is readable on the way."""
    wire = tls.record(Record.APPLICATION, data)
    reader = Records()
    pieces = [piece for start in range(0, len(wire), 1448) for _, piece in reader.feed(wire[start : start + 1448])]
    assert b"".join(pieces) == data


@given(st.binary(max_size=200))
def test_request_of_any_bytes_is_read_waited_for_or_refused(data: bytes) -> None:
    """Nothing else comes out."""
    try:
        found = http.read_request(data)
    except HttpError:
        return
    assert found is None or isinstance(found[0], Request)


def test_response_round_trip() -> None:
    """A body is as long as announced."""
    wire = http.response_bytes(Response(200, "OK", (("Content-Length", "3"),), body=b"abc"))
    assert http.read_response(wire[:-1], ended=False) is None
    response = http.read_response(wire, ended=False)
    assert response is not None
    assert (response.status, response.body, http.header(response, "content-length")) == (200, b"abc", "3")


# The configuration


def problem(text: str, files: Mapping[str, str] | None = None) -> str:
    """What nginx says of a configuration."""
    every = {"/etc/nginx/nginx.conf": text} | dict(files or {})

    def read(path: str) -> str:
        if path not in every:
            raise FileNotFoundError("No such file or directory")
        return every[path]

    with pytest.raises(NginxError) as caught:
        parse_nginx("/etc/nginx/nginx.conf", read, lambda _: [])
    return str(caught.value)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("http { server { listen 80; } }", 'no "events" section in configuration'),
        ("events {}\nhttp {\nserver { listen 80; servr_name a; }\n}", 'unknown directive "servr_name" in C:3'),
        ("events {}\nhttp {\nserver { listen 80\nserver_name a; }\n}", 'invalid parameter "server_name" in C:4'),
        ("events {}\nhttp {\nserver { listen 80;\n", 'unexpected end of file, expecting "}" in C:4'),
        ("events {}\nhttp { server { listen 99999; } }", 'invalid port in "99999" of the "listen" directive in C:2'),
        (
            "events {}\nhttp { server { listen eighty; } }",
            'host not found in "eighty" of the "listen" directive in C:2',
        ),
        (
            "events {}\nhttp { server { listen 443 ssl; } }",
            'no "ssl_certificate" is defined for the "listen ... ssl" directive in C:2',
        ),
        (
            "events {}\nhttp { server { listen 443 ssl; ssl_certificate n.pem; } }",
            'no "ssl_certificate_key" is defined for certificate "n.pem"',
        ),
        ("events {}\nlisten 80;", '"listen" directive is not allowed here in C:2'),
        ("events {}\nhttp { server { root; } }", 'invalid number of arguments in "root" directive in C:2'),
        ('events {}\nhttp { server { root "/a; } }\n', 'unexpected end of file, expecting ";" or "}" in C:3'),
        ("events {}\nhttp { server { return abc def; } }", 'invalid return code "abc" in C:2'),
        ("events {}\nhttp { server { listen 80; listen 80; } }", "a duplicate listen 0.0.0.0:80 in C:2"),
        ("events {}\nhttp { include /nope.conf; }", 'open() "/nope.conf" failed (2: No such file or directory) in C:2'),
        ("events {}\nhttp { server { } } }", 'unexpected "}" in C:2'),
        ("events {}\nhttp { server { root /a; root /b; } }", '"root" directive is duplicate in C:2'),
        ("events {}\nhttp { server { listen 80; ; } }", 'unexpected ";" in C:2'),
        ("events {}\nhttp { server { root /x { } } }", 'directive "root" is not terminated by ";" in C:2'),
        ("events {}\nhttp { server { location / { } location / { } } }", 'duplicate location "/" in C:2'),
        (
            "events {}\nhttp { server { autoindex maybe; } }",
            'invalid value "maybe" in "autoindex" directive, it must be "on" or "off" in C:2',
        ),
        ("events {}\nworker_processes x;", '"worker_processes" directive invalid value in C:2'),
        ("events {}\nhttp { server { } } xyz\n", 'unexpected end of file, expecting ";" or "}" in C:3'),
    ],
)
def test_mistake_is_told_as_nginx_tells_it(text: str, words: str) -> None:
    """Each text was read from `nginx -t` 1.22.1."""
    assert problem(text).replace("/etc/nginx/nginx.conf", "C") == words


# The server


def test_pages_fixed_answers_and_refusals() -> None:
    """Files, `return`, exact and regular locations, deny, and what is not there."""
    _, laptop = web()
    assert run(laptop, "curl http://10.9.9.1/") == ("<h1>Hi</h1>\n", 0)
    assert run(laptop, "curl -s 10.9.9.1/menu.txt").text == "soup\n"
    assert run(laptop, "curl 10.9.9.1/api/x").text == "hello 10.9.9.1\n"
    assert run(laptop, "curl -sL 10.9.9.1/old").text == "<h1>Hi</h1>\n"
    assert run(laptop, "curl -s shop.example").text == "shop\n"
    codes = [
        run(laptop, f"curl -s -o /dev/null -w '%{{http_code}}' 10.9.9.1{path}").text
        for path in ("/", "/old", "/private/x", "/nope", "/empty", "/empty/", "/a.php", "/../../etc/hosts")
    ]
    assert codes == ["200", "301", "403", "404", "301", "403", "403", "404"]


def test_failures_have_the_status_of_curl() -> None:
    """6 no such name, 7 refused, 22 with -f, 28 too late."""
    _, laptop = web()
    assert run(laptop, "curl nosuch.example") == ("curl: (6) Could not resolve host: nosuch.example\n", 6)
    refused = "curl: (7) Failed to connect to 10.9.9.1 port 81 after 0 ms: Couldn't connect to server\n"
    assert run(laptop, "curl 10.9.9.1:81") == (refused, 7)
    assert run(laptop, "curl -s 10.9.9.1:81") == ("", 7)
    assert run(laptop, "curl -f 10.9.9.1/nope") == ("curl: (22) The requested URL returned error: 404\n", 22)
    run(laptop, "arp=1; ip neigh add 10.9.9.77 lladdr 02:00:00:00:00:77 dev eth0")
    assert run(laptop, "curl -m 2 10.9.9.77") == ("curl: (28) Connection timed out after 2000 milliseconds\n", 28)
    late = "curl: (28) Failed to connect to 10.9.9.77 port 80 after 1000 ms: Timeout was reached\n"
    assert run(laptop, "curl --connect-timeout 1 10.9.9.77") == (late, 28)
    assert run(laptop, "curl --blah").text.startswith("curl: option --blah: is unknown\n")


@pytest.mark.parametrize(
    ("prepare", "url", "words"),
    [
        ("true", "https://shop.example/", None),
        ("true", "https://www.shop.example/", None),
        ("date -s 2025-06-01", "https://shop.example/", "SSL certificate problem: certificate is not yet valid"),
        ("date -s 2027-06-01", "https://shop.example/", "SSL certificate problem: certificate has expired"),
        (
            "rm /etc/ssl/certs/shop-ca.pem",
            "https://shop.example/",
            "SSL certificate problem: unable to get local issuer certificate",
        ),
        (
            "true",
            "https://other.example/",
            "SSL: no alternative certificate subject name matches target host name 'other.example'",
        ),
    ],
)
def test_certificate_is_judged_by_the_client(prepare: str, url: str, words: str | None) -> None:
    """Its clock, its authorities and the name it asked for decide; -k looks away."""
    _, laptop = web()
    run(laptop, prepare)
    answer = run(laptop, f"curl -sS {url}")
    if words is None:
        assert answer == ("shop\n", 0)
    else:
        assert answer.status == 60
        assert answer.text.startswith(f"curl: (60) {words}\nMore details here: https://curl.se/docs/sslcerts.html\n")
    assert run(laptop, f"curl -sk {url}") == ("shop\n", 0)


def test_https_and_http_on_each_others_port() -> None:
    """The words that give the mistake away."""
    _, laptop = web()
    wrong = run(laptop, "curl -sS https://shop.example:80/")
    assert wrong == ("curl: (35) OpenSSL/3.0.19: error:0A00010B:SSL routines::wrong version number\n", 35)
    assert "The plain HTTP request was sent to HTTPS port" in run(laptop, "curl -s http://shop.example:443/").text


def test_bad_configuration_fails_the_unit_and_leaves_a_reload_alone() -> None:
    """`systemctl reload` with a mistake keeps the old configuration; a restart does not come up."""
    server, laptop = web()
    run(server, "sed -i 's/root /rot /' /etc/nginx/sites-enabled/default")
    said = 'nginx: [emerg] unknown directive "rot" in /etc/nginx/sites-enabled/default:5\n'
    assert run(server, "nginx -t").text.startswith(said)
    assert run(server, "systemctl reload nginx").status == 1
    assert run(laptop, "curl -s shop.example").text == "shop\n"
    assert run(server, "systemctl restart nginx; systemctl is-active nginx").text.endswith("failed\n")
    assert said.strip() in run(server, "journalctl -u nginx").text


def test_reload_takes_the_new_configuration() -> None:
    """Without a restart."""
    server, laptop = web()
    run(server, r"sed -i 's/shop\\n/open\\n/' /etc/nginx/sites-enabled/default; systemctl reload nginx")
    pass_time(server, SECOND)
    assert run(laptop, "curl -s shop.example").text == "open\n"


def test_key_of_another_certificate_is_refused() -> None:
    """nginx compares the two."""
    server, _ = web(**{"/etc/ssl/shop.key": KEY.replace("41", "42")})
    assert "key values mismatch" in run(server, "nginx -t").text


def test_wget_saves_and_has_its_own_statuses() -> None:
    """0 saved, 4 network, 5 certificate, 8 the server said no."""
    _, laptop = web()
    assert run(laptop, "wget -qO- 10.9.9.1") == ("<h1>Hi</h1>\n", 0)
    assert run(laptop, "wget -q 10.9.9.1/menu.txt; cat menu.txt").text == "soup\n"
    assert run(laptop, "wget -q nosuch.example").status == 4
    assert run(laptop, "wget -qO- https://other.example").status == 5
    assert run(laptop, "wget -q 10.9.9.1/nope").status == 8


def test_openssl_shows_and_makes_certificates() -> None:
    """A renewed self-signed certificate is one line away."""
    server, laptop = web()
    shown = run(server, "openssl x509 -in /etc/ssl/shop.pem -noout -dates -subject").text
    assert shown == "notBefore=Jan  1 00:00:00 2026 GMT\nnotAfter=Jan  1 00:00:00 2027 GMT\nsubject=CN = shop.example\n"
    run(
        server,
        "openssl req -x509 -newkey rsa:2048 -nodes -keyout /etc/ssl/shop.key -out /etc/ssl/shop.pem"
        " -subj /CN=shop.example -days 10; systemctl reload nginx",
    )
    assert "self-signed certificate\n" in run(laptop, "curl -sS https://shop.example").text
    assert run(laptop, "curl -sk https://shop.example").text == "shop\n"

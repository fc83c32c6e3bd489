"""A conduit with `tls: true`: who speaks plainly on it is named with the line of its file."""

from __future__ import annotations

from dataclasses import replace

import pytest

from grader.checks.context import Context
from grader.checks.encrypted import bare_ports, bare_text
from grader.reach.brokers import is_stale, speech_of
from grader.verdict import Finding, Verdict
from labs.engines.base import Output
from labs.lab import engine_named
from labs.model.services import Service
from labs.scenario.library import find_scenario
from labs.scenario.scenario import ScenarioError
from labs.scenario.variant import Variant, draw
from tests.verdicts.corpus import HERE

SITE = HERE / "sites" / "sealed-plant.yaml"
MEMBERS = ["hall", "server", "pc"]
PLAIN = r"sed -i -e '/^certfile/d' -e '/^keyfile/d' -e '/^cafile/d' /etc/mosquitto/mosquitto.conf"


@pytest.fixture(scope="module")
def variant() -> Variant:
    return draw(find_scenario(str(SITE)), "3")


def after(variant: Variant, *lines: str) -> Context:
    engine = engine_named("sim")
    engine.start(variant.healthy)
    engine.run("server", "systemctl enable --now nginx")
    for line in lines:
        engine.run("server", line)
    engine.settle(60_000_000_000)
    return Context(engine, variant)


def bare(context: Context) -> list[str]:
    policy = context.variant.scenario.policy
    assert policy is not None
    found = bare_ports(context, policy, MEMBERS)
    assert not isinstance(found, Finding), str(found.rationale)
    return [f"{one.source} {one.target} {one.service} {one.where}" for one in found]


def test_ports_that_speak_tls_are_not_named(variant: Variant) -> None:
    assert bare(after(variant)) == []


def test_plain_listener_is_named_with_its_line_for_each_sender(variant: Variant) -> None:
    context = after(variant, PLAIN, "systemctl restart mosquitto")
    number = (
        context.site.devices["server"].files["/etc/mosquitto/mosquitto.conf"].split("\n").index("listener 8883") + 1
    )
    where = f"/etc/mosquitto/mosquitto.conf:{number}"
    assert bare(context) == [f"hall server mqtts {where}", f"pc server mqtts {where}"]
    found = bare_ports(context, context.variant.scenario.policy, MEMBERS)  # type: ignore[arg-type]
    assert not isinstance(found, Finding)
    words = f"not encrypted: server speaks plainly to hall on mqtts ({where}) (and 1 more)"
    assert str(bare_text(found)) == words


def test_web_server_without_ssl_is_named_with_its_line(variant: Variant) -> None:
    context = after(variant, "sed -i 's/443 ssl/443/' /etc/nginx/nginx.conf", "systemctl restart nginx")
    assert bare(context) == ["pc server https /etc/nginx/nginx.conf:4"]


def test_file_that_nobody_read_again_tells_nothing_and_a_client_decides(variant: Variant) -> None:
    context = after(variant, PLAIN)
    assert is_stale(context.site.devices["server"], 8883)
    assert bare(context) == []


def test_file_and_client_that_contradict_each_other_are_an_error(variant: Variant) -> None:
    context = after(variant, PLAIN, "systemctl restart mosquitto")
    engine = context.engine
    whole = engine.run
    engine.run = lambda place, line: Output("", whole(place, line).status)  # type: ignore[method-assign]
    found = bare_ports(context, context.variant.scenario.policy, MEMBERS)  # type: ignore[arg-type]
    assert isinstance(found, Finding)
    assert found.verdict is Verdict.ERROR
    assert "the port speaks plain   [/etc/mosquitto/mosquitto.conf:" in str(found.evidence[0])


def test_conduit_that_is_encrypted_binds_whatever_others_allow(variant: Variant) -> None:
    policy = variant.scenario.policy
    assert policy is not None
    assert policy.encrypted("pc", "server") == (Service("tcp", 443), Service("tcp", 8883))
    assert policy.encrypted("hall", "server") == (Service("tcp", 8883),)
    assert policy.encrypted("server", "hall") == ()


@pytest.mark.parametrize(
    ("lines", "port", "said"),
    [
        ("listener 8883\ncertfile a\nkeyfile b\n", 8883, "TLS /etc/mosquitto/mosquitto.conf:1"),
        ("listener 18830\nlistener 1883\n", 1883, "plain /etc/mosquitto/mosquitto.conf:2"),
        (
            "listener 8883 127.0.0.1\nlistener 8883 10.0.0.1\ncertfile a\nkeyfile b\n",
            8883,
            "TLS /etc/mosquitto/mosquitto.conf:2",
        ),
        (
            "listener 8883 127.0.0.1\ncertfile a\nkeyfile b\nlistener 8883  10.0.0.1\n",
            8883,
            "plain /etc/mosquitto/mosquitto.conf:4",
        ),
    ],
)
def test_listener_that_others_reach_tells_how_a_port_speaks(variant: Variant, lines: str, port: int, said: str) -> None:
    server = after(variant).site.devices["server"]
    found = speech_of(replace(server, files={**server.files, "/etc/mosquitto/mosquitto.conf": lines}), port)
    assert f"{found.because} {found.where}" == said


@pytest.mark.parametrize("service", ["ping", "any", "dns"])
def test_what_cannot_be_encrypted_is_refused_with_its_line(tmp_path: object, service: str) -> None:
    text = SITE.read_text(encoding="utf-8").replace("service: mqtts, tls: true", f"service: {service}, tls: true")
    path = tmp_path / "sealed-plant.yaml"  # type: ignore[operator]
    path.write_text(text, encoding="utf-8")
    number = next(n for n, line in enumerate(text.split("\n"), 1) if "from: field, to: plant" in line)
    with pytest.raises(ScenarioError) as caught:
        find_scenario(str(path))
    words = f"{service} cannot be asked to be encrypted: tls goes with services of TCP, such as https"
    assert f"{number}:" in str(caught.value)
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("lines", "named"), [((), 0), (("sed -i 's/443 ssl/443/' /etc/nginx/nginx.conf", "systemctl restart nginx"), 1)]
)
def test_place_without_a_client_leaves_it_to_the_file(variant: Variant, lines: tuple[str, ...], named: int) -> None:
    context = after(variant, *lines)
    whole = context.engine.run
    context.engine.run = lambda place, line: (  # type: ignore[method-assign]
        Output("", 127) if line.startswith("curl") else whole(place, line)
    )
    assert len(bare(context)) == named


def test_file_that_is_no_longer_sound_leaves_it_to_the_client(variant: Variant) -> None:
    assert bare(after(variant, "echo nonsense >> /etc/mosquitto/mosquitto.conf")) == []

"""Judges of who a broker lets in, and where: authenticated, authorised."""

from __future__ import annotations

import contextlib
import shlex
import tomllib
from dataclasses import replace

from grader.checks.context import Context
from grader.checks.hearing import login
from grader.evidence import Evidence, Quoted
from grader.reach.brokers import BrokerFilter, Client
from grader.reach.topics import TooManyTopics
from grader.verdict import Finding, Verdict
from labs.engines.base import Output
from labs.messages import Message, message
from labs.scenario.data_intents import Authenticated, Authorised
from labs.things.mosquitto_access import Direction
from labs.things.mosquitto_conf import ConfigError
from labs.things.mqtt.topics import matches, valid_topic

__all__ = ["judge_authenticated", "judge_authorised"]

REFUSED = frozenset({4, 5, 134, 135})  # CONNACK: bad user name or password, not authorised (MQTT 3.1.1 and 5)
UNHEARD_OF = "netwerf/unheard-of"
FACTORY = (("admin", "admin"), ("admin", "password"), ("mqtt", "mqtt"), ("root", "root"), ("user", "user"))
BY_CLIENT, BY_OWNER = "tried-by-client", "tried-by-owner"
CLIENT_ID = "netwerf-client"
MOST_TOPICS = 40


def judge_authenticated(context: Context, body: Authenticated) -> Finding:
    """The right user is the witness: a broker that is dead refuses everybody."""
    source = body.source or body.broker
    host = "127.0.0.1"
    if source != body.broker:
        address = context.address_of(body.broker, source)
        if address is None:
            return Finding(
                Verdict.BLOCKED,
                message("{target} has no address, so {source} cannot reach it", target=body.broker, source=source),
            )
        host = str(address)
    right = _knock(context, source, body, host)
    if right.status != 0:
        return Finding(
            Verdict.FAIL if right.status in REFUSED else Verdict.BLOCKED,
            message("the broker does not let {user} in: {text}", user=body.user, text=right.text.strip()),
        )
    strangers = [
        (message("anybody without a name"), replace(body, user="", password="")),
        (message("{user} with a wrong password", user=body.user), replace(body, password=f"not-{body.password}")),
        (message("a user whom nobody knows"), replace(body, user=f"not-{body.user}")),
        *((_with_password(user, password), replace(body, user=user, password=password)) for user, password in FACTORY),
    ]
    for who, stranger in strangers:
        answer = _knock(context, source, stranger, host)
        if answer.status not in REFUSED:
            tried = f"mosquitto_sub {login(stranger, host)} -t '#'"
            said = Quoted(answer.text.strip()) if answer.text.strip() else message("is let in")
            return Finding(
                Verdict.FAIL,
                message("the broker lets {who} in", who=who),
                help=message("allow_anonymous false and a password_file in mosquitto.conf keep strangers out"),
                evidence=(message("{tried}: {said}", tried=tried, said=said),),
            )
    return Finding(Verdict.PASS, message("{user} is let in, and nobody else", user=body.user))


def _with_password(user: str, password: str) -> Message:
    return message("{user} with the password {password}", user=user, password=password)


def _knock(context: Context, source: str, body: Authenticated, host: str) -> Output:
    return context.engine.run(source, f"mosquitto_sub {login(body, host)} -i knocking -t '#' -E -W 10")


def judge_authorised(context: Context, body: Authorised) -> Finding:
    """Try every topic that the site knows, both ways; the owner of everything is the witness."""
    rules = broker_of(context, body.broker)
    topics = _topics(context, body, rules)
    client = replace(body, user=body.client, password=body.client_password)
    heard = _exchange(context, body, client, topics)
    if isinstance(heard, Finding):
        return heard
    for topic in topics:
        if ("owner", BY_OWNER, topic) not in heard:
            return Finding(
                Verdict.BLOCKED,
                message("{user} cannot publish on {topic}, so nothing was tested", user=body.user, topic=topic),
            )
        may_send = any(matches(pattern, topic) for pattern in body.publish)
        may_hear = any(matches(pattern, topic) for pattern in body.subscribe)
        sent = ("owner", BY_CLIENT, topic) in heard
        received = ("client", BY_OWNER, topic) in heard
        odd = _contradiction(rules, body, topic, sent=sent, received=received)
        if odd is not None:
            return odd
        if sent != may_send:
            text = (
                message("{client} can publish on {topic}, which is not its business", client=body.client, topic=topic)
                if sent
                else message("{client} cannot publish on {topic}, which it has to", client=body.client, topic=topic)
            )
            return Finding(Verdict.FAIL, text, help=_help(), evidence=_evidence(rules, body, Direction.WRITE, topic))
        if received != may_hear:
            text = (
                message("{client} can read {topic}, which is not its business", client=body.client, topic=topic)
                if received
                else message("{client} cannot read {topic}, which it has to", client=body.client, topic=topic)
            )
            return Finding(Verdict.FAIL, text, help=_help(), evidence=_evidence(rules, body, Direction.READ, topic))
    return Finding(
        Verdict.PASS,
        message(
            "{client} may do what it needs and no more: {count} topics tried", client=body.client, count=len(topics)
        ),
    )


def _client(body: Authorised) -> Client:
    """The client under the id that it is tried with: a list may tell ids apart (`%c`), and a client chooses its own."""
    return Client(body.client, body.client_password, CLIENT_ID)


def _help() -> Message:
    return message("the acl_file of mosquitto says who may read and write which topics")


def _exchange(
    context: Context, owner: Authorised, client: Authorised, topics: list[str]
) -> set[tuple[str, str, str]] | Finding:
    """Who heard whose message on which topic: (hearer, payload, topic)."""
    engine, place = context.engine, owner.broker
    heard = set()
    as_owner, as_client = login(owner), f"{login(client)} -i {CLIENT_ID}"
    spoken = {"owner": ((as_client, BY_CLIENT), (as_owner, BY_OWNER)), "client": ((as_owner, BY_OWNER),)}
    for who, body, words in (("owner", owner, as_owner), ("client", client, as_client)):
        answer = engine.run(place, f"mosquitto_sub {words} -t '#' -E -W 10")
        if answer.status != 0:
            return Finding(
                Verdict.FAIL if who == "client" and answer.status in REFUSED else Verdict.BLOCKED,
                message("the broker does not let {user} in: {text}", user=body.user, text=answer.text.strip()),
            )
        seconds = 3 + len(topics)
        engine.run(place, f"mosquitto_sub {words} -R -t '#' -F '%p %t' -W {seconds} > /run/heard-{who} 2> /dev/null &")
        engine.run(place, "sleep 1")
        for topic in topics:
            for sender, payload in spoken[who]:  # nobody but the listener has the id of the client
                engine.run(place, f"mosquitto_pub {sender} -t {shlex.quote(topic)} -m {payload}")
        engine.run(place, "wait")
        for line in engine.run(place, f"cat /run/heard-{who}; rm -f /run/heard-{who}").text.splitlines():
            payload, _, topic = line.partition(" ")
            heard.add((who, payload, topic))
    return heard


def broker_of(context: Context, device: str) -> BrokerFilter | None:
    """What the files of a broker say; None where nothing sound is there to ask."""
    try:
        return BrokerFilter(context.site.devices[device])
    except ConfigError:
        return None


def _contradiction(
    rules: BrokerFilter | None, body: Authorised, topic: str, *, sent: bool, received: bool
) -> Finding | None:
    """The list and the messages that do not agree: our fault, told with both stories."""
    if rules is None or rules.limits:
        return None
    client = _client(body)
    for direction, seen in ((Direction.WRITE, sent), (Direction.READ, received)):
        said = rules.permits(client, direction, topic)
        if said.holds != seen:
            text = message(
                "the files of {broker} and a message on {topic} contradict each other", broker=body.broker, topic=topic
            )
            came = message("the message came") if seen else message("no message came")
            return Finding(Verdict.ERROR, text, evidence=(said.evidence, came))
    return None


def _evidence(rules: BrokerFilter | None, body: Authorised, direction: Direction, topic: str) -> tuple[Evidence, ...]:
    """What the check allows, and the line of the file that decided."""
    if direction is Direction.WRITE:
        asked = message("what it may publish: {topics}", topics=", ".join(body.publish) or "-")
    else:
        asked = message("what it may read: {topics}", topics=", ".join(body.subscribe) or "-")
    if rules is None:
        return (asked,)
    said = rules.permits(_client(body), direction, topic)
    return (asked, said.evidence)


def _topics(context: Context, body: Authorised, rules: BrokerFilter | None) -> list[str]:
    """One topic for each class that the access list or the check tells apart, and those that things of the site use.

    Topics that begin with `$` are the broker's own and left out. Those in use come first: a reader knows them.
    """
    classes: list[str] = []
    if rules is not None:
        with contextlib.suppress(TooManyTopics):
            told_apart = rules.topics(_client(body), (*body.publish, *body.subscribe))
            classes = [topic for topic in told_apart.values() if not topic.startswith("$")]
    used = [topic for topic in (*body.publish, *body.subscribe) if valid_topic(topic)]
    for device in context.site.devices.values():
        for path, text in device.files.items():
            if path.startswith("/etc/") and path.endswith(".toml"):
                used += _configured(text)
    used += [heard.topic for known in context.recordings.values() for heard in known.messages]
    tried = list(dict.fromkeys([*classes, *used, UNHEARD_OF]))[:MOST_TOPICS]
    return sorted(tried, key=lambda topic: topic not in used)


def _configured(text: str) -> list[str]:
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        return []
    topics = []
    for table in document.values():
        for key, value in table.items() if isinstance(table, dict) else ():
            if key.endswith("topic") and isinstance(value, str) and valid_topic(value):
                topics.append(value)
    return topics

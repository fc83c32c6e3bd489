"""Judges of single flows: reach, refuse, resolve."""

from __future__ import annotations

from grader.checks.context import Context, Flow
from grader.checks.second_opinion import cause_of, decided_at, let_through, look_again, on_reach, on_refuse, packet_of
from grader.evidence import path_of
from grader.explain import death_of
from grader.verdict import Finding, Verdict
from labs.engines.base import Observation
from labs.messages import Message, message
from labs.model.services import Service
from labs.net.actions import Accepted, Dropped, DropReason
from labs.scenario.intents import Reach, Refuse, Resolve

__all__ = ["describe", "judge_reach", "judge_refuse", "judge_resolve", "witness_against", "works"]


def describe(flow: Flow) -> str:
    """`till -> isp:https`."""
    source, target, service = flow
    return f"{source} -> {target}:{service}"


def works(context: Context, flow: Flow, observation: Observation | None, at: str = "") -> bool:
    """The probe got an answer, and from the device that was meant: `at`, where the target is a name."""
    if observation is None or not observation.delivered:
        return False
    target = flow[1] if flow[1] in context.site.devices else at
    return not target or observation.arrived_at(target)


def judge_reach(context: Context, body: Reach) -> Finding:
    """Every pair gets its answer, at once and again and again over `during`."""
    flows: list[Flow] = [(s, t, service) for s in body.sources for t in body.targets for service in body.services]
    rounds = 1 + (body.during // body.every if body.during else 0)
    for number in range(rounds):
        if number:
            context.settle(body.every)
        answers = context.observe(flows, fresh=True, load=body.load)
        answers = answers if body.load else look_again(context, answers)
        for flow in flows:
            observation = answers[flow]
            worked = works(context, flow, observation, body.at)
            if not worked and observation is not None and observation.delivered:
                return _unreached(context, flow, observation, number, rounds)
            # The analysis knows no size, and it need not be asked again where nothing went wrong in between.
            odd = None if body.load or (worked and number) else on_reach(context, flow, observation, worked=worked)
            if odd is not None:
                return odd
            if not worked:
                return _unreached(context, flow, observation, number, rounds)
    shown = answers[flows[0]]
    assert shown is not None  # it worked
    return Finding(Verdict.PASS, _reached(flows, rounds), evidence=path_of(shown))


def _reached(flows: list[Flow], rounds: int) -> Message:
    targets = list(dict.fromkeys(f"{target}:{service}" for _, target, service in flows))
    listed = ", ".join(targets[:3]) + (" …" if len(targets) > 3 else "")
    names = list(dict.fromkeys(source for source, _, _ in flows))
    sources = ", ".join(names)
    if rounds > 1 and len(names) > 1:
        return message(
            "{sources} reach {targets}, {rounds} times out of {rounds}",
            sources=sources,
            targets=listed,
            rounds=rounds,
        )
    if len(names) > 1:
        return message("{sources} reach {targets}", sources=sources, targets=listed)
    if rounds > 1:
        return message(
            "{sources} reaches {targets}, {rounds} times out of {rounds}",
            sources=sources,
            targets=listed,
            rounds=rounds,
        )
    return message("{sources} reaches {targets}", sources=sources, targets=listed)


def _unreached(context: Context, flow: Flow, observation: Observation | None, number: int, rounds: int) -> Finding:
    source, target, service = flow
    if observation is None:
        return Finding(
            Verdict.FAIL, message("{target} has no address, so {source} cannot reach it", target=target, source=source)
        )
    if observation.delivered:
        impostor = next(
            (hop.device for hop in observation.hops if hop.device != source and observation.arrived_at(hop.device)),
            source,
        )
        cause: Message = message(
            "{impostor} answers in its place at {address}", impostor=impostor, address=observation.address
        )
    else:
        cause = cause_of(context, flow, observation)
        where = decided_at(context, flow, observation)
        cause = message("{text} ({where})", text=cause, where=where) if where else cause
    text = message(
        "{source} does not reach {target} ({service}): {cause}",
        source=source,
        target=target,
        service=str(service),
        cause=cause,
    )
    if rounds > 1 and number:
        text = message(
            "{text} (try {number} of {rounds}: it comes and goes)", text=text, number=number + 1, rounds=rounds
        )
    return Finding(Verdict.FAIL, text, evidence=path_of(observation))


def judge_refuse(context: Context, body: Refuse) -> Finding:
    """No pair gets through, and every refusal is a firewall's, seen on a packet that was really sent."""
    flows: list[Flow] = [(s, t, service) for s in body.sources for t in body.targets for service in body.services]
    answers = look_again(context, context.observe(flows))
    for flow in flows:
        observation = answers[flow]
        arrived = observation is not None and observation.arrived_at(flow[1])
        odd = on_refuse(context, flow, observation, arrived=arrived)
        if odd is not None:
            return odd
        if observation is not None and (observation.delivered or arrived):
            return _too_open(context, flow, observation)
    for flow in flows:
        missing = witness_against(context, flow, answers[flow])
        if missing is not None:
            return Finding(Verdict.BLOCKED, missing, evidence=path_of(answers[flow]) if answers[flow] else ())  # type: ignore[arg-type]
    sample = answers[flows[0]]
    assert sample is not None
    return Finding(
        Verdict.PASS,
        message("{sources} is refused: {cause}", sources=", ".join(body.sources), cause=death_of(sample)),
        evidence=path_of(sample),
    )


def _too_open(context: Context, flow: Flow, observation: Observation) -> Finding:
    """A packet that must not arrive arrived."""
    source, target, service = flow
    text = message("{source} gets through to {target} ({service})", source=source, target=target, service=str(service))
    packet = packet_of(flow, observation)
    if packet is not None and observation.arrived_at(target):
        text = message("{text}; {more}", text=text, more=let_through(context.reach, packet))
    return Finding(
        Verdict.FAIL,
        text,
        help=message(
            "a packet from {source} to {address} should have been stopped on its way",
            source=source,
            address=observation.address,
        ),
        evidence=path_of(observation),
    )


def witness_against(context: Context, flow: Flow, observation: Observation | None) -> Message | None:
    """What is missing for a refusal to count, or None where it is proved.

    The sender sent; a device in between dropped it by policy; the sender reaches somebody; the target answers somebody.
    """
    source, target, _ = flow
    if observation is None:
        return message("{target} has no address, so nothing was tested", target=target)
    if not any(hop.device == source and isinstance(hop.note, Accepted) for hop in observation.hops):
        return message(
            "{source} could not even send, so nothing was tested: {cause}", source=source, cause=death_of(observation)
        )
    stopped = any(
        hop.device != source and isinstance(hop.note, Dropped) and hop.note.reason is DropReason.POLICY
        for hop in observation.hops
    )
    if not stopped:
        return message("no firewall refused it, so nothing was tested: {cause}", cause=death_of(observation))
    return _alive(context, source, target)


def _alive(context: Context, source: str, target: str) -> Message | None:
    flows = context.allowed_flows()
    outgoing = [flow for flow in flows if flow[0] == source] or [(source, source, Service("icmp"))]
    incoming = [flow for flow in flows if flow[1] == target] or [(target, target, Service("icmp"))]
    answers = context.observe([*outgoing, *incoming])
    if not any(works(context, flow, answers[flow]) for flow in outgoing):
        return message("{source} reaches nobody at all, so its silence proves nothing", source=source)
    if not any(works(context, flow, answers[flow]) for flow in incoming):
        return message("{target} answers nobody at all, so its silence proves nothing", target=target)
    return None


def judge_resolve(context: Context, body: Resolve) -> Finding:
    """The name leads to the device."""
    output = context.engine.run(body.source, f"getent hosts {body.name}")
    found = output.text.split()[0] if output.status == 0 and output.text.strip() else ""
    state = context.site.devices[body.target].state
    owned = {str(a.address) for a in state.addresses()} if state is not None else set()
    if not found:
        return Finding(Verdict.FAIL, message('{source} cannot look up "{name}"', source=body.source, name=body.name))
    if found not in owned:
        return Finding(
            Verdict.FAIL,
            message(
                '"{name}" leads {source} to {found}, which is not an address of {target}',
                name=body.name,
                source=body.source,
                found=found,
                target=body.target,
            ),
        )
    return Finding(
        Verdict.PASS, message('"{name}" leads {source} to {found}', name=body.name, source=body.source, found=found)
    )

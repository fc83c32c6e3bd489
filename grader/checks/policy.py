"""Judge of `policy: exact`: what can flow between zones, tried packet by packet, against what may flow.

Every pair of devices in different zones is tried for every service that anybody offers or the policy names, for the
usual management ports, and for one port that nobody uses: a firewall that lets a SYN to a closed port through is open.
"""

from __future__ import annotations

from grader.checks.context import Context, Flow
from grader.checks.flows import describe
from grader.explain import death_of, path_of
from grader.verdict import Finding, Verdict
from labs.engines.base import Observation
from labs.messages import message
from labs.model.services import Service
from labs.scenario.intents import PolicyHolds
from labs.scenario.scenario import Policy

__all__ = ["judge_policy"]

USUAL = (
    Service("icmp"),
    Service("tcp", 22),
    Service("tcp", 23),
    Service("tcp", 80),
    Service("tcp", 443),
    Service("tcp", 8080),
)
UNUSED = (Service("tcp", 47_808), Service("udp", 47_808))
SHOWN = 4


def judge_policy(context: Context, body: PolicyHolds) -> Finding:
    """Too little is a broken service, too much a packet that got through."""
    del body
    policy = context.variant.scenario.policy
    assert policy is not None
    members = [device for zone in policy.zones.values() for device in zone]
    dead = [name for name in members if context.site.devices[name].state is None]
    if dead:
        return Finding(Verdict.BLOCKED, message("{device} has no power, so nothing was tested", device=dead[0]))
    wanted = [flow for flow in context.allowed_flows() if _between_zones(policy, flow)]
    forbidden = _forbidden(context, policy, members)
    answers = context.observe([*wanted, *forbidden])
    too_little = [flow for flow in wanted if not _answered(answers[flow])]
    too_much = [flow for flow in forbidden if _arrived(flow, answers[flow])]
    if too_much:
        return _opened(too_much, answers, len(forbidden))
    if too_little:
        flow = too_little[0]
        observation = answers[flow]
        cause = death_of(observation) if observation is not None else message("{device} has no address", device=flow[1])
        return Finding(
            Verdict.FAIL,
            message(
                "{count} of {all} allowed flows are broken; {flow}: {cause}",
                count=len(too_little),
                all=len(wanted),
                flow=describe(flow),
                cause=cause,
            ),
            evidence=path_of(observation) if observation is not None else (),
        )
    return Finding(
        Verdict.PASS,
        message(
            "{wanted} allowed flows work and {forbidden} others do not get through",
            wanted=len(wanted),
            forbidden=len(forbidden),
        ),
    )


def _opened(too_much: list[Flow], answers: dict[Flow, Observation | None], tried: int) -> Finding:
    flow = too_much[0]
    observation = answers[flow]
    assert observation is not None
    listed = ", ".join(describe(f) for f in too_much[:SHOWN]) + (" …" if len(too_much) > SHOWN else "")
    return Finding(
        Verdict.FAIL,
        message(
            "{count} of {tried} forbidden flows get through: {flows}", count=len(too_much), tried=tried, flows=listed
        ),
        help=message("follow one of them: the last device that passed it on is where it should have been stopped"),
        evidence=(describe(flow), *path_of(observation)),
    )


def _between_zones(policy: Policy, flow: Flow) -> bool:
    zones = policy.zone_of(flow[0]), policy.zone_of(flow[1])
    return None not in zones and zones[0] != zones[1]


def _forbidden(context: Context, policy: Policy, members: list[str]) -> list[Flow]:
    named = {service for conduit in policy.allow for service in conduit.services if service.protocol != "any"}
    flows: list[Flow] = []
    for source in members:
        for target in members:
            if source == target or policy.zone_of(source) == policy.zone_of(target):
                continue
            services = {*named, *USUAL, *UNUSED, *context.offered(target)}
            flows += [
                (source, target, service) for service in sorted(services) if not policy.allows(source, target, service)
            ]
    return flows


def _answered(observation: Observation | None) -> bool:
    return observation is not None and observation.delivered


def _arrived(flow: Flow, observation: Observation | None) -> bool:
    return observation is not None and (observation.delivered or observation.arrived_at(flow[1]))

"""Judge of `withstands`: somebody closes a loop, and the site goes on working."""

from __future__ import annotations

import itertools

from grader.checks.context import Context, Flow
from grader.checks.flows import describe, works
from grader.evidence import Evidence, path_of
from grader.explain import death_of
from grader.verdict import Finding, Verdict
from labs.engines.base import Probe
from labs.messages import Message, message
from labs.model.site import Endpoint
from labs.scenario.intents import Withstands

__all__ = ["judge_withstands"]

SECOND = 1_000_000_000
SETTLE_NS = (
    40 * SECOND
)  # longer than a spanning tree needs: twice the forward delay of 15 s (IEEE 802.1D-2004 table 17-1)


def judge_withstands(context: Context, body: Withstands) -> Finding:
    """Everything that must work works before, during and after a lead between free ports.

    Of each switch in turn, and from each to the next: two that are on where there are two, because a lead between
    ports that are off closes no loop.
    """
    flows = context.allowed_flows()
    before = _broken(context, flows)
    if before is not None:
        flow, cause, _ = before
        text = message(
            "{flow} does not work even without a loop, so nothing was tested: {cause}", flow=describe(flow), cause=cause
        )
        return Finding(Verdict.BLOCKED, text)
    for switch in body.switches:
        ends = _free_ports(context, switch)
        if context.site.devices[switch].state is None or len(ends) < 2:
            text = message("{switch} has no power or no two free ports, so nothing was tested", switch=switch)
            return Finding(Verdict.BLOCKED, text)
        finding = _with_loop(context, ends[0], ends[1], flows)
        if finding is not None:
            return finding
    for one, other in itertools.combinations(body.switches, 2):
        finding = _with_loop(context, _free_ports(context, one)[0], _free_ports(context, other)[0], flows)
        if finding is not None:
            return finding
    names = ", ".join(body.switches)
    return Finding(Verdict.PASS, message("a loop on {switches} does no harm", switches=names))


def _with_loop(context: Context, a: Endpoint, b: Endpoint, flows: list[Flow]) -> Finding | None:
    context.engine.run("hands", f"patch {a} {b}")
    _broadcast(context, flows)
    context.settle(SETTLE_NS)
    if not context.engine.repeats:  # the port may forward for no more than a moment
        _broadcast(context, flows)
    context.forget()
    broken = _broken(context, flows)
    context.engine.run("hands", f"unplug {a}")
    context.wait_until(lambda: _broken(context, flows) is None, SETTLE_NS)
    context.forget()
    if broken is None:
        return None
    flow, cause, evidence = broken
    text = message(
        "with a lead from {a} to {b}, {flow} breaks: {cause}",
        a=str(a),
        b=str(b),
        flow=describe(flow),
        cause=cause,
    )
    return Finding(Verdict.FAIL, text, evidence=evidence, devices=tuple(dict.fromkeys((a.device, b.device))))


def _broadcast(context: Context, flows: list[Flow]) -> None:
    """One broadcast from every sender: a loop is quiet until the first, and on a quiet site that may take minutes.

    Asking for the last address of a network makes a device broadcast an ARP request, whether anybody has it or not.
    """
    probes = []
    for source in dict.fromkeys(flow[0] for flow in flows):
        state = context.site.devices[source].state
        for found in state.addresses() if state is not None else ():
            last = type(found.address)(int(found.network.broadcast) - 1)
            probes.append(Probe(source, str(last), timeout_ns=SECOND))
    context.engine.probe(probes)


def _free_ports(context: Context, switch: str) -> list[Endpoint]:
    """The ports without a lead, those that are on first."""
    site = context.site
    state = site.devices[switch].state
    on = {interface.name for interface in state.interfaces if interface.up} if state is not None else set()
    ends = [Endpoint(switch, port.name) for port in site.devices[switch].ports]
    return sorted((end for end in ends if site.link_at(end) is None), key=lambda end: end.port not in on)


def _broken(context: Context, flows: list[Flow]) -> tuple[Flow, Message, tuple[Evidence, ...]] | None:
    """The first flow that does not work."""
    for flow, observation in context.observe(flows, fresh=True).items():
        if not works(context, flow, observation):
            if observation is None:
                return flow, message("{device} has no address", device=flow[1]), ()
            return flow, death_of(observation), path_of(observation)
    return None

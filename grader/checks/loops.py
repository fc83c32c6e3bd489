"""Judge of `withstands`: somebody closes a loop, and the site goes on working."""

from __future__ import annotations

from grader.checks.context import Context, Flow
from grader.checks.flows import describe, works
from grader.explain import death_of, path_of
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
    """Everything that must work works before, during and after a lead between two free ports of each switch in turn."""
    flows = context.allowed_flows()
    before = _broken(context, flows)
    if before is not None:
        flow, cause, _ = before
        text = message(
            "{flow} does not work even without a loop, so nothing was tested: {cause}", flow=describe(flow), cause=cause
        )
        return Finding(Verdict.BLOCKED, text)
    for switch in body.switches:
        finding = _with_loop(context, switch, flows)
        if finding is not None:
            return finding
    names = ", ".join(body.switches)
    return Finding(Verdict.PASS, message("a loop on {switches} does no harm", switches=names))


def _with_loop(context: Context, switch: str, flows: list[Flow]) -> Finding | None:
    ends = _free_ports(context, switch)
    if context.site.devices[switch].state is None or len(ends) < 2:
        return Finding(
            Verdict.BLOCKED, message("{switch} has no power or no two free ports, so nothing was tested", switch=switch)
        )
    context.engine.run("hands", f"patch {ends[0]} {ends[1]}")
    _broadcast(context, flows)
    context.wait(SETTLE_NS)
    context.forget()
    broken = _broken(context, flows)
    context.engine.run("hands", f"unplug {ends[0]}")
    context.wait(SETTLE_NS)
    context.forget()
    if broken is None:
        return None
    flow, cause, evidence = broken
    text = message(
        "with a lead from {a} to {b}, {flow} breaks: {cause}",
        a=str(ends[0]),
        b=str(ends[1]),
        flow=describe(flow),
        cause=cause,
    )
    return Finding(Verdict.FAIL, text, evidence=evidence, devices=(switch,))


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
    site = context.site
    ends = [Endpoint(switch, port.name) for port in site.devices[switch].ports]
    return [end for end in ends if site.link_at(end) is None]


def _broken(context: Context, flows: list[Flow]) -> tuple[Flow, Message, tuple[str, ...]] | None:
    """The first flow that does not work."""
    for flow, observation in context.observe(flows, fresh=True).items():
        if not works(context, flow, observation):
            if observation is None:
                return flow, message("{device} has no address", device=flow[1]), ()
            return flow, death_of(observation), path_of(observation)
    return None

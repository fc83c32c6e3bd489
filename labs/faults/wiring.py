"""Analogue lines that are wired wrong, broken, wet, too long or fed too little."""

from __future__ import annotations

from dataclasses import replace

from labs.faults.fault import FaultError, fault
from labs.model.field import Extension, Loop, Signal
from labs.model.site import Site

__all__ = ["FAULTS"]

FAMILY = "analogue lines"
RESISTIVE = (Signal.PT100, Signal.PT1000, Signal.NTC)


def _line(site: Site, name: str, *signals: Signal) -> Loop:
    """The line of that name, where it carries one of the signals. Raises FaultError."""
    try:
        loop = site.loop(name)
    except KeyError:
        known = ", ".join(loop.name for loop in site.loops) or "none"
        message = f'there is no line "{name}"; lines: {known}'
        raise FaultError(message) from None
    if signals and loop.signal not in signals:
        message = f"{name} carries {loop.signal}; the fault needs {' or '.join(signals)}"
        raise FaultError(message)
    return loop


@fault(
    FAMILY,
    symptom="No current at all; the module says wire break",
    shown_by="sensorctl read --raw: 0 mA; look at the module: brown on -",
    fix="Swap the two conductors",
)
def loop_polarity_reversed(site: Site, line: str) -> Site:
    """A transmitter is wired backwards: its diode blocks."""
    loop = _line(site, line, Signal.CURRENT, Signal.VOLTAGE)
    return site.with_loop(replace(loop, polarity_reversed=not loop.polarity_reversed))


@fault(
    FAMILY,
    symptom="The meter turns, and its counter in the module stays at nothing",
    shown_by="sensorctl read --raw: 0 pulses; look at the module: brown on -",
    fix="Swap the two conductors: an S0 output is an open collector and has a direction (IEC 62053-31)",
)
def pulse_s0_polarity(site: Site, line: str) -> Site:
    """The pulse output of a meter is wired backwards."""
    loop = _line(site, line, Signal.PULSE)
    return site.with_loop(replace(loop, polarity_reversed=not loop.polarity_reversed))


@fault(
    FAMILY,
    symptom="Nothing is measured any more; the module says wire break or open",
    shown_by="sensorctl read --raw: 0 mA, or over range; the transmitter itself is well (sensorctl status)",
    fix="Find the loose conductor and tighten it",
)
def wire_break(site: Site, line: str) -> Site:
    """One conductor is open."""
    return site.with_loop(replace(_line(site, line), broken=True))


@fault(
    FAMILY,
    symptom="Far above full scale; the module says overcurrent",
    shown_by="sensorctl read --raw: more than 21 mA, whatever the transmitter sends",
    fix="Remove the short; replace the fuse by one of the same rating",
)
def loop_shorted_transmitter(site: Site, line: str) -> Site:
    """The two conductors touch."""
    return site.with_loop(replace(_line(site, line, Signal.CURRENT), shorted=True))


@fault(
    FAMILY,
    symptom="Right at low values, then the reading flattens",
    shown_by="sensorctl status of the transmitter sends more mA than sensorctl read --raw of the module sees",
    fix="Feed the loop with enough volts: supply - minimum of the transmitter >= 0.02 A x resistance",
)
def loop_compliance_too_low(site: Site, line: str, supply: float = 12.5) -> Site:
    """The supply cannot drive the current through the loop."""
    return site.with_loop(replace(_line(site, line, Signal.CURRENT), supply_v=supply))


@fault(
    FAMILY,
    symptom="The reading is a fixed part too high or too low",
    shown_by="the mA that the transmitter sends against the mA of sensorctl read --raw: the same ratio everywhere",
    fix="Fit a 250 ohm 0.1 % resistor",
)
def shunt_out_of_tolerance(site: Site, line: str, ohm: float = 285.0) -> Site:
    """The resistor at the input is not what the module reckons with."""
    return site.with_loop(replace(_line(site, line, Signal.CURRENT), shunt_ohm=ohm))


@fault(
    FAMILY,
    symptom="The reading drifts after rain: too high on a current loop, too low on a resistive probe",
    shown_by="sensorctl read --raw against the transmitter or the thermometer on the wall",
    fix="Dry and seal the junction box",
)
def moisture_in_junction_box(site: Site, line: str, ohm: float = 4000.0) -> Site:
    """Water makes a path between the conductors."""
    loop = _line(site, line, Signal.CURRENT, *RESISTIVE)
    return site.with_loop(replace(loop, leak_ohm=ohm))


@fault(
    FAMILY,
    symptom="Several kelvin too warm, more with a longer cable",
    shown_by="look: 2 wires; 1 ohm of lead is 2.6 K",
    fix="Connect three or four wires",
)
def pt100_two_wire_lead_error(site: Site, line: str) -> Site:
    """A platinum probe with its leads in the measurement."""
    loop = _line(site, line, Signal.PT100, Signal.PT1000)
    if loop.wires == 2:
        message = f"{line} has two wires already"
        raise FaultError(message)
    return site.with_loop(replace(loop, wires=2))


@fault(
    FAMILY,
    symptom="Some tenths to some kelvin too warm, though three wires are connected",
    shown_by="sensorctl read --raw: more ohm than the thermometer on the wall explains; 0.15 ohm is 0.39 K",
    fix="Clean the corroded terminal",
)
def pt100_mismatched_leads(site: Site, line: str, ohm: float = 0.8) -> Site:
    """One current lead has more resistance than the other."""
    return site.with_loop(replace(_line(site, line, Signal.PT100, Signal.PT1000), mismatch_ohm=ohm))


@fault(
    FAMILY,
    symptom="Under range, whatever the temperature",
    shown_by="sensorctl read --raw: next to no ohm",
    fix="Find the short, or replace the probe",
)
def probe_short(site: Site, line: str) -> Site:
    """The leads of a resistive probe touch."""
    return site.with_loop(replace(_line(site, line, *RESISTIVE), shorted=True))


@fault(
    FAMILY,
    symptom="The reading falls when the process heats",
    shown_by="heat the probe by hand and read; sensorctl read --raw: negative mV",
    fix="Swap the conductors at the input: green +, white - (IEC 60584-3)",
)
def tc_reversed_polarity(site: Site, line: str) -> Site:
    """A thermocouple is crossed at the input."""
    loop = _line(site, line, Signal.THERMOCOUPLE_K)
    return site.with_loop(replace(loop, polarity_reversed=not loop.polarity_reversed))


@fault(
    FAMILY,
    symptom="Right direction, wrong value; worse the warmer the connection head",
    shown_by="colours joint by joint: both are crossed",
    fix="Swap both joints",
)
def tc_double_reversal(site: Site, line: str) -> Site:
    """Crossed in the head and again at the input."""
    loop = _line(site, line, Signal.THERMOCOUPLE_K)
    return site.with_loop(replace(loop, polarity_reversed=True, head_reversed=True))


@fault(
    FAMILY,
    symptom="Too cold by as much as the head is warmer than the cabinet",
    shown_by="the cable between head and cabinet is plain copper",
    fix="Run a compensating cable (KX)",
)
def tc_copper_extension(site: Site, line: str) -> Site:
    """Copper instead of compensating cable."""
    return site.with_loop(replace(_line(site, line, Signal.THERMOCOUPLE_K), extension=Extension.COPPER))


@fault(
    FAMILY,
    symptom="Warming one probe moves the graph of the other",
    shown_by="heat one probe and read both inputs",
    fix="Put the two lines onto their own inputs, or swap the settings and labels",
)
def app_swapped_sensors(site: Site, line: str, other: str) -> Site:
    """Two lines of a module have changed places."""
    one, two = _line(site, line), _line(site, other)
    if one.name == two.name:
        message = f"{line} cannot change places with itself"
        raise FaultError(message)
    changed = site.with_loop(replace(one, target=two.target, input=two.input))
    return changed.with_loop(replace(two, target=one.target, input=one.input))


FAULTS = (
    loop_polarity_reversed,
    pulse_s0_polarity,
    wire_break,
    loop_shorted_transmitter,
    loop_compliance_too_low,
    shunt_out_of_tolerance,
    moisture_in_junction_box,
    pt100_two_wire_lead_error,
    pt100_mismatched_leads,
    probe_short,
    tc_reversed_polarity,
    tc_double_reversal,
    tc_copper_extension,
    app_swapped_sensors,
)

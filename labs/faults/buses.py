"""Serial buses: wires, resistors, settings of a line, and registers that are not where somebody thinks."""

from __future__ import annotations

from dataclasses import replace

from labs.faults.edit import read_file, set_key
from labs.faults.fault import FaultError, device_of, fault
from labs.model.bus import Bus, Drop
from labs.model.site import Site
from labs.things.modbus.config import GATEWAY, SLAVE, Poll, parse_gateway_config, parse_slave_config
from labs.things.modbus.values import WordOrder

__all__ = ["FAULTS"]

FAMILY = "buses"
A_SLAVE = "a Modbus slave"
A_GATEWAY = "a gateway"


def _bus(site: Site, name: str) -> Bus:
    for bus in site.buses:
        if bus.name == name:
            return bus
    message = f'there is no bus "{name}"; buses: {", ".join(bus.name for bus in site.buses) or "none"}'
    raise FaultError(message)


def _drop(site: Site, device: str) -> tuple[Bus, Drop]:
    device_of(site, device)
    bus = site.bus_of(device)
    if bus is None:
        message = f"{device} is not on a bus"
        raise FaultError(message)
    return bus, bus.drop(device)


def _change(site: Site, device: str, **values: object) -> Site:
    """Change the drop of a device. Raises FaultError where nothing changes."""
    bus, drop = _drop(site, device)
    changed = replace(drop, **values)  # type: ignore[arg-type]
    if changed == drop:
        message = f"{device} is already like that on {bus.name}"
        raise FaultError(message)
    return site.with_bus(bus.with_drop(changed))


@fault(
    FAMILY,
    symptom="A long or fast bus: every unit answers now and then, the more bytes the less often",
    shown_by="gatewayctl stats: CRC errors and timeouts on every unit; meter ohm: 120 Ω instead of 60 Ω",
    fix="120 Ω at both physical ends, and nowhere else",
)
def terminator_missing(site: Site, bus: str, at: str = "") -> Site:
    """The resistor at an end of a bus is not there: the last one that has one, or the device named."""
    found = _bus(site, bus)
    fitted = [drop.device for drop in found.drops if drop.terminated]
    if not fitted:
        message = f"{bus} has no resistors at all"
        raise FaultError(message)
    return _change(site, at or fitted[-1], terminated=False)


@fault(
    FAMILY,
    symptom="The idle bus is not held apart any more: characters are spoilt at random",
    shown_by="meter ohm: 40 Ω; meter volt: under 0.2 V",
    fix="Take the resistors out that are not at an end",
)
def terminator_extra(site: Site, on: str) -> Site:
    """A resistor too many, at a device in the middle."""
    bus, drop = _drop(site, on)
    if drop in (bus.drops[0], bus.drops[-1]):
        message = f"{on} is at an end of {bus.name}: a resistor belongs there"
        raise FaultError(message)
    return _change(site, on, terminated=True)


@fault(
    FAMILY,
    symptom="Characters out of nowhere, CRC errors on every unit",
    shown_by="meter volt: about 0 V while the bus is idle",
    fix="Switch one bias network on",
)
def bias_missing(site: Site, bus: str) -> Site:
    """Nothing holds the idle bus apart."""
    found = _bus(site, bus)
    biased = [drop for drop in found.drops if drop.biased]
    if not biased:
        message = f"{bus} has no bias already"
        raise FaultError(message)
    for drop in biased:
        site = _change(site, drop.device, biased=False)
    return site


@fault(
    FAMILY,
    symptom="One unit never answers; all others do",
    shown_by="gatewayctl stats: timeouts on one unit; meter volt: negative at it; look: the wires are exchanged",
    fix="Exchange the two wires at that unit",
)
def a_b_swapped(site: Site, on: str) -> Site:
    """The two wires sit in each other's terminals."""
    return _change(site, on, swapped=not _drop(site, on)[1].swapped)


@fault(
    FAMILY,
    symptom="Errors at high speed that vanish at low speed",
    shown_by="look: metres of stub; gatewayctl stats: CRC errors on every unit",
    fix="Bring the cable to the device, or go slower",
)
def stub_too_long(site: Site, on: str, metres: int = 30) -> Site:
    """A branch to one device instead of the cable itself."""
    return _change(site, on, stub_m=float(metres))


@fault(
    FAMILY,
    symptom="Everything beyond one point is silent",
    shown_by="gatewayctl stats: timeouts from one drop on; meter ohm: 120 Ω on both sides",
    fix="Find the break by halving, and repair the wire",
)
def bus_wire_broken(site: Site, bus: str, after: str) -> Site:
    """A wire is broken between a device and the next one."""
    found = _bus(site, bus)
    places = [drop.device for drop in found.drops]
    if after not in places[:-1]:
        message = f"{after} has no cable behind it on {bus}"
        raise FaultError(message)
    index = places.index(after)
    middle = (found.drops[index].at_m + found.drops[index + 1].at_m) / 2
    return site.with_bus(replace(found, broken_at_m=middle))


@fault(
    FAMILY,
    symptom="Two units answer at once: CRC errors on that address alone, and one address is silent",
    shown_by="gatewayctl stats; unplug one of the two and it works",
    fix="Give each unit an address of its own",
)
def duplicate_bus_address(site: Site, on: str, of: str) -> Site:
    """A unit has the address of another one."""
    other = parse_slave_config(read_file(site, of, SLAVE, A_SLAVE))
    return set_key(site, on, SLAVE, A_SLAVE, "serial.unit", other.unit)


@fault(
    FAMILY,
    symptom="One unit is silent",
    shown_by="gatewayctl stats: timeouts; mbpoll at another address gets an answer",
    fix="Set the address of the list",
)
def wrong_unit_id(site: Site, on: str, unit: int) -> Site:
    """A unit has an address that nobody asks for."""
    if not 1 <= unit <= 247:
        message = f"{unit} is no address of a unit; they are 1 to 247"
        raise FaultError(message)
    return set_key(site, on, SLAVE, A_SLAVE, "serial.unit", unit)


@fault(
    FAMILY,
    symptom="One unit is silent",
    shown_by="look: its switches say another speed; mbpoll -b at that speed gets an answer",
    fix="One speed on the whole bus",
)
def speed_mismatch(site: Site, on: str, speed: int) -> Site:
    """A unit at another speed than the bus."""
    return _valid(set_key(site, on, SLAVE, A_SLAVE, "serial.speed", speed), on)


@fault(
    FAMILY,
    symptom="One unit is silent or gives CRC errors",
    shown_by="look: its switches say another parity; mbpoll -P with that parity gets an answer",
    fix="One parity on the whole bus",
)
def parity_mismatch(site: Site, on: str, parity: str = "even") -> Site:
    """A unit with another parity than the bus."""
    return _valid(set_key(site, on, SLAVE, A_SLAVE, "serial.parity", parity), on)


def _valid(site: Site, on: str) -> Site:
    try:
        parse_slave_config(site.devices[on].files[SLAVE])
    except ValueError as error:
        raise FaultError(str(error)) from None
    return site


@fault(
    FAMILY,
    symptom="A unit times out now and then, and its late answer meets the next question",
    shown_by="gatewayctl stats: timeouts on a unit that answers a patient mbpoll -o 3",
    fix="A longer timeout in the gateway, or a shorter delay in the unit",
)
def poll_too_fast(site: Site, on: str, timeout: int = 15, unit: str = "") -> Site:
    """The gateway waits less long than a unit takes; `unit` names the slow one, all are as fast as before otherwise."""
    site = set_key(site, on, GATEWAY, A_GATEWAY, "serial.timeout_ms", timeout)
    return set_key(site, unit, SLAVE, A_SLAVE, "serial.delay_ms", 2 * timeout) if unit else site


# What the gateway believes about registers


def _poll(site: Site, on: str, name: str) -> Poll:
    polls = parse_gateway_config(read_file(site, on, GATEWAY, A_GATEWAY)).polls
    for poll in polls:
        if poll.name == name:
            return poll
    message = f'{on} has no poll "{name}"; polls: {", ".join(poll.name for poll in polls)}'
    raise FaultError(message)


def _set_poll(site: Site, on: str, poll: str, key: str, value: str | float) -> Site:
    _poll(site, on, poll)
    return set_key(site, on, GATEWAY, A_GATEWAY, f"poll.{poll}.{key}", value)


@fault(
    FAMILY,
    symptom="The value of the neighbouring register, or exception 02",
    shown_by="gatewayctl stats: Illegal data address; mbpoll one register lower",
    fix="Registers of the manual count from 1, addresses on the wire from 0",
)
def register_off_by_one(site: Site, on: str, poll: str) -> Site:
    """The gateway asks for the next register."""
    return _set_poll(site, on, poll, "address", _poll(site, on, poll).place.address + 1)


@fault(
    FAMILY,
    symptom="A number that cannot be: 230.5 reads as -2.4e-41",
    shown_by="mbpoll -t 3:float with and without -B",
    fix="Set the order of the words of the manual",
)
def word_order_wrong(site: Site, on: str, poll: str) -> Site:
    """The gateway exchanges the two words of a number."""
    place = _poll(site, on, poll).place
    if place.count == 1:
        message = f"{poll} is one register: it has no order of words"
        raise FaultError(message)
    other = WordOrder.LITTLE if place.order is WordOrder.BIG else WordOrder.BIG
    return _set_poll(site, on, poll, "word_order", other.value)


@fault(
    FAMILY,
    symptom="Right above zero, absurd below: -5.5 °C reads as 6548.1",
    shown_by="mbpoll -t 3: 65481 (-55)",
    fix="Read the register as a signed number",
)
def unsigned_negative(site: Site, on: str, poll: str) -> Site:
    """The gateway reads a signed register as an unsigned one."""
    return _set_poll(site, on, poll, "type", "uint16")


@fault(
    FAMILY,
    symptom="The value is ten times too high or too low",
    shown_by="mbpoll -t 3: the raw register, against a thermometer",
    fix="Set the scale of the manual",
)
def register_scale(site: Site, on: str, poll: str, factor: int = 10) -> Site:
    """The gateway takes a step of the register for something else."""
    return _set_poll(site, on, poll, "scale", round(_poll(site, on, poll).place.scale * factor, 9))


@fault(
    FAMILY,
    symptom="Exception 01 or 02, or zeros",
    shown_by="mbpoll -t 3 against -t 4",
    fix="Use the table of the manual: input registers are read by function 4, holding registers by 3",
)
def wrong_function(site: Site, on: str, poll: str) -> Site:
    """The gateway reads the other table."""
    other = {"INPUT": "holding", "HOLDING": "input", "COIL": "discrete", "DISCRETE": "coil"}
    return _set_poll(site, on, poll, "table", other[_poll(site, on, poll).place.table.name])


@fault(
    FAMILY,
    symptom="Two rooms are exchanged: warm one sensor, and the other graph rises",
    shown_by="gatewayctl status beside the thermometers on the wall",
    fix="Exchange the units in the list of the gateway",
)
def units_exchanged(site: Site, on: str, a: str, b: str) -> Site:
    """Two polls of the gateway ask for each other's unit."""
    first, second = _poll(site, on, a), _poll(site, on, b)
    return _set_poll(_set_poll(site, on, a, "unit", second.unit), on, b, "unit", first.unit)


FAULTS = (
    terminator_missing,
    terminator_extra,
    bias_missing,
    a_b_swapped,
    stub_too_long,
    bus_wire_broken,
    duplicate_bus_address,
    wrong_unit_id,
    speed_mismatch,
    parity_mismatch,
    poll_too_fast,
    register_off_by_one,
    word_order_wrong,
    unsigned_negative,
    register_scale,
    wrong_function,
    units_exchanged,
)

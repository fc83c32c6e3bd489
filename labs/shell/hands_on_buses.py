"""What hands do to a serial bus: resistors at its ends, wires in terminals, switches on a device, a meter."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from labs.shell.workbench import HandsError, Workbench
from labs.things.modbus.config import SLAVE, parse_slave_config
from labs.things.rs485 import line_state
from labs.things.thing_config import ThingConfigError
from labs.things.toml_edit import set_toml_key

if TYPE_CHECKING:
    from labs.model.bus import Bus, Drop

__all__ = ["BUS_VERBS", "look_at_bus", "tell_drop"]

SWITCHES = {"address": "serial.unit", "speed": "serial.speed", "parity": "serial.parity", "stop": "serial.stop_bits"}
POWER_OFF_FIRST = "a meter in ohms wants the bus without power: switch off"


def _drop_of(bench: Workbench, device: str) -> tuple[Bus, Drop]:
    bus = bench.site.bus_of(device)
    if bus is None:
        known = [drop.device for bus in bench.site.buses for drop in bus.drops]
        message = f'hands: "{device}" is not on a bus' + (f"; on a bus are: {', '.join(known)}" if known else "")
        raise HandsError(message)
    return bus, bus.drop(device)


def _bus(bench: Workbench, name: str) -> Bus:
    for bus in bench.site.buses:
        if bus.name == name:
            return bus
    names = ", ".join(bus.name for bus in bench.site.buses)
    message = f'hands: there is no bus "{name}"' + (f"; there are: {names}" if names else "")
    raise HandsError(message)


def _end(bus: Bus, word: str) -> Drop:
    if word in ("start", "end"):
        return bus.drops[0 if word == "start" else -1]
    for drop in bus.drops:
        if drop.device == word:
            return drop
    message = f"hands: {word} is not on {bus.name}; say start, end, or one of: " + ", ".join(
        drop.device for drop in bus.drops
    )
    raise HandsError(message)


def _terminate(bench: Workbench, words: list[str]) -> str:
    if len(words) not in (2, 3) or words[2:] not in ([], ["on"], ["off"]):
        message = "hands: usage: terminate BUS start|end|DEVICE [on|off]   (120 Ω between the wires there)"
        raise HandsError(message)
    bus = _bus(bench, words[0])
    drop, on = _end(bus, words[1]), words[2:] != ["off"]
    if drop.terminated == on:
        return f"{drop.device} {'has its resistor already' if on else 'has no resistor'}.\n"
    bench.rewire(bus.with_drop(replace(drop, terminated=on)))
    return f"{'A resistor of 120 Ω sits' if on else 'No resistor is left'} between A and B at {drop.device}.\n"


def _bias(bench: Workbench, words: list[str]) -> str:
    if len(words) not in (2, 3) or words[2:] not in ([], ["on"], ["off"]):
        message = "hands: usage: bias BUS start|end|DEVICE [on|off]   (the network that holds an idle bus apart)"
        raise HandsError(message)
    bus = _bus(bench, words[0])
    drop, on = _end(bus, words[1]), words[2:] != ["off"]
    if drop.biased == on:
        return f"The bias at {drop.device} is already {'on' if on else 'off'}.\n"
    bench.rewire(bus.with_drop(replace(drop, biased=on)))
    return f"The bias at {drop.device} is {'on' if on else 'off'}.\n"


def _swap(bench: Workbench, words: list[str]) -> str:
    if len(words) != 3 or [word.lower() for word in words[1:]] not in (["a", "b"], ["b", "a"]):
        message = "hands: usage: swap DEVICE a b   (the two wires of the bus at its terminals)"
        raise HandsError(message)
    bus, drop = _drop_of(bench, words[0])
    changed = replace(drop, swapped=not drop.swapped)
    bench.rewire(bus.with_drop(changed))
    return f"{drop.device}: {_wires(changed)}.\n"


def _wires(drop: Drop) -> str:
    return "the blue wire sits on A, the white on B" if drop.swapped else "the white wire sits on A, the blue on B"


def _dip(bench: Workbench, words: list[str]) -> str:
    if len(words) != 3 or words[1] not in SWITCHES:
        message = f"hands: usage: dip DEVICE {'|'.join(SWITCHES)} VALUE   (the switches on its front)"
        raise HandsError(message)
    device, switch, text = words
    if device not in bench.site.devices:
        message = f'hands: there is no device "{device}"; there are: {", ".join(bench.site.devices)}'
        raise HandsError(message)
    node = bench.node(device)
    before = node.files.get(SLAVE)
    if not before:
        message = f"hands: {device} has no switches"
        raise HandsError(message, 1)
    try:
        value: str | int = int(text) if switch != "parity" else text
        changed = set_toml_key(before, SWITCHES[switch], value)
        parse_slave_config(changed)
    except (ThingConfigError, ValueError) as error:
        problem = str(error).replace(f'"{SWITCHES[switch]}"', switch)
        message = (
            f"hands: {device}: {problem}"
            if isinstance(error, ThingConfigError)
            else f'hands: "{text}" is not a whole number'
        )
        raise HandsError(message) from None
    if changed == before:
        return f"{device}: {switch} is already {text}.\n"
    bench.alter(device, SLAVE, changed, restart="modbus")
    return f"{device}: {_switches(changed)}.\n"


def _switches(text: str) -> str:
    config = parse_slave_config(text)
    own = config.settings
    return f"the switches say address {config.unit}, speed {own.speed_bps}, parity {own.parity}, stop {own.stop_bits}"


def _meter(bench: Workbench, words: list[str]) -> str:
    if len(words) != 2 or words[1] not in ("ohm", "volt"):
        message = "hands: usage: meter DEVICE ohm|volt   (between its terminals A and B)"
        raise HandsError(message)
    bus, drop = _drop_of(bench, words[0])
    piece = next(piece for piece in bus.pieces() if drop in piece)
    live = [other.device for other in piece if other.biased and bench.site.devices[other.device].powered]
    if words[1] == "ohm":
        if live:
            message = f"hands: {POWER_OFF_FIRST} {', '.join(live)}"
            raise HandsError(message, 1)
        ohm = line_state(piece).resistance_ohm
        shown = f"{ohm:.1f} Ω" if ohm < 600 else f"{ohm / 1000:.3f} kΩ"
        return f"{drop.device}, A to B: {shown}\n"
    held = tuple(other if bench.site.devices[other.device].powered else replace(other, biased=False) for other in piece)
    idle = line_state(held).idle_v
    return f"{drop.device}, A to B, idle: {-idle if drop.swapped else idle:+.3f} V\n"


def tell_drop(bench: Workbench, name: str) -> list[str]:
    """What a look at a device shows of its bus."""
    bus = bench.site.bus_of(name)
    if bus is None:
        return []
    drop = bus.drop(name)
    lines = [f"  bus {bus.name} at {drop.at_m:g} m, {drop.stub_m:g} m of stub: {_wires(drop)}"]
    if drop.terminated:
        lines.append("  a resistor between A and B (brown red brown)")
    if drop.biased:
        lines.append("  the switch BIAS is on")
    text = bench.node(name).files.get(SLAVE)
    try:
        lines += [f"  {_switches(text)}"] if text else []
    except ThingConfigError:
        lines.append("  its lamp ERR is on")
    return lines


def look_at_bus(bench: Workbench, name: str) -> str | None:
    """The drops of a bus in the order of the cable; None where there is no such bus."""
    bus = next((bus for bus in bench.site.buses if bus.name == name), None)
    if bus is None:
        return None
    lines = [f"bus {bus.name}: {bus.length_m:g} m of cable, {len(bus.drops)} drops"]
    for drop in bus.drops:
        room = bench.site.devices[drop.device].room or "elsewhere"
        lines.append(f"  {drop.at_m:>6g} m  {drop.device:<12} in {room}")
    return "\n".join(lines) + "\n"


BUS_VERBS: dict[str, tuple[Callable[[Workbench, list[str]], str], str]] = {
    "terminate": (
        _terminate,
        "terminate BUS start|end|DEVICE put 120 Ω between the wires of a bus; off: take it out",
    ),
    "bias": (_bias, "bias BUS start|end|DEVICE        switch the bias network there on; off: switch it off"),
    "swap": (_swap, "swap DEVICE a b                  exchange the wires of a bus at its terminals"),
    "dip": (_dip, "dip DEVICE address|speed|… VALUE set the switches on its front"),
    "meter": (_meter, "meter DEVICE ohm|volt            measure between its terminals A and B"),
}

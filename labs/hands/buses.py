"""What hands do to a serial bus: resistors at its ends, wires in terminals, switches on a device, a meter."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from labs.hands.workbench import HandsError, Told, Verb, Workbench, no_device
from labs.messages import Message, message
from labs.things.modbus.config import SLAVE, parse_slave_config
from labs.things.rs485 import line_state
from labs.things.thing_config import ThingConfigError
from labs.things.toml_edit import set_toml_key

if TYPE_CHECKING:
    from labs.model.bus import Bus, Drop

__all__ = ["BUS_VERBS", "look_at_bus", "tell_drop"]

SWITCHES = {"address": "serial.unit", "speed": "serial.speed", "parity": "serial.parity", "stop": "serial.stop_bits"}


def _drop_of(bench: Workbench, device: str) -> tuple[Bus, Drop]:
    bus = bench.site.bus_of(device)
    if bus is None:
        known = [drop.device for bus in bench.site.buses for drop in bus.drops]
        raise HandsError(
            message('"{device}" is not on a bus; on a bus are: {known}', device=device, known=", ".join(known))
            if known
            else message('"{device}" is not on a bus', device=device)
        )
    return bus, bus.drop(device)


def _bus(bench: Workbench, name: str) -> Bus:
    for bus in bench.site.buses:
        if bus.name == name:
            return bus
    known = ", ".join(bus.name for bus in bench.site.buses)
    raise HandsError(
        message('there is no bus "{name}"; there are: {known}', name=name, known=known)
        if known
        else message('there is no bus "{name}"', name=name)
    )


def _end(bus: Bus, word: str) -> Drop:
    if word in ("start", "end"):
        return bus.drops[0 if word == "start" else -1]
    for drop in bus.drops:
        if drop.device == word:
            return drop
    known = ", ".join(drop.device for drop in bus.drops)
    raise HandsError(
        message("{word} is not on {bus}; say start, end, or one of: {known}", word=word, bus=bus.name, known=known)
    )


def _terminate(bench: Workbench, words: list[str]) -> Told:
    if len(words) not in (2, 3) or words[2:] not in ([], ["on"], ["off"]):
        raise HandsError(message("usage: terminate BUS start|end|DEVICE [on|off]   (120 Ω between the wires there)"))
    bus = _bus(bench, words[0])
    drop, on = _end(bus, words[1]), words[2:] != ["off"]
    if drop.terminated == on:
        if on:
            return [message("{device} has its resistor already.", device=drop.device)]
        return [message("{device} has no resistor.", device=drop.device)]
    bench.rewire(bus.with_drop(replace(drop, terminated=on)))
    if on:
        return [message("A resistor of 120 Ω sits between A and B at {device}.", device=drop.device)]
    return [message("No resistor is left between A and B at {device}.", device=drop.device)]


def _bias(bench: Workbench, words: list[str]) -> Told:
    if len(words) not in (2, 3) or words[2:] not in ([], ["on"], ["off"]):
        raise HandsError(
            message("usage: bias BUS start|end|DEVICE [on|off]   (the network that holds an idle bus apart)")
        )
    bus = _bus(bench, words[0])
    drop, on = _end(bus, words[1]), words[2:] != ["off"]
    if drop.biased == on:
        if on:
            return [message("The bias at {device} is already on.", device=drop.device)]
        return [message("The bias at {device} is already off.", device=drop.device)]
    bench.rewire(bus.with_drop(replace(drop, biased=on)))
    if on:
        return [message("The bias at {device} is on.", device=drop.device)]
    return [message("The bias at {device} is off.", device=drop.device)]


def _swap(bench: Workbench, words: list[str]) -> Told:
    if len(words) != 3 or [word.lower() for word in words[1:]] not in (["a", "b"], ["b", "a"]):
        raise HandsError(message("usage: swap DEVICE a b   (the two wires of the bus at its terminals)"))
    bus, drop = _drop_of(bench, words[0])
    changed = replace(drop, swapped=not drop.swapped)
    bench.rewire(bus.with_drop(changed))
    return [Message("{device}: {wires}.", {"device": drop.device, "wires": _wires(changed)})]


def _wires(drop: Drop) -> Message:
    if drop.swapped:
        return message("the blue wire sits on A, the white on B")
    return message("the white wire sits on A, the blue on B")


def _dip(bench: Workbench, words: list[str]) -> Told:
    if len(words) != 3 or words[1] not in SWITCHES:
        raise HandsError(
            message("usage: dip DEVICE {switches} VALUE   (the switches on its front)", switches="|".join(SWITCHES))
        )
    device, switch, text = words
    if device not in bench.site.devices:
        raise no_device(device, bench)
    before = bench.node(device).files.get(SLAVE)
    if not before:
        raise HandsError(message("{device} has no switches", device=device), 1)
    try:
        value: str | int = int(text) if switch != "parity" else text
        changed = set_toml_key(before, SWITCHES[switch], value)
        parse_slave_config(changed)
    except ThingConfigError as error:
        problem = str(error).replace(f'"{SWITCHES[switch]}"', switch)
        raise HandsError(Message("{device}: {problem}", {"device": device, "problem": problem})) from None
    except ValueError:
        raise HandsError(message('"{text}" is not a whole number', text=text)) from None
    if changed == before:
        return [message("{device}: {switch} is already {value}.", device=device, switch=switch, value=text)]
    bench.alter(device, SLAVE, changed, restart="modbus")
    return [Message("{device}: {switches}.", {"device": device, "switches": _switches(changed)})]


def _switches(text: str) -> Message:
    config = parse_slave_config(text)
    own = config.settings
    return message(
        "the switches say address {address}, speed {speed}, parity {parity}, stop {stop}",
        address=config.unit,
        speed=own.speed_bps,
        parity=own.parity,
        stop=own.stop_bits,
    )


def _meter(bench: Workbench, words: list[str]) -> Told:
    if len(words) != 2 or words[1] not in ("ohm", "volt"):
        raise HandsError(message("usage: meter DEVICE ohm|volt   (between its terminals A and B)"))
    bus, drop = _drop_of(bench, words[0])
    piece = next(piece for piece in bus.pieces() if drop in piece)
    live = [other.device for other in piece if other.biased and bench.site.devices[other.device].powered]
    if words[1] == "ohm":
        if live:
            wanted = message(
                "a meter in ohms wants the bus without power: switch off {devices}", devices=", ".join(live)
            )
            raise HandsError(wanted, 1)
        ohm = line_state(piece).resistance_ohm
        shown = f"{ohm:.1f} Ω" if ohm < 600 else f"{ohm / 1000:.3f} kΩ"
        return [message("{device}, A to B: {shown}", device=drop.device, shown=shown)]
    held = tuple(other if bench.site.devices[other.device].powered else replace(other, biased=False) for other in piece)
    idle = line_state(held).idle_v
    volt = f"{-idle if drop.swapped else idle:+.3f}"
    return [message("{device}, A to B, idle: {volt} V", device=drop.device, volt=volt)]


def tell_drop(bench: Workbench, name: str) -> Told:
    """What a look at a device shows of its bus."""
    bus = bench.site.bus_of(name)
    if bus is None:
        return []
    drop = bus.drop(name)
    lines = [
        message(
            "  bus {bus} at {at} m, {stub} m of stub: {wires}",
            bus=bus.name,
            at=f"{drop.at_m:g}",
            stub=f"{drop.stub_m:g}",
            wires=_wires(drop),
        )
    ]
    if drop.terminated:
        lines.append(message("  a resistor between A and B (brown red brown)"))
    if drop.biased:
        lines.append(message("  the switch BIAS is on"))
    text = bench.node(name).files.get(SLAVE)
    try:
        lines += [Message("  {switches}", {"switches": _switches(text)})] if text else []
    except ThingConfigError:
        lines.append(message("  its lamp ERR is on"))
    return lines


def look_at_bus(bench: Workbench, name: str) -> Told | None:
    """The drops of a bus in the order of the cable; None where there is no such bus."""
    bus = next((bus for bus in bench.site.buses if bus.name == name), None)
    if bus is None:
        return None
    length = f"{bus.length_m:g}"
    lines = [
        message("bus {bus}: {length} m of cable, {count} drops", bus=bus.name, length=length, count=len(bus.drops))
    ]
    for drop in bus.drops:
        at, room = f"{drop.at_m:>6g}", bench.site.devices[drop.device].room
        lines.append(
            message("  {at} m  {device:<12} in {room}", at=at, device=drop.device, room=room)
            if room
            else message("  {at} m  {device:<12} elsewhere", at=at, device=drop.device)
        )
    return lines


BUS_VERBS: dict[str, Verb] = {
    "terminate": (
        _terminate,
        message("terminate BUS start|end|DEVICE   put 120 Ω between the wires of a bus; off: take it out"),
    ),
    "bias": (_bias, message("bias BUS start|end|DEVICE        switch the bias network there on; off: switch it off")),
    "swap": (_swap, message("swap DEVICE a b                  exchange the wires of a bus at its terminals")),
    "dip": (_dip, message("dip DEVICE address|speed|… VALUE   set the switches on its front")),
    "meter": (_meter, message("meter DEVICE ohm|volt            measure between its terminals A and B")),
}

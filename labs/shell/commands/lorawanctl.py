"""lorawanctl: the tool of LoRaWAN sensors and network servers."""

from __future__ import annotations

from labs.net.process import Process, Program, Routine
from labs.shell.daemons import lorawan_device, lorawan_server
from labs.shell.thing_tool import Tool, ToolFailure, ago, run_tool, state_of
from labs.things.lorawan.airtime import airtime_ns, off_time_ns
from labs.things.lorawan.config import DEVICE, SERVER, parse_device, parse_server
from labs.things.thing_config import ThingConfigError

__all__ = ["COMMANDS"]

NAME = "lorawanctl"
SECOND = 1_000_000_000
FRAME_BYTES = 17  # header 13, temperature 4
SENSOR = Tool(NAME, "lorawan", DEVICE, parse_device)
NETWORK = Tool(NAME, "lorawan-server", SERVER, parse_server)
USAGE = """usage: lorawanctl status              a sensor: session and radio; a server: its gateways and devices
       lorawanctl config              show the configuration file
       lorawanctl get KEY             show one value, such as lorawan.sf
       lorawanctl set KEY VALUE       change one value and restart
       lorawanctl log [LINES]         the last lines of its journal
       lorawanctl help                this text"""


def _sensor_status(process: Process, _operands: list[str]) -> Routine:
    yield from ()
    try:
        config = parse_device(process.node.files.read(DEVICE))
    except ThingConfigError as error:
        raise ToolFailure(f"{DEVICE}: {error}") from None
    state = state_of(process, SENSOR.unit, lorawan_device.STATUS)
    took = airtime_ns(FRAME_BYTES, config.sf)
    every = (took + off_time_ns(took)) / SECOND
    rows = [
        ("DevEUI", config.dev_eui.hex()),
        ("Session", f"{state.get('state', 'joining')}, {state.get('joins', 0)} join requests"),
        ("Address", str(state.get("dev_addr", "none"))),
        ("Radio", f"{config.region} SF{config.sf}, {took / 1e6:.1f} ms on the air, at best every {every:.0f} s"),
        ("Interval", f"{config.interval_s} s"),
        ("Confirmed", f"yes, {state.get('tries', 0)} tries for the last message" if config.confirmed else "no"),
        ("Sent", f"{ago(process, state.get('sent_ns'))}, {state.get('sent', 0)} in all"),
        ("Skipped", f"{state.get('skipped', 0)} (duty cycle)"),
    ]
    process.print(*(f"{name:<11}{value}" for name, value in rows))
    return 0


def _server_status(process: Process, _operands: list[str]) -> Routine:
    yield from ()
    state = state_of(process, NETWORK.unit, lorawan_server.STATUS)
    try:
        config = parse_server(process.node.files.read(SERVER))
    except ThingConfigError as error:
        raise ToolFailure(f"{SERVER}: {error}") from None
    detail = f": {state['detail']}" if state.get("detail") else ""
    process.print(f"Broker   {config.mqtt.host}:{config.mqtt.port} {state.get('state', 'connecting')}{detail}")
    for name, seen in state.get("gateways", {}).items():
        process.print(f"Gateway  {name}, heard {ago(process, seen.get('seen_ns'))}, {seen['frames']} frames")
    process.print(
        "",
        f"{'device':<14} {'DevEUI':<16}  {'heard':<12} {'SF':>3} {'RSSI':>5} {'margin':>7} {'FCnt':>6}  last problem",
    )
    for device in config.devices:
        seen = state.get("devices", {}).get(device.name, {})
        figures = (
            f"{seen['sf']:>3} {seen['rssi']:>5.0f} {seen['margin']:>7.1f} {seen.get('counter', '-'):>6}"
            if seen
            else f"{'-':>3} {'-':>5} {'-':>7} {'-':>6}"
        )
        process.print(
            f"{device.name:<14} {device.dev_eui.hex():<16}  {ago(process, seen.get('seen_ns')):<12} {figures}  "
            f"{seen.get('refused') or '-'}"
        )
    return 0


def lorawanctl(process: Process) -> Routine:
    """One verb and its operands."""
    files = process.node.files
    if files.is_file(SERVER):
        return (yield from run_tool(process, NAME, {**NETWORK.verbs(), "status": (_server_status, 0, 0)}, USAGE))
    if files.is_file(DEVICE):
        return (yield from run_tool(process, NAME, {**SENSOR.verbs(), "status": (_sensor_status, 0, 0)}, USAGE))
    process.error(f"{NAME}: this device is neither a LoRaWAN sensor nor a network server")
    return 1


COMMANDS: dict[str, Program] = {"lorawanctl": lorawanctl}

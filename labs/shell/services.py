"""Every service a device could run, by unit name."""

from __future__ import annotations

from collections.abc import Mapping

from labs.net.linux.units import Unit
from labs.net.process import Process, Routine
from labs.shell.bash import run_script
from labs.shell.commands.ifupdown import NETWORKING
from labs.shell.daemons.actuator import actuator
from labs.shell.daemons.chrony import CHRONY
from labs.shell.daemons.dashboard import dashboard
from labs.shell.daemons.display import display
from labs.shell.daemons.dnsmasq import DNSMASQ
from labs.shell.daemons.fake_hwclock import FAKE_HWCLOCK
from labs.shell.daemons.gateway import GATEWAY_UNIT
from labs.shell.daemons.heartbeat import HEARTBEAT
from labs.shell.daemons.inetd import INETD
from labs.shell.daemons.modbus import MODBUS
from labs.shell.daemons.mosquitto import mosquitto
from labs.shell.daemons.nginx import NGINX
from labs.shell.daemons.rsyslog import RSYSLOG
from labs.shell.daemons.rules import rules
from labs.shell.daemons.sensor import sensor
from labs.shell.daemons.sshd import SSH

__all__ = ["UNITS"]


def _load_ruleset(process: Process) -> Routine:
    return (yield from run_script(process, "nft -f /etc/nftables.conf"))


def _flush_ruleset(process: Process) -> Routine:
    return (yield from run_script(process, "nft flush ruleset"))


NFTABLES = Unit(
    "nftables",
    "nftables",
    _load_ruleset,
    "/usr/sbin/nft -f /etc/nftables.conf",
    config="/etc/nftables.conf",
    oneshot=True,
    stop=_flush_ruleset,
    reload=_load_ruleset,
)
MOSQUITTO = Unit(
    "mosquitto",
    "Mosquitto MQTT Broker",
    mosquitto,
    "/usr/sbin/mosquitto -c /etc/mosquitto/mosquitto.conf",
    config="/etc/mosquitto/mosquitto.conf",
    hangup_reloads=True,
)
SENSOR = Unit("sensor", "Sensor that publishes over MQTT", sensor, "/usr/sbin/sensord", config="/etc/sensor.toml")
DISPLAY = Unit("display", "Screen that shows messages", display, "/usr/sbin/displayd", config="/etc/display.toml")
ACTUATOR = Unit(
    "actuator", "Actuator commanded over MQTT", actuator, "/usr/sbin/actuatord", config="/etc/actuator.toml"
)
RULES = Unit("rules", "Rules from readings to commands", rules, "/usr/sbin/rulesd", config="/etc/rules.toml")
DASHBOARD = Unit("dashboard", "Dashboard of readings", dashboard, "/usr/sbin/dashboardd", config="/etc/dashboard.toml")
UNITS: Mapping[str, Unit] = {
    unit.name: unit
    for unit in (
        FAKE_HWCLOCK,
        NETWORKING,
        NFTABLES,
        DNSMASQ,
        INETD,
        HEARTBEAT,
        CHRONY,
        NGINX,
        RSYSLOG,
        SSH,
        MOSQUITTO,
        SENSOR,
        DISPLAY,
        MODBUS,
        GATEWAY_UNIT,
        ACTUATOR,
        RULES,
        DASHBOARD,
    )
}

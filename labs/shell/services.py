"""Every service a device could run, by unit name."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module

from labs.net.linux.units import Unit
from labs.net.process import Process, Program, Routine

__all__ = ["UNITS"]


def _late(module: str, function: str) -> Program:
    """A program of `labs.shell`, imported when it first runs: nobody waits for the daemons that no device starts."""

    def program(process: Process) -> Routine | int:
        found: Program = getattr(import_module(f"labs.shell.{module}"), function)
        return found(process)

    return program


def _load_ruleset(process: Process) -> Routine:
    from labs.shell.bash import run_script  # the engine on a real kernel knows the units, and has a shell of its own

    return (yield from run_script(process, "nft -f /etc/nftables.conf"))


def _flush_ruleset(process: Process) -> Routine:
    from labs.shell.bash import run_script

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
NETWORKING = Unit(
    "networking",
    "Raise network interfaces",
    _late("commands.ifupdown", "start_networking"),
    "/sbin/ifup -a --read-environment",
    config="/etc/network/interfaces",
    oneshot=True,
    stop=_late("commands.ifupdown", "stop_networking"),
)
FAKE_HWCLOCK = Unit(
    "fake-hwclock",
    "Restore / save the current clock",
    _late("daemons.fake_hwclock", "load"),
    "/sbin/fake-hwclock load",
    config="/etc/fake-hwclock.data",
    oneshot=True,
    stop=_late("daemons.fake_hwclock", "save"),
)
DNSMASQ = Unit(
    "dnsmasq",
    "dnsmasq - A lightweight DHCP and caching DNS server",
    _late("daemons.dnsmasq", "dnsmasq"),
    "/usr/sbin/dnsmasq",
    config="/etc/dnsmasq.conf",
)
INETD = Unit(
    "inetd", "Internet superserver", _late("daemons.inetd", "inetd"), "/usr/sbin/inetd", config="/etc/inetd.conf"
)
HEARTBEAT = Unit(
    "heartbeat",
    "Heartbeat",
    _late("daemons.heartbeat", "heartbeat"),
    "/usr/sbin/heartbeat",
    config="/etc/heartbeat.conf",
)
CHRONY = Unit(
    "chrony",
    "chrony, an NTP client/server",
    _late("daemons.chrony", "chronyd"),
    "/usr/sbin/chronyd -F 1",
    config="/etc/chrony/chrony.conf",
)
NGINX = Unit(
    "nginx",
    "A high performance web server and a reverse proxy server",
    _late("daemons.nginx", "serve"),
    "/usr/sbin/nginx -g 'daemon on; master_process on;'",
    config="/etc/nginx/nginx.conf",
    reload=_late("daemons.nginx", "reload"),
)
RADVD = Unit(
    "radvd",
    "Router advertisement daemon for IPv6",
    _late("daemons.radvd", "radvd"),
    "/usr/sbin/radvd --logmethod stderr_clean",
    config="/etc/radvd.conf",
)
RSYSLOG = Unit(
    "rsyslog",
    "System Logging Service",
    _late("daemons.rsyslog", "rsyslogd"),
    "/usr/sbin/rsyslogd -n -iNONE",
    config="/etc/rsyslog.conf",
)
SSH = Unit(
    "ssh",
    "OpenBSD Secure Shell server",
    _late("daemons.sshd", "sshd"),
    "/usr/sbin/sshd -D",
    config="/etc/ssh/sshd_config",
)
MOSQUITTO = Unit(
    "mosquitto",
    "Mosquitto MQTT Broker",
    _late("daemons.mosquitto", "mosquitto"),
    "/usr/sbin/mosquitto -c /etc/mosquitto/mosquitto.conf",
    config="/etc/mosquitto/mosquitto.conf",
    hangup_reloads=True,
)
SENSOR = Unit(
    "sensor",
    "Sensor that publishes over MQTT",
    _late("daemons.sensor", "sensor"),
    "/usr/sbin/sensord",
    config="/etc/sensor.toml",
)
DISPLAY = Unit(
    "display",
    "Screen that shows messages",
    _late("daemons.display", "display"),
    "/usr/sbin/displayd",
    config="/etc/display.toml",
)
MODBUS = Unit(
    "modbus", "Modbus slave", _late("daemons.modbus", "modbus"), "/usr/sbin/modbusd", config="/etc/modbus.toml"
)
GATEWAY = Unit(
    "gateway",
    "Gateway from Modbus to MQTT",
    _late("daemons.gateway", "gateway"),
    "/usr/sbin/gatewayd",
    config="/etc/gateway.toml",
)
LORAWAN = Unit(
    "lorawan",
    "LoRaWAN sensor",
    _late("daemons.lorawan_device", "lorawan"),
    "/usr/sbin/lorawand",
    config="/etc/lorawan.toml",
)
LORA_PKT_FWD = Unit(
    "lora-pkt-fwd",
    "LoRa packet forwarder",
    _late("daemons.lora_forwarder", "lora_pkt_fwd"),
    "/usr/sbin/lora_pkt_fwd",
    config="/etc/lora_pkt_fwd/global_conf.json",
)
LORAWAN_SERVER = Unit(
    "lorawan-server",
    "LoRaWAN network server",
    _late("daemons.lorawan_server", "lorawan_server"),
    "/usr/sbin/lorawan-server",
    config="/etc/lorawan-server.toml",
)
HOSTAPD = Unit(
    "hostapd",
    "Access point and authentication server for Wi-Fi and Ethernet",
    _late("daemons.hostapd", "hostapd"),
    "/usr/sbin/hostapd -B -P /run/hostapd.pid /etc/hostapd/hostapd.conf",
    config="/etc/hostapd/hostapd.conf",
)
WPA_SUPPLICANT = Unit(
    "wpa_supplicant",
    "WPA supplicant",
    _late("daemons.wpa_supplicant", "wpa_supplicant"),
    "/sbin/wpa_supplicant -u -s -O /run/wpa_supplicant -i wlan0 -c /etc/wpa_supplicant/wpa_supplicant.conf",
    config="/etc/wpa_supplicant/wpa_supplicant.conf",
    hangup_reloads=True,
)
ZIGBEE = Unit(
    "zigbee", "Zigbee sensor", _late("daemons.zigbee_device", "zigbee"), "/usr/sbin/zigbeed", config="/etc/zigbee.toml"
)
ZIGBEE2MQTT = Unit(
    "zigbee2mqtt",
    "zigbee2mqtt",
    _late("daemons.zigbee2mqtt", "zigbee2mqtt"),
    "/usr/bin/npm start",
    config="/etc/zigbee2mqtt/configuration.yaml",
)
PUSH = Unit("push", "Readings over HTTP", _late("daemons.push", "push"), "/usr/sbin/pushd", config="/etc/push.toml")
COLLECTOR = Unit(
    "collector",
    "Collector of readings over HTTP",
    _late("daemons.push", "collector"),
    "/usr/sbin/collectord",
    config="/etc/collector.toml",
)
COAP = Unit("coap", "CoAP server", _late("daemons.coap", "coap"), "/usr/sbin/coapd", config="/etc/coap.toml")
ACTUATOR = Unit(
    "actuator",
    "Actuator commanded over MQTT",
    _late("daemons.actuator", "actuator"),
    "/usr/sbin/actuatord",
    config="/etc/actuator.toml",
)
RULES = Unit(
    "rules",
    "Rules from readings to commands",
    _late("daemons.rules", "rules"),
    "/usr/sbin/rulesd",
    config="/etc/rules.toml",
)
DASHBOARD = Unit(
    "dashboard",
    "Dashboard of readings",
    _late("daemons.dashboard", "dashboard"),
    "/usr/sbin/dashboardd",
    config="/etc/dashboard.toml",
)
INPUTS = Unit(
    "inputs",
    "Analogue inputs that publish over MQTT",
    _late("daemons.inputs", "inputs"),
    "/usr/sbin/inputsd",
    config="/etc/inputs.toml",
)
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
        RADVD,
        RSYSLOG,
        SSH,
        MOSQUITTO,
        SENSOR,
        DISPLAY,
        MODBUS,
        GATEWAY,
        LORAWAN,
        LORA_PKT_FWD,
        LORAWAN_SERVER,
        HOSTAPD,
        WPA_SUPPLICANT,
        COAP,
        ZIGBEE,
        ZIGBEE2MQTT,
        PUSH,
        COLLECTOR,
        ACTUATOR,
        RULES,
        DASHBOARD,
        INPUTS,
    )
}

"""mosquitto and its clients: mosquitto_pub, mosquitto_sub, mosquitto_passwd."""

from __future__ import annotations

from labs.net.process import Program
from labs.shell.commands.mosquitto.passwd import mosquitto_passwd
from labs.shell.commands.mosquitto.publish import mosquitto_pub
from labs.shell.commands.mosquitto.subscribe import mosquitto_sub
from labs.shell.daemons.mosquitto import mosquitto

__all__ = ["COMMANDS"]

COMMANDS: dict[str, Program] = {
    "mosquitto": mosquitto,
    "mosquitto_passwd": mosquitto_passwd,
    "mosquitto_pub": mosquitto_pub,
    "mosquitto_sub": mosquitto_sub,
}

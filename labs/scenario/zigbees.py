"""Zigbee in a scenario: the files of sensors and of their gateway."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from random import Random
from typing import TYPE_CHECKING, Any

from labs.messages import message
from labs.scenario.durations import Duration
from labs.scenario.schema import Boolean, Choice, Field, Number, Record, String
from labs.things.zigbee.config import BRIDGE, DATABASE, DEVICE, NETWORK, QUANTITIES, Network, database_of, network_file
from labs.things.zigbee.link import CHANNELS

if TYPE_CHECKING:
    from labs.scenario.wiring import Draft

__all__ = ["ZIGBEE_SERVICES", "zigbee_files"]

NAME = r"[a-z][a-z0-9-]{0,30}"
ZIGBEE_SERVICES = {
    "zigbee": Field(
        Record(
            {
                "quantity": Field(Choice(tuple(QUANTITIES), "a quantity"), "what it measures in its room"),
                "every": Field(Duration(), "how often it reports", default=600_000_000_000),
                "gateway": Field(
                    String("a device", NAME), "the zigbee2mqtt it is paired with; none: unpaired", default=""
                ),
            }
        ),
        "a Zigbee sensor, a sleepy end device; it needs no lead",
        default=None,
    ),
    "zigbee2mqtt": Field(
        Record(
            {
                "broker": Field(String(), "device, name or address"),
                "topic": Field(String("a topic", r"[^\x00+#]+"), "what its topics begin with", default="zigbee2mqtt"),
                "user": Field(String(), "user name", default=""),
                "password": Field(String(), "password", default=""),
                "channel": Field(Number(CHANNELS.start, CHANNELS.stop - 1, whole=True), "channel", default=11),
                "permit-join": Field(Boolean(), "whether anybody may join at any time", default=False),
            }
        ),
        "a Zigbee gateway: coordinator and Zigbee2MQTT",
        default=None,
    ),
}


def _ieee(seed: str, device: str) -> str:
    return f"0x00124b{Random(f'{seed}/{device}/zigbee').randrange(1 << 40):010x}"  # noqa: S311 - a training lab


def _network(seed: str, gateway: str, channel: int) -> Network:
    random = Random(f"{seed}/{gateway}/zigbee-network")  # noqa: S311 - the same seed gives the same keys
    return Network(channel, random.randrange(1, 0xFFFE), random.randbytes(16))


def zigbee_files(
    draft: Draft, drafts: Mapping[str, Draft], seed: str, enabled: list[str], wrong: Callable[..., None]
) -> dict[str, str]:
    """What has to do with Zigbee on a device. `wrong` takes a message and the place of the mistake."""
    services = draft.spec.services
    made: dict[str, str] = {}
    if "zigbee" in services:
        own = services["zigbee"]
        made[DEVICE] = (
            f'# {draft.name}: the address stands on its label too\n[zigbee]\nieee = "{_ieee(seed, draft.name)}"\n\n'
            f'[sensor]\nquantity = "{own["quantity"]}"\ninterval_s = {own["every"] // 1_000_000_000}\n'
        )
        enabled.append("zigbee")
        gateway = drafts.get(own["gateway"])
        if gateway is not None and "zigbee2mqtt" in gateway.spec.services:
            made[NETWORK] = network_file(_network(seed, gateway.name, gateway.spec.services["zigbee2mqtt"]["channel"]))
        elif own["gateway"]:
            known = ", ".join(name for name, other in drafts.items() if "zigbee2mqtt" in other.spec.services) or "none"
            wrong(
                message('"{own}" is not a Zigbee gateway; gateways: {known}', own=own["gateway"], known=known),
                "services.zigbee.gateway",
            )
    if "zigbee2mqtt" in services:
        paired = {
            _ieee(seed, name): name
            for name, other in drafts.items()
            if other.spec.services.get("zigbee", {}).get("gateway") == draft.name
        }
        made[BRIDGE] = _bridge(
            services["zigbee2mqtt"], _network(seed, draft.name, services["zigbee2mqtt"]["channel"]), paired
        )
        made[DATABASE] = database_of(list(paired))
        enabled.append("zigbee2mqtt")
    return made


def _bridge(service: Mapping[str, Any], network: Network, paired: Mapping[str, str]) -> str:
    login = f"  user: {service['user']}\n  password: {service['password']}\n" if service["user"] else ""
    text = f"""homeassistant: false
permit_join: {str(service["permit-join"]).lower()}
mqtt:
  base_topic: {service["topic"]}
  server: mqtt://{service["broker"]}:1883
{login}serial:
  port: /dev/ttyACM0
  adapter: zstack
advanced:
  log_level: info
  last_seen: ISO_8601
  channel: {network.channel}
  pan_id: {network.pan_id}
  network_key: {list(network.key)}
availability:
  passive:
    timeout: 25
"""
    if paired:
        text += "devices:\n" + "".join(f"  '{ieee}':\n    friendly_name: {name}\n" for ieee, name in paired.items())
    return text

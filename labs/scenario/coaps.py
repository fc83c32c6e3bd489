"""CoAP and HTTP push in a scenario: what a thing offers, and where it posts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from labs.scenario.durations import Duration
from labs.scenario.schema import Boolean, Field, MapOf, Number, Record, String

__all__ = ["COAP_SERVICE", "PUSH_SERVICES", "coap_file", "push_files"]

NAME = r"[a-z][a-z0-9-]{0,30}"
COAP_SERVICE = MapOf(
    Record(
        {
            "quantity": Field(
                String("a quantity such as temperature", NAME), "what it measures in its room", default=""
            ),
            "value": Field(String(), "what stands there, where nothing is measured", default=""),
            "writable": Field(Boolean(), "whether it can be PUT", default=False),
            "every": Field(Duration(), "how often observers hear of it", default=10_000_000_000),
        }
    )
)


PUSH_SERVICES = {
    "push": Field(
        Record(
            {
                "to": Field(String("an address such as http://server:8080/hall", r"https?://\S+"), "where it posts"),
                "token": Field(String(), "bearer token", default=""),
                "quantity": Field(String("a quantity such as temperature", NAME), "what it measures in its room"),
                "unit": Field(String(), "unit of what it reports", default="C"),
                "every": Field(Duration(), "how often", default=60_000_000_000),
            }
        ),
        "posts its readings over HTTP",
        default=None,
    ),
    "collector": Field(
        Record(
            {
                "port": Field(Number(1, 65535, whole=True), "TCP port", default=8080),
                "token": Field(String(), "bearer token, empty for none", default=""),
            },
            nothing=True,
        ),
        "takes readings over HTTP",
        default=None,
    ),
}


def _quote(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def push_files(services: Mapping[str, Any], enabled: list[str]) -> dict[str, str]:
    """/etc/push.toml and /etc/collector.toml."""
    made = {}
    if "push" in services:
        own = services["push"]
        texts = {"url": own["to"], "token": own["token"], "quantity": own["quantity"], "unit": own["unit"]}
        lines = [f"{key} = {_quote(value)}" for key, value in texts.items()]
        made["/etc/push.toml"] = "\n".join(["[push]", *lines, f"interval_s = {own['every'] // 1_000_000_000}", ""])
        enabled.append("push")
    if "collector" in services:
        own = services["collector"]
        made["/etc/collector.toml"] = f"[collector]\nport = {own['port']}\ntoken = {_quote(own['token'])}\n"
        enabled.append("collector")
    return made


def coap_file(name: str, resources: Mapping[str, Any]) -> str:
    """/etc/coap.toml."""
    text = f"# {name}: what can be asked by CoAP\n[coap]\nport = 5683\n"
    for path, spec in resources.items():
        text += f"\n[resource.{path}]\n"
        if spec["quantity"]:
            text += f'quantity = "{spec["quantity"]}"\n'
        else:
            value = spec["value"].replace("\\", "\\\\").replace('"', '\\"')
            text += f'value = "{value}"\nwritable = {"true" if spec["writable"] else "false"}\n'
        text += f"every_s = {max(1, spec['every'] // 1_000_000_000)}\n"
    return text

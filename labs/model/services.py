"""Network services by name: what a policy allows and a check reaches."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Self

__all__ = ["SERVICES", "Service"]

# IANA service name registry; `print` is the raw printing port 9100 (pdl-datastream).
SERVICES = {
    "ping": ("icmp", 0),
    "ssh": ("tcp", 22),
    "telnet": ("tcp", 23),
    "dns": ("udp", 53),
    "http": ("tcp", 80),
    "ntp": ("udp", 123),
    "https": ("tcp", 443),
    "modbus": ("tcp", 502),
    "rtsp": ("tcp", 554),
    "mqtt": ("tcp", 1883),
    "mqtts": ("tcp", 8883),
    "print": ("tcp", 9100),
}
WIDE = "ipv6/"
_NUMBERED = re.compile(r"(tcp|udp)/(\d{1,5})")


@dataclass(frozen=True, slots=True, order=True)
class Service:
    """A protocol and a port (0 for icmp). `any` is protocol "any". `wide` means over IPv6, and nothing else will do."""

    protocol: str
    port: int = 0
    wide: bool = False

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `https`, `tcp/8080`, `ping`, `ipv6/https` or `any`. Raises ValueError naming what is allowed."""
        if text.startswith(WIDE) and text != f"{WIDE}any":
            narrow = cls.parse(text.removeprefix(WIDE))
            return cls(narrow.protocol, narrow.port, wide=True)
        if text == "any":
            return cls("any")
        if text in SERVICES:
            return cls(*SERVICES[text])
        numbered = _NUMBERED.fullmatch(text)
        if numbered and 0 < int(numbered[2]) < 65536:
            return cls(numbered[1], int(numbered[2]))
        message = f'"{text}" is not a service; allowed: {", ".join(SERVICES)}, any, or a port such as tcp/8080'
        raise ValueError(message)

    def covers(self, other: Service) -> bool:
        """True where allowing this allows the other."""
        return self.protocol == "any" or self == other

    def __str__(self) -> str:
        if self.wide:
            return f"{WIDE}{Service(self.protocol, self.port)}"
        for name, pair in SERVICES.items():
            if pair == (self.protocol, self.port):
                return name
        return self.protocol if not self.port else f"{self.protocol}/{self.port}"

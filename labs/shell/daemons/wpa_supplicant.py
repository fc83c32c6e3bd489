"""wpa_supplicant: looks for its network, joins it, and looks again when it is lost."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

from labs.net.process import SIGHUP, Interrupt, Process, Routine, Wait
from labs.net.wifi import Bss
from labs.things.wifi.association import TRANSITIONS, Outcome, State, channel_mhz
from labs.things.wifi.config import SUPPLICANT, Network, WifiConfigError, parse_supplicant

__all__ = ["wpa_supplicant"]

SECOND = 1_000_000_000
SCAN_INTERVAL_NS = 5 * SECOND
DISABLED_NS = (10 * SECOND, 20 * SECOND, 60 * SECOND)  # after a refused or failed association
LOST_NS = 4 * SECOND
ANSWER_NS = 10 * SECOND
IFACE = "wlan0"


class _Supplicant:
    def __init__(self, process: Process, network: Network) -> None:
        self.process = process
        self.radio = process.node.wifi
        self.network = network
        self.failures = 0

    def become(self, outcome: Outcome) -> None:
        self.radio.state = TRANSITIONS[State(self.radio.state), outcome]

    def hear(self, what: str, until: int) -> Generator[Wait, None, Any]:
        """The next event of a kind, or None."""
        node, radio = self.process.node, self.radio
        while True:
            while radio.events:
                event = radio.events.popleft()
                if event.what == what:
                    return event.value
                if event.what == "lost" and what != "scan":
                    return None
            if node.now >= until:
                return None
            yield Wait((radio.signal,), until)

    def pause(self, duration_ns: int) -> Generator[Wait, None, None]:
        until = self.process.node.now + duration_ns
        while self.process.node.now < until:
            yield Wait((), until)

    def find(self) -> Generator[Wait, None, Bss | None]:
        """Scan once; the strongest access point of the network."""
        self.radio.ask("scan", self.network.max_channel)
        seen = yield from self.hear("scan", self.process.node.now + ANSWER_NS)
        wanted = ("", self.network.ssid) if self.network.scan_ssid else (self.network.ssid,)
        return next((bss for bss in seen or () if bss.ssid in wanted), None)

    def run(self) -> Generator[Wait, None, None]:
        """For ever."""
        radio, process = self.radio, self.process
        while True:
            bss = yield from self.find()
            self.become(Outcome.FOUND if bss else Outcome.NOT_FOUND)
            if bss is None:
                yield from self.pause(SCAN_INTERVAL_NS)
                continue
            mac = str(bss.mac).lower()
            process.print(
                f"{IFACE}: Trying to associate with {mac} (SSID='{bss.ssid}' freq={channel_mhz(bss.channel)} MHz)"
            )
            radio.ask("join", (bss, self.network))
            answer = yield from self.hear("outcome", process.node.now + ANSWER_NS)
            outcome, code, why = answer or (Outcome.LOST, 0, "no answer")
            if outcome is Outcome.REFUSED:
                self.become(Outcome.REFUSED)
                process.print(f"{IFACE}: CTRL-EVENT-ASSOC-REJECT bssid={mac} status_code={code}")
            elif outcome is Outcome.LOST:
                self.become(Outcome.LOST)
                process.print(f"{IFACE}: CTRL-EVENT-DISCONNECTED bssid={mac} reason=0 ({why})")
            else:
                self.become(Outcome.ASSOCIATED)
                process.print(f"{IFACE}: Associated with {mac}")
                self.become(outcome)
                if outcome is Outcome.KEYS_AGREE:
                    yield from self.stay(mac)
                    continue
                process.print(f"{IFACE}: WPA: 4-Way Handshake failed - pre-shared key may be incorrect")
                process.print(f"{IFACE}: CTRL-EVENT-DISCONNECTED bssid={mac} reason={code}")
            yield from self.disable(outcome)

    def disable(self, outcome: Outcome) -> Generator[Wait, None, None]:
        """After a failure the network rests for longer and longer."""
        self.failures += 1
        rest = DISABLED_NS[min(self.failures, len(DISABLED_NS)) - 1]
        reason = "WRONG_KEY" if outcome is Outcome.KEYS_DIFFER else "CONN_FAILED"
        self.process.print(
            f'{IFACE}: CTRL-EVENT-SSID-TEMP-DISABLED id=0 ssid="{self.network.ssid}" '
            f"auth_failures={self.failures} duration={rest // SECOND} reason={reason}"
        )
        yield from self.pause(rest)

    def stay(self, mac: str) -> Generator[Wait, None, None]:
        """Associated, until the air says otherwise."""
        self.failures = 0
        process = self.process
        if self.network.passphrase:
            process.print(f"{IFACE}: WPA: Key negotiation completed with {mac} [PTK=CCMP GTK=CCMP]")
        process.print(f"{IFACE}: CTRL-EVENT-CONNECTED - Connection to {mac} completed [id=0 id_str=]")
        radio = self.radio
        lost = False
        while not lost:
            while radio.events:
                lost = radio.events.popleft().what == "lost" or lost
            if not lost:
                yield Wait((radio.signal,))
        self.become(Outcome.LOST)
        process.print(f"{IFACE}: CTRL-EVENT-DISCONNECTED bssid={mac} reason=4 locally_generated=1")
        yield from self.pause(LOST_NS)


def wpa_supplicant(process: Process) -> Routine:
    """The unit `wpa_supplicant`."""
    node = process.node
    radio = node.wifi

    def leave() -> None:
        radio.state = State.DISCONNECTED.value
        radio.ask("leave")

    process.cleanup.append(leave)
    while True:
        try:
            network = parse_supplicant(node.files.get(SUPPLICANT))
        except WifiConfigError as error:
            process.print(f"Failed to read or parse configuration '{SUPPLICANT}': {error}")
            return 255
        if IFACE not in node.interfaces:
            process.print(f"Could not read interface {IFACE} flags: No such device")
            return 255
        if not node.interfaces[IFACE].up:
            node.set_up(node.interfaces[IFACE], up=True)
        process.endless = True
        process.print("Successfully initialized wpa_supplicant")
        radio.events.clear()
        try:
            yield from _Supplicant(process, network).run()
        except Interrupt as interrupt:
            if interrupt.signal != SIGHUP:
                return 0
            leave()

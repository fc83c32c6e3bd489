"""hostapd: an access point on the air, as /etc/hostapd/hostapd.conf says."""

from __future__ import annotations

from labs.net.process import Process, Routine, Wait
from labs.things.wifi.association import Outcome
from labs.things.wifi.config import HOSTAPD, WifiConfigError, parse_hostapd

__all__ = ["hostapd"]


def hostapd(process: Process) -> Routine:
    """The unit `hostapd`."""
    radio = process.node.wifi
    try:
        point = parse_hostapd(process.node.files.get(HOSTAPD))
    except WifiConfigError as error:
        process.print(str(error), f"Failed to set up interface with {HOSTAPD}")
        return 1
    name = point.interface
    radio.point = point

    def down() -> None:
        radio.point = None
        radio.stations.clear()
        radio.ask("down")

    process.cleanup.append(down)
    radio.ask("up")
    process.print(f"{name}: interface state UNINITIALIZED->ENABLED", f"{name}: AP-ENABLED")
    process.endless = True
    while True:
        while radio.events:
            event = radio.events.popleft()
            if event.what != "station":
                continue
            mac, outcome, code = event.value
            mac = mac.lower()
            if outcome is Outcome.LOST:
                continue
            process.print(f"{name}: STA {mac} IEEE 802.11: authenticated")
            if outcome is Outcome.REFUSED:
                process.print(f"{name}: STA {mac} IEEE 802.11: association refused (status {code})")
                continue
            process.print(f"{name}: STA {mac} IEEE 802.11: associated (aid 1)")
            if outcome is Outcome.KEYS_DIFFER:
                process.print(f"{name}: AP-STA-POSSIBLE-PSK-MISMATCH {mac}")
                process.print(f"{name}: STA {mac} IEEE 802.11: deauthenticated due to local deauth request")
            else:
                process.print(f"{name}: AP-STA-CONNECTED {mac}")
                process.print(f"{name}: STA {mac} WPA: pairwise key handshake completed (RSN)")
        yield Wait((radio.signal,))

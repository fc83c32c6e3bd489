"""Wi-Fi on a site: associations come, carry frames, and go."""

from __future__ import annotations

from pathlib import Path

import pytest

from labs.engines.base import EngineUnavailable
from labs.engines.kernel.engine import KernelEngine, media_of
from labs.engines.sim import SimEngine
from labs.scenario.library import load_scenario
from labs.scenario.variant import draw
from labs.ui.map_text import draw_text

SECOND = 10**9
SITE = draw(load_scenario(Path(__file__).parent.parent / "faults" / "wifi_workshop.yaml"), "0").healthy


@pytest.fixture
def engine() -> SimEngine:
    engine = SimEngine()
    engine.start(SITE)
    return engine


def reaches(engine: SimEngine, device: str = "tablet") -> bool:
    return engine.run(device, "ping -c 2 -W 1 192.168.10.10").status == 0


def link(engine: SimEngine, device: str = "tablet") -> dict[str, str]:
    lines = engine.run(device, "iw dev wlan0 link").text.splitlines()
    pairs = (line.strip().split(":", 1) for line in lines if ":" in line and line.startswith("\t"))
    return {key: value.strip() for key, value in pairs}


def test_station_is_associated_after_the_start_and_frames_cross(engine: SimEngine) -> None:
    assert link(engine)["SSID"] == "Winkel"
    assert reaches(engine)
    assert "wpa_state=COMPLETED" in engine.run("tablet", "wpa_cli status").text
    assert engine.run("ap", "iw dev wlan0 station dump").text.count("Station") == 2


def test_distance_and_wall_weaken_the_signal(engine: SimEngine) -> None:
    assert int(link(engine)["signal"].split()[0]) > int(link(engine, "scale")["signal"].split()[0]) > -70


def test_station_carried_out_of_reach_loses_the_network_and_finds_it_again(engine: SimEngine) -> None:
    engine.run("hands", "move tablet yard")
    engine.wait(20 * SECOND)
    assert engine.run("tablet", "iw dev wlan0 link").text == "Not connected.\n"
    assert "wpa_state=SCANNING" in engine.run("tablet", "wpa_cli status").text
    assert "NO-CARRIER" in engine.run("tablet", "ip link show wlan0").text
    assert not reaches(engine)
    assert engine.run("ap", "iw dev wlan0 station dump").text.count("Station") == 1
    engine.run("hands", "move tablet store")
    engine.wait(30 * SECOND)
    assert reaches(engine)


def test_access_point_without_power_takes_everybody_off_and_back(engine: SimEngine) -> None:
    engine.run("hands", "power off ap")
    engine.wait(SECOND)
    assert not link(engine)
    engine.run("hands", "power on ap")
    engine.wait(60 * SECOND)
    assert reaches(engine)
    assert reaches(engine, "scale")


def test_new_passphrase_reaches_the_station_by_reconfigure(engine: SimEngine) -> None:
    engine.run("ap", "sed -i s/goed-bewaard/veel-beter-bewaard/ /etc/hostapd/hostapd.conf; systemctl restart hostapd")
    engine.wait(40 * SECOND)
    assert not reaches(engine)
    log = engine.run("tablet", "journalctl -u wpa_supplicant").text
    assert "WPA: 4-Way Handshake failed - pre-shared key may be incorrect" in log
    assert 'CTRL-EVENT-SSID-TEMP-DISABLED id=0 ssid="Winkel" auth_failures=1 duration=10 reason=WRONG_KEY' in log
    engine.run("tablet", "sed -i s/goed-bewaard/veel-beter-bewaard/ /etc/wpa_supplicant/wpa_supplicant.conf")
    assert engine.run("tablet", "wpa_cli -i wlan0 reconfigure").text == "OK\n"
    engine.wait(10 * SECOND)
    assert reaches(engine)


def test_station_switched_off_frees_its_place(engine: SimEngine) -> None:
    engine.run("hands", "power off scale")
    engine.wait(SECOND)
    assert engine.run("ap", "iw dev wlan0 station dump").text.count("Station") == 1


def test_access_point_that_takes_one_station_refuses_the_second_until_the_first_has_left(engine: SimEngine) -> None:
    engine.run("ap", "echo max_num_sta=1 >> /etc/hostapd/hostapd.conf; systemctl restart hostapd")
    engine.wait(40 * SECOND)
    assert engine.run("ap", "iw dev wlan0 station dump").text.count("Station") == 1
    inside, outside = sorted(("tablet", "scale"), key=lambda name: not link(engine, name))
    assert not link(engine, outside)
    assert "association refused (status 17)" in engine.run("ap", "journalctl -u hostapd").text
    assert "status_code=17" in engine.run(outside, "journalctl -u wpa_supplicant").text
    engine.run("hands", f"power off {inside}")
    engine.wait(60 * SECOND)
    assert link(engine, outside)


def test_scan_shows_what_is_on_the_air(engine: SimEngine) -> None:
    text = engine.run("scale", "iw dev wlan0 scan").text
    assert text.startswith("BSS 02:4e:")
    assert "(on wlan0) -- associated\n" in text
    assert "\tSSID: Winkel\n\tDS Parameter set: channel 6\n" in text
    assert "1-GTKSA-RC MFP-capable (0x0080)" in text


def test_no_lead_fits_into_a_radio(engine: SimEngine) -> None:
    answer = engine.run("hands", "patch tablet:wlan0 sw:p3")
    assert (answer.status, answer.text) == (1, "hands: tablet:wlan0 is a radio, no lead fits into it\n")
    assert "Wi-Fi    lamp on" in engine.run("hands", "look tablet").text


@pytest.mark.parametrize(
    ("place", "line", "said", "status"),
    [
        ("sw", "iw dev wlan0 link", "nl80211 not found.\n", 1),
        ("tablet", "iw wlan1 link", None, 1),
        ("tablet", "iw dev wlan1 link", "command failed: No such device (-19)\n", 237),
        ("ap", "iw dev wlan0 scan", "command failed: Operation not supported (-95)\n", 161),
        ("tablet", "wpa_cli -i wlan0 fly", "Unknown command 'fly'\n", 255),
        (
            "server",
            "wpa_cli status",
            "Failed to connect to non-global ctrl_ifname: (nil)  error: No such file or directory\n",
            255,
        ),
    ],
)
def test_mistyped_line_answers_as_the_real_tool(
    engine: SimEngine, place: str, line: str, said: str | None, status: int
) -> None:
    answer = engine.run(place, line)
    assert (said is None or answer.text == said, answer.status) == (True, status)


def test_dev_may_be_left_out(engine: SimEngine) -> None:
    assert engine.run("tablet", "iw wlan0 link").text == engine.run("tablet", "iw dev wlan0 link").text


def test_mistake_of_wpa_cli_goes_to_standard_error(engine: SimEngine) -> None:
    assert engine.run("server", "wpa_cli status 2>/dev/null").text == ""
    assert engine.run("tablet", "wpa_cli -i wlan7 ping 2>&1").text.startswith(
        "Failed to connect to non-global ctrl_ifname: wlan7 "
    )


def test_map_tells_who_is_on_the_air_and_who_is_not_plugged_in() -> None:
    text = draw_text(SITE)
    assert "by radio:\n  tablet" in text
    assert "not plugged in" not in text


def test_kernel_refuses_a_site_with_wifi_in_one_line() -> None:
    assert media_of(SITE) == "Wi-Fi"
    with pytest.raises(EngineUnavailable, match="the engine kernel has no Wi-Fi: play this site on the engine sim"):
        KernelEngine().start(SITE)

"""What would notice that the clocks of a site were only put forward: read from files and listings."""

from __future__ import annotations

from calendar import timegm

from labs.engines.kernel.device.ageing import expiries, lifetimes, renewals

LEASES = """lease {
  interface "eth0";
  fixed-address 192.168.1.100;
  renew 0 2026/11/22 12:00:00;
  expire 0 2026/11/22 18:00:00;
}
lease {
  fixed-address 192.168.1.100;
  renew 0 2026/11/22 18:00:00;
  rebind 0 2026/11/22 23:00:00;
}
"""
NOON = timegm((2026, 11, 22, 12, 0, 0))


def test_file_with_two_leases_the_last_one_is_renewed_six_hours_later():
    assert renewals(LEASES, NOON) == [6 * 3600]


def test_file_without_a_lease_nothing_is_renewed():
    assert renewals("", NOON) == []


def test_addresses_those_that_end_are_told():
    listing = '[{"addr_info": [{"valid_life_time": 4294967295}, {"valid_life_time": 300}]}, {"ifname": "lo"}]'
    assert lifetimes(listing) == [300]


def test_elements_those_with_a_timeout_end():
    listing = (
        '{"nftables": [{"set": {"elem": ["10.0.0.1", {"elem": {"val": "10.0.0.2", "timeout": 60, "expires": 55}}]}}]}'
    )
    assert expiries(listing) == [55.0]
    assert expiries("no JSON") == []

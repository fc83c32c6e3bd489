"""A scenario small enough to read: a PC, a television, a router and the world outside."""

from __future__ import annotations

from labs.scenario.library import parse_scenario
from labs.scenario.scenario import Scenario

SMALL = """
scenario: small-one
title: {en: Small, nl: Klein}
module: m1-home
level: 1
minutes: 10
story: The PC at ${pc.address} does not get out.
site:
  subnets: {lan: {pool: 10.0.0.0/8, size: 24}, out: 203.0.113.0/24}
  devices:
    isp: {kind: internet, at: {out: .1}, services: {listen: {https: "true"}}}
    gw:
      kind: router
      at: {out: .2, lan: .1}
      firewall: |
        flush ruleset
        table inet filter {
          chain forward {
            type filter hook forward priority filter; policy drop;
            ct state established,related accept
            ip saddr ${pc.address} tcp dport 443 accept
            ip saddr ${pc.address} icmp type echo-request accept
            ip saddr ${tv.address} tcp dport 443 accept
          }
        }
        table ip nat {
          chain postrouting {
            type nat hook postrouting priority srcnat;
            oifname "eth0" masquerade
          }
        }
    pc: {kind: host, at: {lan: .5}, gateway: gw}
    tv: {kind: host, at: {lan: .6}}
  links: [[isp, gw], [gw, pc], [gw, tv]]
policy:
  zones: {work: [pc], play: [tv], outside: [isp]}
  allow:
    - {from: work, to: outside, service: [https, ping]}
    - {from: play, to: outside, service: https}
    - {from: work, to: play, service: any}
    - {from: play, to: work, service: any}
checks:
  - {id: online, reach: {from: pc, to: isp, service: [https, ping]}, points: 2, survives: reboot}
  - id: tv-quiet
    title: {en: the TV is quiet, nl: de tv is stil}
    refuse: {from: tv, to: isp, service: [ssh, ping]}
  - {id: as-agreed, policy: exact, points: 1, needs: [online]}
faults:
  - host-wrong-gateway: {on: pc}
  - rule-too-wide: {on: gw, port: 443}
solution:
  - pc: |
      ip route replace default via ${gw.lan.address}
      sed -i 's#gateway .*#gateway ${gw.lan.address}#' /etc/network/interfaces
  - gw: |
      sed -i 's#ip saddr ${pc.address} accept#ip saddr ${pc.address} tcp dport 443 accept#' /etc/nftables.conf
      systemctl restart nftables
hints:
  online: [Look at the default route.]
"""


def small(**changes: str) -> Scenario:
    """The scenario, with pieces of its text replaced: `small(**{"points: 2": "points: 5"})`."""
    text = SMALL
    for old, new in changes.items():
        assert old in text
        text = text.replace(old, new)
    return parse_scenario(text, "small.yaml")

"""The names that nft gives to numbers: ports, protocols, message types, flags.

Read first: the output of `nft describe <datatype>`, /etc/services, /etc/protocols; RFC 2474 for dscp.
"""

from __future__ import annotations

__all__ = [
    "ARP_OP", "BOOLEAN", "CT_DIR", "CT_STATE", "CT_STATUS", "DSCP", "ECN", "ETHER_TYPE", "ICMPV6_CODE", "ICMPV6_TYPE",
    "ICMPX_CODE", "ICMP_CODE", "ICMP_TYPE", "NF_PROTO", "PKT_TYPE", "PROTOCOLS", "SERVICES", "TCP_FLAG",
]  # fmt: skip

ICMP_TYPE = {
    "echo-reply": 0, "destination-unreachable": 3, "source-quench": 4, "redirect": 5, "echo-request": 8,
    "router-advertisement": 9, "router-solicitation": 10, "time-exceeded": 11, "parameter-problem": 12,
    "timestamp-request": 13, "timestamp-reply": 14, "info-request": 15, "info-reply": 16, "address-mask-request": 17,
    "address-mask-reply": 18,
}  # fmt: skip
ICMP_CODE = {
    "net-unreachable": 0, "host-unreachable": 1, "prot-unreachable": 2, "port-unreachable": 3, "net-prohibited": 9,
    "host-prohibited": 10, "admin-prohibited": 13, "frag-needed": 4,
}  # fmt: skip
ICMPV6_TYPE = {
    "destination-unreachable": 1, "packet-too-big": 2, "time-exceeded": 3, "parameter-problem": 4, "echo-request": 128,
    "echo-reply": 129, "mld-listener-query": 130, "mld-listener-report": 131, "mld-listener-done": 132,
    "mld-listener-reduction": 132, "nd-router-solicit": 133, "nd-router-advert": 134, "nd-neighbor-solicit": 135,
    "nd-neighbor-advert": 136, "nd-redirect": 137, "router-renumbering": 138, "ind-neighbor-solicit": 141,
    "ind-neighbor-advert": 142, "mld2-listener-report": 143,
}  # fmt: skip
ICMPV6_CODE = {
    "no-route": 0, "admin-prohibited": 1, "addr-unreachable": 3, "port-unreachable": 4, "policy-fail": 5,
    "reject-route": 6,
}  # fmt: skip
ICMPX_CODE = {"port-unreachable": 1, "admin-prohibited": 3, "no-route": 0, "host-unreachable": 2}
ARP_OP = {"request": 1, "reply": 2, "rrequest": 3, "rreply": 4, "inrequest": 8, "inreply": 9, "nak": 10}
TCP_FLAG = {"fin": 1, "syn": 2, "rst": 4, "psh": 8, "ack": 16, "urg": 32, "ecn": 64, "cwr": 128}
CT_STATE = {"invalid": 1, "established": 2, "related": 4, "new": 8, "untracked": 64}
CT_STATUS = {"expected": 1, "seen-reply": 2, "assured": 4, "confirmed": 8, "snat": 16, "dnat": 32, "dying": 512}
CT_DIR = {"original": 0, "reply": 1}
DSCP = {
    "cs0": 0x00, "cs1": 0x08, "cs2": 0x10, "cs3": 0x18, "cs4": 0x20, "cs5": 0x28, "cs6": 0x30, "cs7": 0x38, "df": 0x00,
    "be": 0x00, "lephb": 0x01, "af11": 0x0A, "af12": 0x0C, "af13": 0x0E, "af21": 0x12, "af22": 0x14, "af23": 0x16,
    "af31": 0x1A, "af32": 0x1C, "af33": 0x1E, "af41": 0x22, "af42": 0x24, "af43": 0x26, "va": 0x2C, "ef": 0x2E,
}  # fmt: skip
ECN = {"not-ect": 0, "ect1": 1, "ect0": 2, "ce": 3}
PKT_TYPE = {"host": 0, "unicast": 0, "broadcast": 1, "multicast": 2, "other": 3}
ETHER_TYPE = {"ip": 0x0800, "arp": 0x0806, "ip6": 0x86DD, "8021q": 0x8100, "8021ad": 0x88A8, "vlan": 0x8100}
NF_PROTO = {"ipv4": 2, "ipv6": 10}
BOOLEAN = {"exists": 1, "missing": 0}

PROTOCOLS = {  # /etc/protocols of Debian 12
    "ip": 0, "icmp": 1, "igmp": 2, "ggp": 3, "ipencap": 4, "st": 5, "tcp": 6, "egp": 8, "igp": 9, "pup": 12, "udp": 17,
    "hmp": 20, "xns-idp": 22, "rdp": 27, "iso-tp4": 29, "dccp": 33, "xtp": 36, "ddp": 37, "idpr-cmtp": 38, "ipv6": 41,
    "ipv6-route": 43, "ipv6-frag": 44, "idrp": 45, "rsvp": 46, "gre": 47, "esp": 50, "ah": 51, "skip": 57,
    "ipv6-icmp": 58, "icmpv6": 58, "ipv6-nonxt": 59, "ipv6-opts": 60, "rspf": 73, "vmtp": 81, "eigrp": 88, "ospf": 89,
    "ax.25": 93, "ipip": 94, "etherip": 97, "encap": 98, "pim": 103, "ipcomp": 108, "vrrp": 112, "l2tp": 115,
    "isis": 124, "sctp": 132, "fc": 133, "mobility-header": 135, "udplite": 136, "mpls-in-ip": 137, "manet": 138,
    "hip": 139, "shim6": 140, "wesp": 141, "rohc": 142, "ethernet": 143,
}  # fmt: skip

SERVICES = {  # /etc/services of Debian 12, in part; mqtt and secure-mqtt are IANA's and not in Debian's file
    "echo": 7, "discard": 9, "systat": 11, "daytime": 13, "netstat": 15, "qotd": 17, "chargen": 19, "ftp-data": 20,
    "ftp": 21, "ssh": 22, "telnet": 23, "smtp": 25, "mail": 25, "time": 37, "whois": 43, "tacacs": 49, "domain": 53,
    "bootps": 67, "bootpc": 68, "tftp": 69, "gopher": 70, "finger": 79, "http": 80, "www": 80, "kerberos": 88,
    "krb5": 88, "pop3": 110, "sunrpc": 111, "auth": 113, "nntp": 119, "ntp": 123, "netbios-ns": 137,
    "netbios-dgm": 138, "netbios-ssn": 139, "imap2": 143, "imap": 143, "snmp": 161, "snmp-trap": 162, "snmptrap": 162,
    "bgp": 179, "ldap": 389, "https": 443, "microsoft-ds": 445, "submissions": 465, "isakmp": 500, "syslog": 514,
    "printer": 515, "route": 520, "dhcpv6-client": 546, "dhcpv6-server": 547, "rtsp": 554, "submission": 587,
    "ipp": 631, "ldaps": 636, "kerberos4": 750, "domain-s": 853, "rsync": 873, "ftps-data": 989, "ftps": 990,
    "telnets": 992, "imaps": 993, "pop3s": 995, "socks": 1080, "openvpn": 1194, "ms-sql-s": 1433, "datametrics": 1645,
    "l2f": 1701, "radius": 1812, "radius-acct": 1813, "mqtt": 1883, "nfs": 2049, "gsiftp": 2811, "gpsd": 2947,
    "iscsi-target": 3260, "mysql": 3306, "ms-wbt-server": 3389, "nut": 3493, "distcc": 3632, "svn": 3690,
    "ipsec-nat-t": 4500, "sip": 5060, "sip-tls": 5061, "xmpp-client": 5222, "jabber-client": 5222,
    "xmpp-server": 5269, "mdns": 5353, "postgresql": 5432, "amqps": 5671, "amqp": 5672, "x11": 6000, "redis": 6379,
    "mysql-proxy": 6446, "syslog-tls": 6514, "ircd": 6667, "http-alt": 8080, "webcache": 8080, "puppet": 8140,
    "secure-mqtt": 8883, "bacula-dir": 9101, "git": 9418, "zabbix-agent": 10050, "zabbix-trapper": 10051,
    "amanda": 10080, "nbd": 10809,
}  # fmt: skip

"""The names that dnsmasq knows by itself: hosts files, `host-record=` lines and the leases of its clients."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import NamedTuple

from labs.model.addresses import Address, IPv4
from labs.net import dns
from labs.net.dnsmasq_conf import DhcpHost, DnsmasqConf
from labs.net.dnsmasq_domains import below
from labs.net.filesystem import FileSystem
from labs.net.leases import LeaseTable
from labs.shell.resolver import all_hosts_entries

__all__ = ["Known", "Names", "with_addresses"]


class Known(NamedTuple):
    """One name with an address. `source` is the word for it in the log."""

    name: str
    address: Address
    source: str
    ttl_s: int = 0


class Names:
    """Looks names up, in the files as they are at that moment."""

    def __init__(self, files: FileSystem, conf: DnsmasqConf, table: LeaseTable | None) -> None:
        self._files = files
        self._conf = conf
        self._table = table

    def hosts(self) -> list[tuple[Address, tuple[str, ...], str]]:
        """Every line of the hosts files with the file it stands in; expand-hosts adds the domain."""
        conf = self._conf
        paths = [*([] if conf.no_hosts else ["/etc/hosts"]), *conf.addn_hosts]
        found = []
        for path in paths:
            for address, names in all_hosts_entries(self._files.get(path)):
                every = list(names)
                if conf.expand_hosts and conf.domain:
                    every += [f"{name}.{conf.domain}" for name in names if "." not in name]
                found.append((address, tuple(every), path))
        return found

    def _written(self) -> Iterator[Known]:
        """What the configuration and the hosts files say, in the order in which it is answered."""
        for record in self._conf.host_records:
            for name in record.names:
                for address in (record.address, record.wide):
                    if address is not None:
                        yield Known(name, address, "config", record.ttl_s)
        for address, names, path in self.hosts():
            for name in names:
                yield Known(name, address, path)

    def _every(self) -> Iterator[Known]:
        yield from self._written()
        for address, name in self._leased():
            yield Known(name, address, "DHCP")

    def written(self, name: str) -> list[Known]:
        """The IPv4 addresses of a name, but for those of leases."""
        named = (known for known in self._written() if dns.same_name(known.name, name))
        return [known for known in named if isinstance(known.address, IPv4)]

    def _leased(self) -> list[tuple[IPv4, str]]:
        """Names of clients, plain and with the domain; what is written down takes precedence."""
        names = []
        for lease in self._table.leases if self._table is not None else []:
            written = [known.address for known in self.written(lease.name)] if lease.name else []
            if lease.name and (not written or lease.address in written):
                if self._conf.domain:
                    names.append((lease.address, f"{lease.name}.{self._conf.domain}"))
                names.append((lease.address, lease.name))
        return names

    def find(self, name: str) -> list[Known]:
        """Every address of a name."""
        found = [known for known in self._every() if dns.same_name(known.name, name)]
        return list({known.address: known for known in reversed(found)}.values())[::-1]

    def below(self, name: str) -> bool:
        """True where the name or one in it is known (cache_find_non_terminal)."""
        return any(below(known.name, name) for known in self._every())

    def of(self, address: Address) -> Known | None:
        """The name of an address."""
        for known, names, path in self.hosts():
            if known == address and names:
                expanded = self._conf.expand_hosts and self._conf.domain and "." not in names[0]
                return Known(f"{names[0]}.{self._conf.domain}" if expanded else names[0], address, path)
        for leased, name in self._leased():
            if leased == address:
                return Known(name, address, "DHCP")
        for record in self._conf.host_records:
            if address in (record.address, record.wide):
                return Known(record.names[0], address, "config", record.ttl_s)
        return None


def with_addresses(conf: DnsmasqConf, names: Names) -> DnsmasqConf:
    """`dhcp-host` lines with a name alone reserve the address of that name in a hosts file (dhcp_update_configs).

    Of several addresses the first, but none where names are expanded, since then the plain name is nobody's first.
    """
    taken = {host.address for host in conf.hosts if host.address is not None}

    def addressed(host: DhcpHost) -> DhcpHost:
        written = names.written(host.name) if host.name and host.address is None else []
        several = len(written) > 1 and conf.expand_hosts and conf.domain and "." not in host.name
        if not written or written[0].source == "config" or written[0].address in taken or several:
            return host
        assert isinstance(written[0].address, IPv4)
        return replace(host, address=written[0].address)

    return replace(conf, hosts=tuple(map(addressed, conf.hosts)))

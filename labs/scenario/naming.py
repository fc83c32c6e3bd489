"""Who has which name on a site, and whom each device asks."""

from __future__ import annotations

from collections.abc import Mapping

from labs.model.addresses import IPv4
from labs.model.site import Kind
from labs.scenario.wiring import Draft

__all__ = ["Names"]


class Names:
    """The names of a site whose addresses are known."""

    def __init__(self, drafts: Mapping[str, Draft]) -> None:
        self._drafts = drafts

    def server(self) -> Draft | None:
        """The device inside that answers names, if there is one."""
        return next(
            (d for d in self._drafts.values() if "dns" in d.spec.services and d.spec.kind != Kind.INTERNET), None
        )

    def resolver(self, draft: Draft) -> IPv4 | None:
        """The name server that a device asks."""
        if draft.spec.kind == Kind.INTERNET:
            return IPv4.parse("127.0.0.1") if "dns" in draft.spec.services else None
        server = self.server()
        if server is None:
            outside = [d for d in self._drafts.values() if "dns" in d.spec.services]
            server = outside[0] if outside else None
        if server is None:
            return None
        if server is draft:
            forward = draft.spec.services["dns"]["forward"]
            upstream = self._drafts.get(forward)
            if upstream is None:
                return None
            return next((a for a in upstream.addresses.values() if a is not None), None)
        for subnet in draft.addresses:
            address = server.addresses.get(subnet)
            if address is not None:
                return address
        return next((a for a in server.addresses.values() if a is not None), None)

    def of_site(self) -> dict[str, IPv4]:
        """Every fixed address by the name of its device (the first address counts)."""
        names = {}
        for draft in self._drafts.values():
            fixed = [a for a in draft.addresses.values() if a is not None]
            if fixed and draft.spec.kind != Kind.INTERNET:
                inside = [a for s, a in draft.addresses.items() if a is not None and not self._is_outside(s)]
                names[draft.name] = (inside or fixed)[0]
        return names

    def _is_outside(self, subnet: str) -> bool:
        return any(d.spec.kind == Kind.INTERNET and subnet in d.addresses for d in self._drafts.values())

    def hosts(self, draft: Draft) -> str:
        """/etc/hosts: without a name server inside it has the names of the whole site."""
        lines = ["127.0.0.1\tlocalhost", f"127.0.1.1\t{draft.name}"]
        if self.server() is None and draft.spec.kind != Kind.INTERNET:
            lines += [f"{address}\t{name}" for name, address in self.of_site().items() if name != draft.name]
        return "\n".join(lines) + "\n"

"""The sessions of a broker, by client identifier, and what would take long to look for in a thousand of them."""

from __future__ import annotations

from labs.things.mqtt.session import Session

__all__ = ["Sessions"]

MAX_TOPICS = 4096  # whose hearers are remembered


class Sessions(dict[str, Session]):
    """A table of sessions. Whoever changes the subscriptions of one tells it."""

    def __init__(self) -> None:
        super().__init__()
        self._subscribers: list[Session] | None = None
        self._hearers: dict[str, list[Session]] = {}
        self._ending: dict[str, None] = {}

    def __setitem__(self, client_id: str, session: Session) -> None:
        old = self.get(client_id)
        super().__setitem__(client_id, session)
        if session.subscriptions or (old is not None and old.subscriptions):
            self.subscribed()

    def __delitem__(self, client_id: str) -> None:
        old = self[client_id]
        super().__delitem__(client_id)
        if old.subscriptions:
            self.subscribed()

    def subscribed(self) -> None:
        """A subscription came or went."""
        self._subscribers = None
        self._hearers.clear()

    def hearing(self, topic: str) -> list[Session]:
        """The sessions that subscribed to a topic, in the order in which they began."""
        found = self._hearers.get(topic)
        if found is None:
            if len(self._hearers) >= MAX_TOPICS:
                self._hearers.clear()
            if self._subscribers is None:
                self._subscribers = [session for session in self.values() if session.subscriptions]
            known = self._subscribers
            found = self._hearers[topic] = [session for session in known if session.granted(topic) is not None]
        return found

    def ends(self, session: Session, when: int) -> None:
        """A session without a connection is forgotten at a time, unless its client comes back."""
        session.expires_ns = when
        self._ending[session.client_id] = None

    def next_end(self) -> int | None:
        """When the first of them is to be forgotten."""
        if not self._ending:
            return None
        ends = [session.expires_ns for client_id in self._ending if (session := self.get(client_id)) is not None]
        return min((when for when in ends if when is not None), default=None)

    def end(self, now: int) -> None:
        """Forget who stayed away longer than its session was to last (MQTT 5.0 §3.1.2.11.2)."""
        for client_id in list(self._ending):
            session = self.get(client_id)
            if session is None or session.expires_ns is None:
                del self._ending[client_id]  # gone, or back
            elif session.expires_ns <= now:
                del self[client_id], self._ending[client_id]

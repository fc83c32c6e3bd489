"""Zigbee as a star: who may join a coordinator, which channel is in whose way, and how well a signal carries."""

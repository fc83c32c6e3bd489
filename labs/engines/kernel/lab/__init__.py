"""The lab as the engine's own process holds it: network, patch panel, time, and the init of every device."""

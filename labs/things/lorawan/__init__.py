"""LoRaWAN 1.0.x, class A: keys, frames, time on air, the join and the counters of device and network server."""

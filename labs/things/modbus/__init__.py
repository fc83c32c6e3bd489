"""Modbus: the protocol data unit, its two framings (RTU, TCP), registers as values, and the table of a slave."""

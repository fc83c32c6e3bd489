"""The commands and services of a simulated device."""

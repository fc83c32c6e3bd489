"""Programs that run in the background of a simulated device."""

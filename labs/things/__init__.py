"""Things: sensors, displays, brokers, and the world that they measure."""

"""MQTT 3.1.1: packets, topics, and the machines of a client and of a broker."""

"""MQTT 3.1.1 and 5: packets, topics, and the machines of a client and of a broker."""

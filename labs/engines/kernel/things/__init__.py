"""Things and other programs of ours as small real processes.

They read the same files, measure the same world and print the same lines as on the simulator; the MQTT is paho's.
"""

"""VLANs on a kernel that has none: Open vSwitch in user space, behind the same commands `ip link` and `bridge`."""

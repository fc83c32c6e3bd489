"""GRE and IPIP tunnels where the kernel has none: TUN devices, and a process that carries their packets."""

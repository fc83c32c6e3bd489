"""What keeps a device from the machine, and a trainee from the device: namespaces, roots, filters, and their proof."""

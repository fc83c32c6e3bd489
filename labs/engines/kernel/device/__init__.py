"""One device on the real kernel as its own init sees it: interfaces, services, shells, and what is read back."""

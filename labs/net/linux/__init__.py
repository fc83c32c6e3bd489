"""The small Linux machine that every device of a site is."""

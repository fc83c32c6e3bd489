"""Engines run a site: `sim` in pure Python, `kernel` on real Linux."""

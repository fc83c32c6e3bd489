"""Measurements beside their rivals, both timed in the same run: ratios and medians, never an assertion on a clock."""

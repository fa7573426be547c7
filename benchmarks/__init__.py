"""Measures the library against the design it replaces; `python -m benchmarks` runs all of it."""

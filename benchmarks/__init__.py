"""Benchmarks of the library and of the design it replaces; `python -m benchmarks` runs all of them."""

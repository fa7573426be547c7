"""Suites for stores, engines and encoders, a scripted engine, and decoders, for tests of host apps and extensions."""

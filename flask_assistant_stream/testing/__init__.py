"""For tests of host apps and of extensions: suites that a store, an engine or an encoder must pass, and a decoder."""

"""The run log: the only way from a run to its readers."""

"""The run log: how a run's events get from its worker into the store and to every reader."""

"""Functions that the server executes for a model, and who may have which executed."""

"""Functions that the server executes for a model, and which run may use which."""

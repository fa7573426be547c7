"""The Assistants protocol: objects, events, ids and the writer of a run's events. Pure, standard library only."""

"""The translation from the Responses API to the Assistants protocol: pure, standard library only."""

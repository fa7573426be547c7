"""The Assistants protocol and its translation from the Responses API: pure, standard library only."""

"""File search for servers without one: an engine around another engine."""

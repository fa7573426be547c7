"""A streaming AI assistant for an existing Flask app: one blueprint, the Assistants protocol, your own database."""

"""Engines: a file here is an upstream that turns a Responses request into items."""

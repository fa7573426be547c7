"""Readers of file types: bytes to pieces of text."""

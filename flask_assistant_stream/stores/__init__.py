"""Stores: a file here is a store, and its URL scheme is the file's name."""

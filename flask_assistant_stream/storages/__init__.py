"""Storages: where files are indexed and vector stores are searched."""

"""The files and vector stores of owners: their records in our store, their index in a storage."""

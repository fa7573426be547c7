"""Files and vector stores of owners: what is kept here of each, and where it is indexed and searched."""

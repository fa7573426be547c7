"""File search for servers that have none: an engine in front of another one."""

"""The shop's own database, in SQLite: users and their orders."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from flask import Flask, current_app, g
from werkzeug.security import generate_password_hash

SCHEMA = """
CREATE TABLE IF NOT EXISTS users (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    password TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS orders (
    number TEXT PRIMARY KEY,
    user_id INTEGER NOT NULL REFERENCES users,
    item TEXT NOT NULL,
    status TEXT NOT NULL
);
"""
DEMO_USERS = ((1, "anna", "anna-demo"), (2, "bert", "bert-demo"))
DEMO_ORDERS = (
    ("A-100", 1, "Kettle", "open"),
    ("A-101", 1, "Toaster", "shipped"),
    ("B-200", 2, "Lamp", "open"),
)


def init_app(app: Flask) -> None:
    """Create missing tables and the rows of the demo."""
    Path(app.config["DATABASE"]).parent.mkdir(parents=True, exist_ok=True)
    app.teardown_appcontext(_close)
    with app.app_context(), connection() as database:
        database.executescript(SCHEMA)
        if database.execute("SELECT 1 FROM users").fetchone() is None:
            users = [(id, name, generate_password_hash(password)) for id, name, password in DEMO_USERS]
            database.executemany("INSERT OR IGNORE INTO users VALUES (?, ?, ?)", users)
            database.executemany("INSERT OR IGNORE INTO orders VALUES (?, ?, ?, ?)", DEMO_ORDERS)


def connection() -> sqlite3.Connection:
    """Return the connection of the current app context, which closes it. Tools have such a context, too."""
    if "database" not in g:
        g.database = sqlite3.connect(current_app.config["DATABASE"])
        g.database.row_factory = sqlite3.Row
    database: sqlite3.Connection = g.database
    return database


def _close(_error: BaseException | None) -> None:
    database = g.pop("database", None)
    if database is not None:
        database.close()

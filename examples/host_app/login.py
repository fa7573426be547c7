"""Users: log in, log out."""

from __future__ import annotations

from dataclasses import dataclass

from flask import Blueprint, flash, redirect, render_template, request, session, url_for
from flask_login import UserMixin, login_user, logout_user
from werkzeug.security import check_password_hash, generate_password_hash
from werkzeug.wrappers import Response

from .database import connection
from .extensions import limiter, login_manager

blueprint = Blueprint("login", __name__)

NO_PASSWORD = generate_password_hash("")
"""Compared for unknown users, so that both cases take the same time."""


@dataclass
class User(UserMixin):
    id: int
    name: str


@login_manager.user_loader
def load(user_id: str) -> User | None:
    row = connection().execute("SELECT id, name FROM users WHERE id = ?", (user_id,)).fetchone()
    return User(*row) if row else None


@blueprint.get("/login")
def show() -> str:
    return render_template("login.html")


@blueprint.post("/login")
@limiter.limit("10 per minute")
def log_in() -> Response:
    name, password = request.form.get("name", ""), request.form.get("password", "")
    row = connection().execute("SELECT id, name, password FROM users WHERE name = ?", (name,)).fetchone()
    if not check_password_hash(row["password"] if row else NO_PASSWORD, password) or not row:
        flash("Name or password is wrong.")
        return redirect(url_for(".show"))
    session.clear()
    login_user(User(row["id"], row["name"]))
    return redirect(url_for("orders.show"))


@blueprint.post("/logout")
def log_out() -> Response:
    logout_user()
    session.clear()
    return redirect(url_for(".show"))

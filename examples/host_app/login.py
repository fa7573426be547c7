"""Users: log in, log out."""

from __future__ import annotations

from flask import Blueprint, flash, redirect, render_template, request, session, url_for
from flask_login import login_user, logout_user
from sqlalchemy import select
from werkzeug.security import check_password_hash, generate_password_hash
from werkzeug.wrappers import Response

from .extensions import db, limiter, login_manager
from .models import User

blueprint = Blueprint("login", __name__)

NO_PASSWORD = generate_password_hash("")
"""Compared for unknown users, so that both cases take the same time."""


@login_manager.user_loader
def load(user_id: str) -> User | None:
    return db.session.get(User, int(user_id))


@blueprint.get("/login")
def show() -> str:
    return render_template("login.html")


@blueprint.post("/login")
@limiter.limit("10 per minute")
def log_in() -> Response:
    name, password = request.form.get("name", ""), request.form.get("password", "")
    user = db.session.scalar(select(User).where(User.name == name))
    if not check_password_hash(user.password if user else NO_PASSWORD, password) or user is None:
        flash("Name or password is wrong.")
        return redirect(url_for(".show"))
    session.clear()
    login_user(user)
    return redirect(url_for("orders.show"))


@blueprint.post("/logout")
def log_out() -> Response:
    logout_user()
    session.clear()
    return redirect(url_for(".show"))

"""The shop's own database: users, their orders, and the keys of their programs."""

from __future__ import annotations

import hashlib
from decimal import Decimal

from flask import Flask
from flask_login import UserMixin
from sqlalchemy import ForeignKey, Numeric, select
from sqlalchemy.orm import Mapped, mapped_column
from werkzeug.security import generate_password_hash

from .extensions import db


class User(UserMixin, db.Model):  # type: ignore[name-defined]
    __tablename__ = "users"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(unique=True)
    password: Mapped[str]


class Order(db.Model):  # type: ignore[name-defined]
    __tablename__ = "orders"
    number: Mapped[str] = mapped_column(primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey(User.id), index=True)
    item: Mapped[str]
    price: Mapped[Decimal] = mapped_column(Numeric(10, 2))
    status: Mapped[str]


class ApiKey(db.Model):  # type: ignore[name-defined]
    """A key of a program; only its hash is stored."""

    __tablename__ = "api_keys"
    digest: Mapped[str] = mapped_column(primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey(User.id), index=True)


def digest_of(key: str) -> str:
    """Return what is stored of a key: it is long and random, so a plain hash is enough."""
    return hashlib.sha256(key.encode()).hexdigest()


DEMO_USERS = ((1, "anna", "anna-demo"), (2, "bert", "bert-demo"))
DEMO_ORDERS = (
    ("A-100", 1, "Kettle", "1049.50", "open"),
    ("A-101", 1, "Toaster", "39.00", "shipped"),
    ("B-200", 2, "Lamp", "25.00", "open"),
)


def add_demo(app: Flask) -> None:
    """Create missing tables and, in an empty database, the rows of the demo."""
    with app.app_context():
        db.create_all()
        if db.session.scalar(select(User.id).limit(1)) is not None:
            return
        for id, name, password in DEMO_USERS:
            db.session.add(User(id=id, name=name, password=generate_password_hash(password)))
        for number, user_id, item, price, status in DEMO_ORDERS:
            db.session.add(Order(number=number, user_id=user_id, item=item, price=Decimal(price), status=status))
        db.session.commit()

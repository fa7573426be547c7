"""The extensions that the app's modules share; `app.py` connects them."""

from __future__ import annotations

from flask import request
from flask_babel import Babel
from flask_caching import Cache
from flask_compress import Compress
from flask_limiter import Limiter
from flask_limiter.util import get_remote_address
from flask_login import LoginManager, current_user
from flask_sqlalchemy import SQLAlchemy
from flask_talisman import Talisman
from sqlalchemy.orm import DeclarativeBase

from flask_assistant_stream.csrf import CSRFProtect

LANGUAGES = ("en", "de")


class Base(DeclarativeBase):
    """The base of the tables."""


def counted_client() -> str:
    """Return the client whose requests are counted: the user, or the address without a login."""
    return f"user {current_user.get_id()}" if current_user.is_authenticated else get_remote_address()


def language() -> str | None:
    """Return the visitor's language; the assistant's tools have it, too."""
    return request.accept_languages.best_match(LANGUAGES)


db = SQLAlchemy(model_class=Base)
login_manager = LoginManager()
login_manager.login_view = "login.show"
csrf = CSRFProtect()  # Flask-WTF's, for an assistant that programs use, too
limiter = Limiter(counted_client, default_limits=["60 per minute"], headers_enabled=True)  # headers: Retry-After
cache = Cache()
babel = Babel()
talisman = Talisman()
compress = Compress()

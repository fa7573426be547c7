"""The extensions that the app's modules share."""

from __future__ import annotations

from flask_limiter import Limiter
from flask_limiter.util import get_remote_address
from flask_login import LoginManager, current_user
from flask_wtf.csrf import CSRFProtect


def who_asks() -> str:
    """Return whose requests are counted: the user's, or those of an address where nobody is logged in."""
    return f"user {current_user.get_id()}" if current_user.is_authenticated else get_remote_address()


login_manager = LoginManager()
login_manager.login_view = "login.show"
csrf = CSRFProtect()
limiter = Limiter(who_asks, default_limits=["60 per minute"], headers_enabled=True)  # headers: Retry-After

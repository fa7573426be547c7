"""The extensions that the app's modules share."""

from __future__ import annotations

from flask_limiter import Limiter
from flask_limiter.util import get_remote_address
from flask_login import LoginManager, current_user
from flask_wtf.csrf import CSRFProtect


def counted_client() -> str:
    """Return the client whose requests are counted: the user, or the address without a login."""
    return f"user {current_user.get_id()}" if current_user.is_authenticated else get_remote_address()


login_manager = LoginManager()
login_manager.login_view = "login.show"
csrf = CSRFProtect()
limiter = Limiter(counted_client, default_limits=["60 per minute"], headers_enabled=True)  # headers: Retry-After

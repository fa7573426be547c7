"""The assistant: its blueprint, owner and limits, and its page in the shop."""

from __future__ import annotations

from flask import Blueprint, Request, current_app, render_template, request
from flask_limiter import ExemptionScope
from flask_login import current_user, login_required

from flask_assistant_stream import Unauthorized, create_assistant_blueprint

from .extensions import db, limiter
from .models import ApiKey, digest_of
from .orders import cancel_order, my_orders, our_items

blueprint = Blueprint("support", __name__)


@blueprint.get("/support")
@login_required
def show() -> str:
    return render_template("support.html")


def authenticate(request: Request) -> str:
    """Return the id of the logged-in user, or of the user whose program has sent a key."""
    given = request.authorization
    if given is not None and given.type == "bearer":  # never the cookie with it: see docs/hosting.md
        key = db.session.get(ApiKey, digest_of(given.token or ""))
        if key is None:
            raise Unauthorized("Incorrect API key provided.")
        return str(key.user_id)
    if not current_user.is_authenticated:
        raise Unauthorized("Log in first.")
    user_id: str = current_user.get_id()
    return user_id


assistant = create_assistant_blueprint(
    instructions="You help customers of a shop with their orders, briefly.",
    authenticate=authenticate,
    tools=[my_orders, our_items, {"type": "file_search"}],
    ui=True,
)
assistant.tool(requires_approval=True)(cancel_order)


def is_for_programs() -> bool:
    """Return whether a request is one of the official OpenAI clients, which send many small ones."""
    return (request.endpoint or "").startswith(f"{assistant.name}.v1_")


def is_free() -> bool:
    """Return whether the page's limit leaves a request out: stopping a run saves money."""
    return request.endpoint == f"{assistant.name}.cancel_run" or is_for_programs()


# Every request of the page that costs money is a POST (messages, uploads, titles, outputs of tools).
limiter.shared_limit(
    lambda: current_app.config["SUPPORT_LIMIT"],
    scope="support",
    methods=["POST"],
    exempt_when=is_free,
    error_message="Too many messages. Wait a minute, then send it again.",
)(assistant)
limiter.shared_limit(
    lambda: current_app.config["PROGRAM_LIMIT"],
    scope="programs",
    exempt_when=lambda: not is_for_programs(),
    error_message="Too many requests. Wait a minute, then send it again.",
)(assistant)
# The page loads its scripts and polls the list of files while one is indexed: no default limit counts these requests.
limiter.exempt(assistant, flags=ExemptionScope.DEFAULT)

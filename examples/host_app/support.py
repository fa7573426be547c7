"""The assistant: its blueprint, owner and limits, and its page in the shop."""

from __future__ import annotations

from flask import Blueprint, Request, current_app, render_template, request
from flask_limiter import ExemptionScope
from flask_login import current_user, login_required

from flask_assistant_stream import Unauthorized, create_assistant_blueprint

from .extensions import limiter
from .orders import cancel_order, my_orders

blueprint = Blueprint("support", __name__)


@blueprint.get("/support")
@login_required
def show() -> str:
    return render_template("support.html")


def logged_in_user(_request: Request) -> str:
    if not current_user.is_authenticated:
        raise Unauthorized("Log in first.")
    user_id: str = current_user.get_id()
    return user_id


assistant = create_assistant_blueprint(
    instructions="You help customers of a shop with their orders, briefly.",
    authenticate=logged_in_user,
    tools=[my_orders, {"type": "file_search"}],
    ui=True,
)
assistant.tool(requires_approval=True)(cancel_order)


def costs_nothing() -> bool:
    """Return whether a request must never be refused: stopping a run saves money."""
    return request.endpoint == f"{assistant.name}.cancel_run"


# Every request that costs money is a POST (messages, uploads, titles, outputs of tools); they share one limit.
limiter.shared_limit(
    lambda: current_app.config["SUPPORT_LIMIT"],
    scope="support",
    methods=["POST"],
    exempt_when=costs_nothing,
    error_message="Too many messages. Wait a minute, then send it again.",
)(assistant)
# The page reads the list of files every second while one is indexed: no default limit counts that.
limiter.exempt(assistant, flags=ExemptionScope.DEFAULT)

"""The assistant: its blueprint, whose it is, what it may cost, and the page of the shop that it stands in."""

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
    """Say whether a request is one that must never be refused: stopping a run saves money."""
    return request.endpoint == f"{assistant.name}.cancel_run"


# Whatever costs money is a POST: messages, uploads, titles, outputs of tools. All of them count together.
limiter.shared_limit(
    lambda: current_app.config["SUPPORT_LIMIT"],
    scope="support",
    methods=["POST"],
    exempt_when=costs_nothing,
    error_message="That was a lot in a short time. Wait a minute, then go on.",
)(assistant)
# The page asks for the list of files every second while one is being indexed: no default limit may count that.
limiter.exempt(assistant, flags=ExemptionScope.DEFAULT)

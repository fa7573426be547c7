"""Orders: the page that lists them, and the assistant's tools."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, render_template
from flask_login import current_user, login_required

from flask_assistant_stream import ToolContext, ToolError

from .database import connection

blueprint = Blueprint("orders", __name__)


def orders_of(user_id: str) -> list[dict[str, Any]]:
    rows = connection().execute("SELECT number, item, status FROM orders WHERE user_id = ? ORDER BY number", (user_id,))
    return [dict(row) for row in rows]


@blueprint.get("/")
@login_required
def show() -> str:
    return render_template("orders.html", orders=orders_of(current_user.get_id()))


# -- tools of the assistant: `context.owner` is the result of `authenticate` ------------------------------------


def my_orders(context: ToolContext) -> list[dict[str, Any]]:
    """List the customer's orders."""
    return orders_of(context.owner)


def cancel_order(number: str, context: ToolContext) -> str:
    """Cancel an order that has not been shipped.

    Args:
        number: Of the order, such as A-100.
    """
    with connection() as database:
        cancelled = database.execute(
            "UPDATE orders SET status = 'cancelled' WHERE number = ? AND user_id = ? AND status = 'open'",
            (number, context.owner),
        )
    if not cancelled.rowcount:
        raise ToolError(f"The customer has no open order {number}.")
    return f"Order {number} is cancelled."

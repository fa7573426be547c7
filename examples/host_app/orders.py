"""Orders: the page that lists them, and the assistant's tools."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, render_template, url_for
from flask_babel import format_currency
from flask_login import current_user, login_required
from sqlalchemy import select

from flask_assistant_stream import ToolContext, ToolError

from .extensions import cache, db
from .models import Order

blueprint = Blueprint("orders", __name__)


def orders_of(user_id: str) -> list[dict[str, Any]]:
    """Return a user's orders with their prices in the visitor's language."""
    orders = db.session.scalars(select(Order).where(Order.user_id == int(user_id)).order_by(Order.number))
    return [
        {
            "number": order.number,
            "item": order.item,
            "price": format_currency(order.price, "EUR"),
            "status": order.status,
        }
        for order in orders
    ]


@cache.memoize(timeout=60)
def items() -> list[str]:
    """Return the names of all items; the same for everybody, so it may be cached."""
    return [*db.session.scalars(select(Order.item).distinct().order_by(Order.item))]


@blueprint.get("/")
@login_required
def show() -> str:
    return render_template("orders.html", orders=orders_of(current_user.get_id()))


# -- tools of the assistant: `context.owner` is the result of `authenticate` ------------------------------------


def my_orders(context: ToolContext) -> dict[str, Any]:
    """List the customer's orders, and the address of the page that shows them."""
    return {"orders": orders_of(context.owner), "page": url_for("orders.show", _external=True)}


def our_items() -> list[str]:
    """List what the shop sells."""
    return items()


def cancel_order(number: str, context: ToolContext) -> str:
    """Cancel an order that has not been shipped.

    Args:
        number: Of the order, such as A-100.
    """
    query = select(Order).where(Order.number == number, Order.user_id == int(context.owner), Order.status == "open")
    order = db.session.scalar(query.with_for_update())
    if order is None:
        raise ToolError(f"The customer has no open order {number}.")
    order.status = "cancelled"
    db.session.commit()
    return f"Order {number} is cancelled."

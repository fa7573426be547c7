r"""Tools that run on the server: `flask --app examples/tools_app.py run`, no key needed.

The offline engine calls a tool when the message is its name with a slash and JSON; a model calls it when it needs to.

    API=http://127.0.0.1:5000/api/assistants
    curl -N -d '{"content": "/shipping_cost {\"country\": \"NO\", \"kilos\": 2}"}' $API/chat/stream
    curl -N -d '{"content": "/my_orders {\"status\": \"open\"}"}' $API/chat/stream
    curl -N -d '{"content": "/my_orders {\"status\": \"lost\"}"}' $API/chat/stream     # the model reads the error

`cancel_order` asks first. Its stream ends with `thread.run.requires_action`; the object has `id` (the run), `thread_id`
and, in `required_action`, the call: its `id`, and `approval.cancel_order` for a name. The output `true` approves it:

    curl -N -d '{"content": "/cancel_order {\"number\": \"A-100\"}"}' $API/chat/stream
    THREAD=thread_…; RUN=run_…; CALL=call_…
    curl -N -d '{"runId": "'$RUN'", "toolCallOutputs": [{"tool_call_id": "'$CALL'", "output": "true"}]}' \
        $API/threads/$THREAD/actions
    curl -N -d '{"content": "/my_orders"}' $API/chat/stream                            # cancelled
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from flask import Flask, current_app
from pydantic import Field

from flask_assistant_stream import ToolContext, ToolError, create_assistant_blueprint, shared_owner

Status = Literal["open", "shipped", "cancelled"]


@dataclass
class Order:
    number: str
    owner: str
    status: Status


def shipping_cost(country: Literal["NO", "SE", "DK"], kilos: Annotated[float, Field(gt=0, le=30)]) -> str:
    """Return the price of sending a parcel.

    Args:
        country: Destination.
        kilos: Weight.
    """
    return f"{5 + 1.5 * kilos + (3 if country == 'NO' else 0):.2f} EUR"


def my_orders(context: ToolContext, status: Status | None = None) -> list[Order]:
    """List the customer's orders.

    Args:
        status: Only these; all without it.
    """
    orders: dict[str, Order] = current_app.extensions["orders"]
    return [each for each in orders.values() if each.owner == context.owner and status in (None, each.status)]


blueprint = create_assistant_blueprint(
    instructions="You answer questions about orders, briefly.",
    authenticate=shared_owner("anna"),  # a real app passes a function that returns the logged-in user's id
    tools=[shipping_cost, my_orders],
)


@blueprint.tool(requires_approval=True, timeout_seconds=5)
def cancel_order(number: str, context: ToolContext) -> str:
    """Cancel an order that has not been shipped.

    Args:
        number: Of the order, such as A-100.
    """
    order: Order | None = current_app.extensions["orders"].get(number)
    if order is None or order.owner != context.owner:
        raise ToolError(f"There is no order {number}.")
    if order.status != "open":
        raise ToolError(f"Order {number} is {order.status} already.")
    order.status = "cancelled"
    return f"Order {number} is cancelled."


def create_app() -> Flask:
    app = Flask(__name__)
    app.config.from_prefixed_env()
    orders = (Order("A-100", "anna", "open"), Order("A-101", "anna", "shipped"), Order("A-102", "bert", "open"))
    app.extensions["orders"] = {order.number: order for order in orders}
    app.register_blueprint(blueprint, url_prefix="/api/assistants")
    return app

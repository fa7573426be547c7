"""The server side of OpenAI's quickstart front-end (openai-assistants-quickstart), whose page is unchanged.

    python examples/quickstart_host.py                # at http://127.0.0.1:5000; or, with several workers:
    gunicorn --config examples/gunicorn.conf.py --bind 127.0.0.1:5000 --chdir examples 'quickstart_host:create_app()'

Send the front-end's `/api` here instead of to its own routes. Its `next.config.mjs`, beside its `package.json`:

    const api = { source: "/api/:path*", destination: "http://127.0.0.1:5000/api/:path*" };
    export default { rewrites: async () => ({ beforeFiles: [api] }) };

Then `npm install && OPENAI_ASSISTANT_ID=asst_default npm run dev` there, and open http://localhost:3000. Its
layout shows only its set-up page without an id; `asst_default` is the assistant of this app. Without a key the offline
engine answers; it calls the page's function for the message `/get_weather {"location": "Paris"}` and answers from
uploaded files. With `OPENAI_API_KEY` set, a model answers and runs code, too; with another `OPENAI_BASE_URL` it answers
without code, as most servers have no code interpreter.

The page calls these paths:

    POST   /api/assistants                          the assistant's id
    POST   /api/assistants/threads                  a new thread
    POST   /api/assistants/threads/{id}/messages    a message; the answer is a stream
    POST   /api/assistants/threads/{id}/actions     outputs of its functions; the rest of the stream
    *      /api/assistants/files                    list, upload, delete
    GET    /api/files/{id}                          a file's bytes: an image in a text, or a link

docs/front-ends.md has the rest: other front-ends, proxies, and what compat mode changes.
"""

from __future__ import annotations

import os

from flask import Flask
from werkzeug.middleware.proxy_fix import ProxyFix

from flask_assistant_stream import create_assistant_blueprint, shared_owner

GET_WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "Look up the weather at a place",
        "parameters": {
            "type": "object",
            "properties": {
                "location": {"type": "string", "description": "City and country, such as Oslo, Norway"},
                "unit": {"type": "string", "enum": ["c", "f"]},
            },
            "required": ["location"],
        },
    },
}
"""The page's function: it shows the weather and answers the call."""


def runs_code(app: Flask) -> bool:
    """Return whether the upstream has a code interpreter: a run with this tool fails at a server without one."""
    settings = {**os.environ, **app.config}
    return not settings.get("OPENAI_BASE_URL") or settings.get("ASSISTANT_UPSTREAM_PROFILE") in ("openai", "azure")


def create_app() -> Flask:
    app = Flask(__name__)
    app.config.from_prefixed_env()
    code = [{"type": "code_interpreter"}] if runs_code(app) else []
    app.register_blueprint(
        create_assistant_blueprint(
            instructions="You are a helpful assistant.",
            tools=[GET_WEATHER, {"type": "file_search"}, *code],
            authenticate=shared_owner("quickstart"),  # or your login; the page sends the cookies of its own origin
            quickstart_compat=True,
        ),
        url_prefix="/api/assistants",
    )
    # The page loads files from here, the same route under a second address.
    app.add_url_rule("/api/files/<file_id>", "assistant_stream.download_file")
    # Next sends the browser's host. Only behind Next or another proxy: any other client could send any host.
    app.wsgi_app = ProxyFix(app.wsgi_app, x_for=0, x_proto=0, x_host=1)  # type: ignore[method-assign]
    return app


if __name__ == "__main__":
    create_app().run(port=5000, threaded=True)

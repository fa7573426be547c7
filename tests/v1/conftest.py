"""Sites of the routes' tests, and servers for the official clients; paths are those of the SDK face."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import openai
import pytest
from werkzeug.test import TestResponse

from tests.fake_upstream import UpstreamProcess
from tests.node_clients import NODE_VERSIONS, node_script
from tests.routes.conftest import MakeSite, Site, make_site
from tests.server_process import PREFIX, ServerProcess, gunicorn, serving
from tests.stack.app import API_KEY
from tests.stack.conftest import played
from tests.translation.material import COMPONENTS, shared_missing, validate

__all__ = ["MakeSite", "Site", "make_site", "played"]

PARAMETERS: dict[str, Any] = {"type": "object", "properties": {}}
WEATHER: dict[str, Any] = {"type": "function", "function": {"name": "get_weather", "parameters": PARAMETERS}}
ANSWERS = {
    **COMPONENTS,
    "assistant": "AssistantObject",
    "file": "OpenAIFile",
    "vector_store": "VectorStoreObject",
    "vector_store.file": "VectorStoreFileObject",
    "vector_store.files_batch": "VectorStoreFileBatchObject",
    "vector_store.search_results.page": "VectorStoreSearchResultsPage",
    "vector_store.file_content.page": "VectorStoreFileContentResponse",
    "vector_store.deleted": "DeleteVectorStoreResponse",
    "vector_store.file.deleted": "DeleteVectorStoreFileResponse",
    "assistant.deleted": "DeleteAssistantResponse",
    "thread.deleted": "DeleteThreadResponse",
    "thread.message.deleted": "DeleteMessageResponse",
}
NULLS = {"file": {"expires_at", "status_details"}, "vector_store": {"expires_after"}}
"""Keys that may be null in responses, although the description does not allow it."""


def compare(answer: Any) -> None:
    """Compare the JSON answers of a server with the API description."""
    assert answer.headers["x-request-id"]
    if answer.headers["content-type"] != "application/json":
        return
    answer.read()
    compare_body(answer.json())


def compare_body(body: Any) -> None:
    if shared_missing():
        return
    if "error" in body:
        validate("ErrorResponse", body)
        return
    for item in body["data"] if body["object"] == "list" else [body]:
        empty = {key for key in NULLS.get(item["object"], ()) if item.get(key, "") is None}
        name = "DeleteFileResponse" if item["object"] == "file" and "deleted" in item else ANSWERS[item["object"]]
        validate(name, {key: value for key, value in item.items() if key not in empty})


def bad(field: str, *values: Any, param: str = "") -> list[tuple[dict[str, Any], str]]:
    """Return a body with each bad value of a field, and the `param` of its error: the field, unless it is deeper."""
    return [({field: value}, param or field) for value in values]


def refused(answer: TestResponse, status: int, message: str, param: str | None = None) -> None:
    assert answer.status_code == status, answer.text
    error = answer.get_json()["error"]
    missing = error["code"] == "missing_required_parameter"
    assert error["message"].startswith(f"Missing required parameter: '{param}'." if missing else message), error
    assert (error["type"], error["param"]) == ("invalid_request_error", param)
    assert answer.headers["X-Request-Id"]


def new_assistant(site: Site, **fields: Any) -> dict[str, Any]:
    answer = site.post("/v1/assistants", {"model": "m", **fields})
    assert answer.status_code == 200, answer.text
    return dict(answer.get_json())


def new_thread(site: Site, *texts: str, **fields: Any) -> str:
    """Create a thread with user messages and return its id."""
    messages = [{"role": "user", "content": text} for text in texts]
    answer = site.post("/v1/threads", {"messages": messages, **fields})
    assert answer.status_code == 200, answer.text
    return str(answer.get_json()["id"])


def ended(site: Site, run: dict[str, Any]) -> dict[str, Any]:
    """Wait until a run has ended or needs tool outputs, and return it."""
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        body: dict[str, Any] = site.get(f"/v1/threads/{run['thread_id']}/runs/{run['id']}").get_json()
        if body["status"] not in ("queued", "in_progress", "cancelling"):
            return body
        time.sleep(0.01)
    raise AssertionError(f"the run did not end: {body}")


@pytest.fixture(scope="module")
def server(
    module_store: str, played: UpstreamProcess, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ServerProcess]:
    folder = tmp_path_factory.mktemp("sdk")
    with serving(gunicorn(), folder, store=module_store, upstream=played.base_url) as running:
        yield running


@pytest.fixture(scope="module")
def sqlite_server(played: UpstreamProcess, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    with serving(gunicorn(), tmp_path_factory.mktemp("sdk"), upstream=played.base_url) as running:
        yield running


def node_report(script: str) -> Any:
    """Return a fixture: what each version of the Node client received, as `tests/node/<script>` reports it."""

    @pytest.fixture(scope="module", params=NODE_VERSIONS)
    def report(request: pytest.FixtureRequest, sqlite_server: ServerProcess) -> Any:
        return node_script(script, request.param, f"{sqlite_server.origin}{PREFIX}/v1", API_KEY)

    return report


@pytest.fixture
def client(server: ServerProcess) -> Iterator[openai.OpenAI]:
    http = openai.DefaultHttpxClient(event_hooks={"response": [compare]})
    options: Any = {"http_client": http, "max_retries": 0, "_strict_response_validation": True}
    with openai.OpenAI(base_url=f"{server.origin}{PREFIX}/v1", api_key=API_KEY, **options) as connected:
        yield connected

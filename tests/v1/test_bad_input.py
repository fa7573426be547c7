"""A bad request gets status, text and param, and changes nothing: neither in the store nor upstream.

What one resource alone refuses is in the tests of that resource; here is what all of them have in common.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from werkzeug.test import TestResponse

from flask_assistant_stream.stores.base import Kind
from flask_assistant_stream.testing.scripted import call, text
from tests.routes.conftest import build

from .conftest import WEATHER, Site, bad, ended, new_assistant, new_thread, refused

JSON = {"Content-Type": "application/json"}
USER = {"role": "user", "content": "x"}
DEFAULT = {"assistant_id": "asst_default"}
LIMIT = 2000
"""Characters of a message, as the site under test has it."""


class Scene:
    """A site with one of everything; nothing that is refused may change it."""

    def __init__(self, site: Site) -> None:
        self.site = site
        assistant = new_assistant(site, name="N")["id"]
        thread, elsewhere = new_thread(site, "one", metadata={"a": "b"}), new_thread(site, "two")
        run, waiting = self._run(thread), self._run(thread)
        self.names = {
            "assistant": assistant,
            "thread": thread,
            "elsewhere": elsewhere,
            "run": run["id"],
            "waiting": waiting["id"],
            "run_elsewhere": self._run(elsewhere)["id"],
            "call": waiting["required_action"]["submit_tool_outputs"]["tool_calls"][0]["id"],
            "message": self._first(f"/v1/threads/{thread}/messages"),
            "message_elsewhere": self._first(f"/v1/threads/{elsewhere}/messages"),
            "step": self._first(f"/v1/threads/{thread}/runs/{run['id']}/steps"),
            "step_of_waiting": self._first(f"/v1/threads/{thread}/runs/{waiting['id']}/steps"),
            "bens_assistant": site.post("/v1/assistants", {"model": "m"}, user="ben").get_json()["id"],
        }
        self.before = self.look()

    def _run(self, thread: str) -> dict[str, Any]:
        answer = self.site.post(f"/v1/threads/{thread}/runs", {**DEFAULT, "tools": [WEATHER]})
        return ended(self.site, answer.get_json())

    def _first(self, path: str) -> str:
        return str(self.site.get(f"{path}?order=asc").get_json()["data"][0]["id"])

    def look(self) -> Any:
        """Return all stored objects, and the number of upstream requests."""
        store = self.site.registration.store
        threads = store.list(Kind.THREAD, "anna", limit=100).records
        runs = [run for thread in threads for run in store.list(Kind.RUN, "anna", parent=thread.id, limit=100).records]
        steps = [step.body for run in runs for step in store.list(Kind.RUN_STEP, "anna", parent=run.id).records]
        return self.site.contents(), steps, len(self.site.engine.requests)

    def request(self, method: str, path: str, **options: Any) -> TestResponse:
        return self.site.request(method, "/v1" + path.format(**self.names), **options)

    def request_with_body(self, method: str, path: str, **options: Any) -> TestResponse:
        """Send a body that is valid on every path, unless the method is sent without one."""
        outputs = [{"tool_call_id": self.names["call"], "output": "x"}]
        body: dict[str, Any] = {**DEFAULT, "metadata": {"k": "v"}, "tool_outputs": outputs}
        if path.endswith("messages"):
            body |= USER
        return self.request(method, path, **options, **({"json": body} if method == "POST" else {}))


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    site = build(
        tmp_path_factory.mktemp("scene"), text("Hi."), call("get_weather"), text("Hi."), max_content_chars=LIMIT
    )
    yield Scene(site)
    site.close()


@pytest.fixture
def scene(stage: Scene) -> Iterator[Scene]:
    """Return the scene, and check afterwards that nothing has changed."""
    yield stage
    assert stage.look() == stage.before


UPDATES = [
    "/assistants/{assistant}",
    "/threads/{thread}",
    "/threads/{thread}/messages/{message}",
    "/threads/{thread}/runs/{run}",
]
WITH_BODY = [
    *UPDATES,
    "/assistants",
    "/threads",
    "/threads/{thread}/messages",
    "/threads/{elsewhere}/runs",
    "/threads/runs",
    "/threads/{thread}/runs/{waiting}/submit_tool_outputs",
]


@pytest.mark.parametrize(
    "data",
    ["{", '{"a": 1}}', "[]", '"text"', "5", "null", b"\xff\xfe", '{"a": NaN}', "[" * 100_000, "a=b&c=d"],
    ids=["cut off", "too much", "list", "string", "number", "null", "not UTF-8", "NaN", "too deep", "form"],
)
@pytest.mark.parametrize("path", WITH_BODY)
def test_a_body_that_is_not_a_json_object(scene: Scene, path: str, data: str | bytes) -> None:
    refused(scene.request("POST", path, data=data, headers=JSON), 400, "The body ")


@pytest.mark.parametrize(
    ("path", "param"),
    [
        ("/assistants", "model"),
        ("/threads/{thread}/messages", ""),
        ("/threads/{elsewhere}/runs", "assistant_id"),
        ("/threads/runs", "assistant_id"),
        ("/threads/{thread}/runs/{waiting}/submit_tool_outputs", "tool_outputs"),
    ],
)
@pytest.mark.parametrize("data", ["", " ", "{}"])
def test_an_empty_body_where_a_field_is_needed(scene: Scene, path: str, param: str, data: str) -> None:
    answer = scene.request("POST", path, data=data, headers={**JSON, "Content-Length": str(len(data))})
    if param:
        refused(answer, 400, f"Invalid '{param}'", param)
    else:
        assert (answer.status_code, answer.get_json()["error"]["param"] in ("role", "content")) == (400, True)


@pytest.mark.parametrize("path", UPDATES)
def test_an_empty_update_changes_nothing(scene: Scene, path: str) -> None:
    answer = scene.request("POST", path, headers={**JSON, "Content-Length": "0"})
    assert answer.status_code == 200
    assert answer.get_json() == scene.request("GET", path).get_json()


def test_empty_bodies_that_are_json_by_their_header(stage: Scene) -> None:
    site, headers = stage.site, {**JSON, "Content-Length": "0"}
    created = site.request("POST", "/v1/threads", headers=headers)
    assert created.status_code == 200
    thread = created.get_json()["id"]
    message = site.post(f"/v1/threads/{thread}/messages", {"role": "user", "content": "x"}).get_json()["id"]
    paths = [f"/threads/{thread}/messages/{message}", f"/threads/{thread}", f"/assistants/{new_assistant(site)['id']}"]
    for path in paths:
        deleted = site.request("DELETE", f"/v1{path}", headers=headers)
        assert (deleted.status_code, deleted.get_json()["deleted"]) == (200, True)
    answer = stage.request("POST", "/threads/{thread}/runs/{run}/cancel", headers=headers)
    refused(answer, 400, "Cannot cancel run with status 'completed'.")
    assert stage.look() == stage.before


BAD_PAIRS: list[Any] = [{"k" * 65: "x"}, {"k": "x" * 513}, {"k": 1}, {"k": None}, {"k": {"a": "b"}}, {"k": "\0"}]
BAD_METADATA = [*BAD_PAIRS, {"k\0": "x"}, {"k": "\ud800"}, {str(n): "x" for n in range(17)}, [], "x", True]


@pytest.mark.parametrize("metadata", BAD_METADATA, ids=str)
@pytest.mark.parametrize(
    ("path", "body"),
    [
        *((path, {}) for path in ["/threads", *UPDATES]),
        ("/assistants", {"model": "m"}),
        ("/threads/{thread}/messages", USER),
        ("/threads/{elsewhere}/runs", DEFAULT),
        ("/threads/runs", DEFAULT),
    ],
)
def test_metadata(scene: Scene, path: str, body: dict[str, Any], metadata: Any) -> None:
    answer = scene.request("POST", path, json={**body, "metadata": metadata})
    refused(answer, 400, "Invalid 'metadata'", "metadata")


def test_values_just_within_the_limits(stage: Scene) -> None:
    metadata = {f"{number:064}": "x" * 512 for number in range(16)}
    texts = {"name": "n" * 256, "description": "d" * 512, "instructions": "i" * 256_000}
    fields = {**texts, "metadata": metadata, "temperature": 2, "top_p": 0}
    assistant = new_assistant(stage.site, **fields, tools=[WEATHER] * 128)
    assert fields.items() <= assistant.items()
    assert len(assistant["tools"]) == 128
    assert stage.request("DELETE", f"/assistants/{assistant['id']}").status_code == 200
    thread = new_thread(stage.site, "x" * LIMIT, metadata=metadata)
    run = {"max_prompt_tokens": 256, "max_completion_tokens": 256, "metadata": metadata}
    answer = stage.request("POST", f"/threads/{thread}/runs", json={**DEFAULT, "tools": [WEATHER] * 20, **run})
    assert answer.status_code == 200, answer.text
    assert run.items() <= ended(stage.site, answer.get_json()).items()  # it has no script, so it fails
    assert stage.request("DELETE", f"/threads/{thread}").status_code == 200
    stage.before = stage.look()


TOO_LONG = {**USER, "content": "x" * (LIMIT + 1)}
SCHEMA_NAME = "response_format.json_schema.name"
RUNS = [
    *bad("assistant_id", None, 5, "", "a" * 129),
    *bad("model", "", "m" * 257),
    *bad("instructions", "i" * 256_001, ["be", "brief"]),
    *bad("tools", {}, [WEATHER] * 21),
    *bad("tools", [{"type": "function", "function": {"name": ""}}], param="tools[0].function.name"),
    *bad("tools", [WEATHER, {"type": "retrieval"}], param="tools[1].type"),
    *bad("temperature", -0.1, 3),
    *bad("top_p", 1.1, "1"),
    *bad("stream", 1, "yes"),
    *bad("max_prompt_tokens", "256", -256, 255),
    *bad("max_completion_tokens", True, 1.5, 2**60),
    *bad("truncation_strategy", "auto"),
    *bad("truncation_strategy", {}, {"type": "last"}, param="truncation_strategy.type"),
    *bad("truncation_strategy", {"type": "last_messages"}, param="truncation_strategy.last_messages"),
    *(
        ({"truncation_strategy": {"type": "last_messages", "last_messages": n}}, "truncation_strategy.last_messages")
        for n in ("2", 0)
    ),
    *bad("tool_choice", "always"),
    *bad("tool_choice", {"type": "web_search"}, param="tool_choice.type"),
    *bad("tool_choice", {"type": "function"}, param="tool_choice.function"),
    *bad("tool_choice", {"type": "function", "function": {"name": "a b"}}, param="tool_choice.function.name"),
    *bad("response_format", 5, "text"),
    *bad("response_format", {"type": "json_schema", "json_schema": {"name": "n" * 65}}, param=SCHEMA_NAME),
    *bad("response_format", {"type": "json_schema", "json_schema": {}}, param=SCHEMA_NAME),
    *bad("parallel_tool_calls", "false", 1),
    *bad("metadata", "x"),
]
ON_A_THREAD = [
    *bad("reasoning_effort", "some"),
    *bad("additional_instructions", "i" * 256_001),
    *bad("additional_messages", "x", [USER] * 129),
    *bad("additional_messages", ["x"], param="additional_messages[0]"),
    *bad("additional_messages", [{"content": "x"}], param="additional_messages[0].role"),
    *bad("additional_messages", [USER, {**USER, "role": "system"}], param="additional_messages[1].role"),
    *bad("additional_messages", [{**USER, "metadata": {"a": 1}}], param="additional_messages[0].metadata"),
    *bad("additional_messages", [USER, TOO_LONG], param="additional_messages[1].content"),
]
TWO_STORES = {"file_search": {"vector_store_ids": ["a", "b"]}}
WITH_A_THREAD = [
    *bad("thread", "thread_1"),
    *bad("thread", {"messages": {}}, {"messages": [USER] * 129}, param="thread.messages"),
    *bad("thread", {"messages": [USER, {"role": "user"}]}, param="thread.messages[1].content"),
    *bad("thread", {"messages": [TOO_LONG]}, param="thread.messages[0].content"),
    *bad("thread", {"metadata": {"k": 1}}, param="thread.metadata"),
    *bad("thread", {"tool_resources": TWO_STORES}, param="thread.tool_resources.file_search.vector_store_ids"),
    *bad("tool_resources", []),
    *bad("tool_resources", {"code_interpreter": {"file_ids": "f"}}, param="tool_resources.code_interpreter.file_ids"),
]


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("path", "body", "param"),
    [
        *(("/threads/{elsewhere}/runs", *row) for row in RUNS + ON_A_THREAD),
        *(("/threads/runs", *row) for row in RUNS + WITH_A_THREAD),
    ],
)
def test_runs(scene: Scene, path: str, body: dict[str, Any], param: str, stream: bool) -> None:
    answer = scene.request("POST", path, json={**DEFAULT, "stream": stream, **body})
    assert answer.content_type == "application/json"
    refused(answer, 400, f"Invalid '{param}'", param)


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("outputs", "param"),
    [
        (None, "tool_outputs"),
        ("sunny", "tool_outputs"),
        ({"{call}": "sunny"}, "tool_outputs"),
        (["sunny"], "tool_outputs[0]"),
        ([{}], "tool_outputs[0].tool_call_id"),
        *(([{"tool_call_id": id, "output": "x"}], "tool_outputs[0].tool_call_id") for id in (5, "")),
        *(
            ([{"tool_call_id": "{call}", "output": output}], "tool_outputs[0].output")
            for output in (5, {"sun": True}, "\0", "x" * (LIMIT + 1))
        ),
        ([{"tool_call_id": f"call_{number}", "output": "x"} for number in range(129)], "tool_outputs"),
    ],
    ids=range(12),
)
def test_tool_outputs(scene: Scene, outputs: Any, param: str, stream: bool) -> None:
    body = json.dumps({"tool_outputs": outputs, "stream": stream}).replace("{call}", scene.names["call"])
    answer = scene.request("POST", "/threads/{thread}/runs/{waiting}/submit_tool_outputs", data=body, headers=JSON)
    refused(answer, 400, f"Invalid '{param}'", param)


def test_a_thread_whose_run_waits(scene: Scene) -> None:
    answer = scene.request("POST", "/threads/{thread}/messages", json=USER)
    refused(answer, 400, "Can't add messages to {thread} while a run {waiting} is active.".format(**scene.names))
    for stream in (False, True):
        body = {**DEFAULT, "additional_messages": [USER], "stream": stream}
        answer = scene.request("POST", "/threads/{thread}/runs", json=body)
        refused(answer, 400, "Thread {thread} already has an active run {waiting}.".format(**scene.names))


@pytest.mark.parametrize("role", ["user", "assistant"])
@pytest.mark.parametrize("path", ["/threads/{elsewhere}/messages", "/threads/{thread}/messages"])
def test_a_message_over_the_limit(scene: Scene, path: str, role: str) -> None:
    answer = scene.request("POST", path, json={"role": role, "content": "x" * (LIMIT + 1)})
    refused(
        answer, 400, f"Invalid 'content': string too long. Expected a string with maximum length {LIMIT}", "content"
    )


@pytest.mark.parametrize(
    "resources",
    ["vs_1", {"file_search": {"vector_store_ids": [""]}}, TWO_STORES, {"code_interpreter": {"file_ids": ["f"] * 21}}],
)
@pytest.mark.parametrize("path", ["/threads", "/threads/{thread}"])
def test_threads(scene: Scene, path: str, resources: Any) -> None:
    answer = scene.request("POST", path, json={"tool_resources": resources, "metadata": {"new": "x"}})
    assert answer.status_code == 400
    error = answer.get_json()["error"]
    assert error["param"].startswith("tool_resources")
    assert error["message"].startswith(f"Invalid '{error['param']}'")


LISTS = ["/threads/{thread}/messages", "/threads/{thread}/runs", "/threads/{thread}/runs/{run}/steps"]
LIMITS = ["limit=-1", "limit=0", "limit=101", "limit=1e2", "limit=", "limit=%D9%A3", "limit=" + "9" * 5000]
PLACES = ["after={assistant}", "after={message_elsewhere}", "after={run_elsewhere}", "after=", "after=%00"]
MORE_PLACES = ["before={thread}", "before={step_of_waiting}", "before=" + "x" * 129]


@pytest.mark.parametrize("query", [*LIMITS, "order=ASC", "order=", *PLACES, *MORE_PLACES])
@pytest.mark.parametrize("path", LISTS)
def test_lists(scene: Scene, path: str, query: str) -> None:
    param = query.partition("=")[0]
    refused(scene.request("GET", f"{path}?{query}"), 400, f"Invalid '{param}'", param)


def test_objects_of_other_lists_of_the_same_thread(scene: Scene) -> None:
    for path, other in zip(LISTS, ("{run}", "{message}", "{run}"), strict=True):
        refused(scene.request("GET", f"{path}?after={other}"), 400, "Invalid 'after'", "after")
    refused(scene.request("GET", "/assistants?after={bens_assistant}"), 400, "Invalid 'after'", "after")
    refused(scene.request("GET", f"{LISTS[0]}?run_id={'x' * 129}"), 400, "Invalid 'run_id'", "run_id")


CONTENT = "step_details.tool_calls[*].file_search.results[*].content"


@pytest.mark.parametrize(
    ("query", "param"),
    [
        ("include[]=", "include[][0]"),
        ("include[]=content", "include[][0]"),
        ("include%5B%5D=%00", "include[][0]"),
        (f"include[]={CONTENT}&include[]=all", "include[][1]"),
        (f"include[]={CONTENT},{CONTENT}", "include[][0]"),
    ],
)
@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/threads/{thread}/runs/{run}/steps"),
        ("GET", "/threads/{thread}/runs/{run}/steps/{step}"),
        ("POST", "/threads/{elsewhere}/runs"),
    ],
)
def test_include(scene: Scene, method: str, path: str, query: str, param: str) -> None:
    refused(scene.request_with_body(method, f"{path}?{query}"), 400, f"Invalid '{param}'", param)


THREAD_PATHS = {
    "": "GET POST DELETE",
    "/messages": "GET POST",
    "/messages/{message}": "GET POST DELETE",
    "/runs": "GET POST",
    "/runs/{run}": "GET POST",
    "/runs/{waiting}/cancel": "POST",
    "/runs/{waiting}/submit_tool_outputs": "POST",
    "/runs/{run}/steps": "GET",
    "/runs/{run}/steps/{step}": "GET",
}
UNKNOWN = ["thread_x", "msg", "x" * 3000, "%00", "%F0%9F%91%8B", "..", "{run}"]


@pytest.mark.parametrize(
    ("method", "path"), [(method, path) for path, methods in THREAD_PATHS.items() for method in methods.split()]
)
def test_threads_that_are_unknown_or_of_another_owner(scene: Scene, method: str, path: str) -> None:
    for thread in UNKNOWN:
        answer = scene.request_with_body(method, f"/threads/{thread}{path}")
        refused(answer, 404, "No thread found with id '")
    answer = scene.request_with_body(method, f"/threads/{{thread}}{path}", user="ben")
    refused(answer, 404, "No thread found with id '{thread}'.".format(**scene.names))


@pytest.mark.parametrize(
    ("method", "path", "text"),
    [
        ("DELETE", "/threads/{thread}/messages/msg_x", "No message found with id 'msg_x'."),
        ("DELETE", "/threads/{elsewhere}/messages/{message}", "No message found with id '{message}'."),
        ("POST", "/threads/{elsewhere}/messages/{message}", "No message found with id '{message}'."),
        ("GET", "/threads/{thread}/messages/{run}", "No message found with id '{run}'."),
        ("GET", "/threads/{thread}/runs/{message}", "No run found with id '{message}'."),
        ("POST", "/threads/{elsewhere}/runs/{run}", "No run found with id '{run}'."),
        ("POST", "/threads/{elsewhere}/runs/{waiting}/cancel", "No run found with id '{waiting}'."),
        ("POST", "/threads/{elsewhere}/runs/{waiting}/submit_tool_outputs", "No run found with id '{waiting}'."),
        ("GET", "/threads/{thread}/runs/{waiting}/steps/{step}", "No run step found with id '{step}'."),
        ("GET", "/threads/{elsewhere}/runs/{run}/steps/{step}", "No run found with id '{run}'."),
        ("POST", "/assistants/asst_x", "No assistant found with id 'asst_x'."),
        ("POST", "/assistants/{bens_assistant}", "No assistant found with id '{bens_assistant}'."),
        ("DELETE", "/assistants/{thread}", "No assistant found with id '{thread}'."),
        ("GET", "/assistants/%00", "No assistant found with id '"),
    ],
)
def test_other_ids(scene: Scene, method: str, path: str, text: str) -> None:
    refused(scene.request_with_body(method, path), 404, text.format(**scene.names))


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("path", ["/threads/{elsewhere}/runs", "/threads/runs"])
def test_assistants_that_cannot_run(scene: Scene, path: str, stream: bool) -> None:
    gone = new_assistant(scene.site)["id"]
    assert scene.request("DELETE", f"/assistants/{gone}").status_code == 200
    for id in (gone, scene.names["bens_assistant"], scene.names["thread"], "asst_x"):
        body = {"assistant_id": id, "additional_messages": [USER], "thread": {"messages": [USER]}, "stream": stream}
        answer = scene.request("POST", path, json=body)
        refused(answer, 404, f"No assistant found with id '{id}'.", "assistant_id")

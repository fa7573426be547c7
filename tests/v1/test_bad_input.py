"""A bad request gets status, text and param, and changes nothing: neither in the store nor upstream.

What one resource alone refuses is in the tests of that resource; here is what all of them have in common.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from werkzeug.test import TestResponse

from flask_assistant_stream.stores.base import Kind
from flask_assistant_stream.testing.scripted import call, text
from tests.routes.conftest import build

from .conftest import WEATHER, Site, ended, new_assistant, new_thread, refused

JSON = {"Content-Type": "application/json"}
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
        answer = self.site.post(f"/v1/threads/{thread}/runs", {"assistant_id": "asst_default", "tools": [WEATHER]})
        return ended(self.site, answer.get_json())

    def _first(self, path: str) -> str:
        return str(self.site.get(f"{path}?order=asc").get_json()["data"][0]["id"])

    def look(self) -> Any:
        """Return all stored objects, and the number of upstream requests."""
        store = self.site.registration.store
        threads = store.list(Kind.THREAD, "anna", limit=100).records
        runs = [run for one in threads for run in store.list(Kind.RUN, "anna", parent=one.id, limit=100).records]
        steps = [step.body for run in runs for step in store.list(Kind.RUN_STEP, "anna", parent=run.id).records]
        return self.site.contents(), steps, len(self.site.engine.requests)

    def request(self, method: str, path: str, **options: Any) -> TestResponse:
        return self.site.request(method, "/v1" + path.format(**self.names), **options)


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    site = build(
        tmp_path_factory.mktemp("scene"), text("Hi."), call("get_weather"), text("Hi."), max_content_chars=LIMIT
    )
    yield Scene(site)
    site.registration.runner.stop()
    site.registration.store.close()


@pytest.fixture
def scene(stage: Scene) -> Iterator[Scene]:
    """Return the scene, and check afterwards that nothing has changed."""
    yield stage
    assert stage.look() == stage.before


# -- bodies ---------------------------------------------------------------------------------------------------

WITH_BODY = [
    "/assistants",
    "/assistants/{assistant}",
    "/threads",
    "/threads/{thread}",
    "/threads/{thread}/messages",
    "/threads/{thread}/messages/{message}",
    "/threads/{elsewhere}/runs",
    "/threads/runs",
    "/threads/{thread}/runs/{run}",
    "/threads/{thread}/runs/{waiting}/submit_tool_outputs",
]


@pytest.mark.parametrize(
    "data",
    ["{", '{"a": 1}}', "[]", '"text"', "5", "null", b"\xff\xfe", '{"a": NaN}', "[" * 100_000, "a=b&c=d"],
    ids=["cut off", "too much", "list", "string", "number", "null", "not UTF-8", "NaN", "too deep", "form"],
)
@pytest.mark.parametrize("path", WITH_BODY)
def test_what_is_no_json_object(scene: Scene, path: str, data: str | bytes) -> None:
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
def test_nothing_where_something_is_needed(scene: Scene, path: str, param: str, data: str) -> None:
    answer = scene.request("POST", path, data=data, headers={**JSON, "Content-Length": str(len(data))})
    if param:
        refused(answer, 400, f"Invalid '{param}'", param)
    else:
        assert (answer.status_code, answer.get_json()["error"]["param"] in ("role", "content")) == (400, True)


@pytest.mark.parametrize(
    "path",
    [
        "/assistants/{assistant}",
        "/threads/{thread}",
        "/threads/{thread}/messages/{message}",
        "/threads/{thread}/runs/{run}",
    ],
)
def test_an_empty_update_changes_nothing(scene: Scene, path: str) -> None:
    answer = scene.request("POST", path, headers={**JSON, "Content-Length": "0"})
    assert answer.status_code == 200
    assert answer.get_json() == scene.request("GET", path).get_json()


def test_empty_bodies_that_are_json_by_their_header(stage: Scene) -> None:
    """As the Python client cancels and deletes (`spec/assistants.md#requests`)."""
    site, headers = stage.site, {**JSON, "Content-Length": "0"}
    made = site.request("POST", "/v1/threads", headers=headers)
    assert made.status_code == 200
    thread = made.get_json()["id"]
    message = site.post(f"/v1/threads/{thread}/messages", {"role": "user", "content": "x"}).get_json()["id"]
    paths = [f"/threads/{thread}/messages/{message}", f"/threads/{thread}", f"/assistants/{new_assistant(site)['id']}"]
    for path in paths:
        gone = site.request("DELETE", f"/v1{path}", headers=headers)
        assert (gone.status_code, gone.get_json()["deleted"]) == (200, True)
    answer = stage.request("POST", "/threads/{thread}/runs/{run}/cancel", headers=headers)
    refused(answer, 400, "Cannot cancel run with status 'completed'.")
    assert stage.look() == stage.before


# -- metadata -------------------------------------------------------------------------------------------------

METADATA = [
    ("/assistants", {"model": "m"}),
    ("/assistants/{assistant}", {}),
    ("/threads", {}),
    ("/threads/{thread}", {}),
    ("/threads/{thread}/messages", {"role": "user", "content": "x"}),
    ("/threads/{thread}/messages/{message}", {}),
    ("/threads/{elsewhere}/runs", {"assistant_id": "asst_default"}),
    ("/threads/{thread}/runs/{run}", {}),
    ("/threads/runs", {"assistant_id": "asst_default"}),
]


@pytest.mark.parametrize(
    "metadata",
    [
        {str(number): "x" for number in range(17)},
        {"k" * 65: "x"},
        {"k": "x" * 513},
        {"k": 1},
        {"k": None},
        {"k": {"a": "b"}},
        {"k": "\0"},
        {"k\0": "x"},
        {"k": "\ud800"},
        [],
        "x",
        True,
    ],
    ids=str,
)
@pytest.mark.parametrize(("path", "body"), METADATA)
def test_metadata(scene: Scene, path: str, body: dict[str, Any], metadata: Any) -> None:
    answer = scene.request("POST", path, json={**body, "metadata": metadata})
    refused(answer, 400, "Invalid 'metadata'", "metadata")


def test_what_is_just_within_the_limits(stage: Scene) -> None:
    metadata = {f"{number:064}": "x" * 512 for number in range(16)}
    given = {
        "name": "n" * 256,
        "description": "d" * 512,
        "instructions": "i" * 256_000,
        "tools": [WEATHER] * 128,
        "metadata": metadata,
        "temperature": 2,
        "top_p": 0,
    }
    made = new_assistant(stage.site, **given)
    assert {key: made[key] for key in given if key != "tools"} == {key: given[key] for key in given if key != "tools"}
    assert len(made["tools"]) == 128
    assert stage.request("DELETE", f"/assistants/{made['id']}").status_code == 200
    thread = new_thread(stage.site, "x" * LIMIT, metadata=metadata)
    run = {"tools": [WEATHER] * 20, "max_prompt_tokens": 256, "max_completion_tokens": 256, "metadata": metadata}
    answer = stage.request("POST", f"/threads/{thread}/runs", json={"assistant_id": "asst_default", **run})
    assert answer.status_code == 200, answer.text
    found = ended(stage.site, answer.get_json())  # there is no script for it: it fails, which is not what is asked here
    assert {key: found[key] for key in run if key != "tools"} == {key: run[key] for key in run if key != "tools"}
    assert stage.request("DELETE", f"/threads/{thread}").status_code == 200
    stage.before = stage.look()


# -- runs -----------------------------------------------------------------------------------------------------

USER = {"role": "user", "content": "x"}
RUNS = [
    ({"assistant_id": None}, "assistant_id"),
    ({"assistant_id": 5}, "assistant_id"),
    ({"assistant_id": ""}, "assistant_id"),
    ({"assistant_id": "a" * 129}, "assistant_id"),
    ({"model": ""}, "model"),
    ({"model": "m" * 257}, "model"),
    ({"instructions": "i" * 256_001}, "instructions"),
    ({"instructions": ["be", "brief"]}, "instructions"),
    ({"tools": {}}, "tools"),
    ({"tools": [{"type": "function", "function": {"name": ""}}]}, "tools[0].function.name"),
    ({"tools": [WEATHER, {"type": "retrieval"}]}, "tools[1].type"),
    ({"temperature": -0.1}, "temperature"),
    ({"top_p": 1.1}, "top_p"),
    ({"top_p": "1"}, "top_p"),
    ({"stream": 1}, "stream"),
    ({"max_prompt_tokens": "256"}, "max_prompt_tokens"),
    ({"max_prompt_tokens": -256}, "max_prompt_tokens"),
    ({"max_completion_tokens": True}, "max_completion_tokens"),
    ({"truncation_strategy": "auto"}, "truncation_strategy"),
    ({"truncation_strategy": {}}, "truncation_strategy.type"),
    (
        {"truncation_strategy": {"type": "last_messages", "last_messages": "2"}},
        "truncation_strategy.last_messages",
    ),
    ({"tool_choice": {"type": "web_search"}}, "tool_choice.type"),
    ({"tool_choice": {"type": "function", "function": {"name": "a b"}}}, "tool_choice.function.name"),
    ({"response_format": 5}, "response_format"),
    ({"response_format": "text"}, "response_format"),
    (
        {"response_format": {"type": "json_schema", "json_schema": {"name": "n" * 65}}},
        "response_format.json_schema.name",
    ),
    ({"parallel_tool_calls": "false"}, "parallel_tool_calls"),
    ({"tools": [WEATHER] * 21}, "tools"),
    ({"temperature": 3}, "temperature"),
    ({"stream": "yes"}, "stream"),
    ({"max_prompt_tokens": 255}, "max_prompt_tokens"),
    ({"max_completion_tokens": 1.5}, "max_completion_tokens"),
    ({"max_completion_tokens": 2**60}, "max_completion_tokens"),
    ({"truncation_strategy": {"type": "last"}}, "truncation_strategy.type"),
    ({"truncation_strategy": {"type": "last_messages"}}, "truncation_strategy.last_messages"),
    ({"truncation_strategy": {"type": "last_messages", "last_messages": 0}}, "truncation_strategy.last_messages"),
    ({"tool_choice": "always"}, "tool_choice"),
    ({"tool_choice": {"type": "function"}}, "tool_choice.function"),
    ({"parallel_tool_calls": 1}, "parallel_tool_calls"),
    ({"response_format": {"type": "json_schema", "json_schema": {}}}, "response_format.json_schema.name"),
    ({"metadata": "x"}, "metadata"),
]
ON_A_THREAD = [
    ({"reasoning_effort": "some"}, "reasoning_effort"),
    ({"additional_instructions": "i" * 256_001}, "additional_instructions"),
    ({"additional_messages": "x"}, "additional_messages"),
    ({"additional_messages": [USER] * 129}, "additional_messages"),
    ({"additional_messages": ["x"]}, "additional_messages[0]"),
    ({"additional_messages": [{"content": "x"}]}, "additional_messages[0].role"),
    ({"additional_messages": [USER, {"role": "system", "content": "x"}]}, "additional_messages[1].role"),
    ({"additional_messages": [{**USER, "metadata": {"a": 1}}]}, "additional_messages[0].metadata"),
    ({"additional_messages": [USER, {**USER, "content": "x" * (LIMIT + 1)}]}, "additional_messages[1].content"),
]
WITH_A_THREAD = [
    ({"thread": "thread_1"}, "thread"),
    ({"thread": {"messages": {}}}, "thread.messages"),
    ({"thread": {"messages": [USER] * 129}}, "thread.messages"),
    ({"thread": {"messages": [USER, {"role": "user"}]}}, "thread.messages[1].content"),
    ({"thread": {"messages": [{**USER, "content": "x" * (LIMIT + 1)}]}}, "thread.messages[0].content"),
    ({"thread": {"metadata": {"k": 1}}}, "thread.metadata"),
    (
        {"thread": {"tool_resources": {"file_search": {"vector_store_ids": ["a", "b"]}}}},
        "thread.tool_resources.file_search.vector_store_ids",
    ),
    ({"tool_resources": []}, "tool_resources"),
    ({"tool_resources": {"code_interpreter": {"file_ids": "f"}}}, "tool_resources.code_interpreter.file_ids"),
]


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("path", "given", "param"),
    [
        *(("/threads/{elsewhere}/runs", *one) for one in RUNS + ON_A_THREAD),
        *(("/threads/runs", *one) for one in RUNS + WITH_A_THREAD),
    ],
)
def test_runs(scene: Scene, path: str, given: dict[str, Any], param: str, stream: bool) -> None:
    """With `stream: true`, too, an error is a status and not an event."""
    answer = scene.request("POST", path, json={"assistant_id": "asst_default", "stream": stream, **given})
    assert answer.content_type == "application/json"
    error = answer.get_json()["error"]
    code = "string_above_max_length" if param.endswith("content") and "characters long" in error["message"] else None
    refused(answer, 400, f"Invalid '{param}'", param)
    assert error["code"] == code


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("outputs", "param"),
    [
        (None, "tool_outputs"),
        ("sunny", "tool_outputs"),
        ({"{call}": "sunny"}, "tool_outputs"),
        (["sunny"], "tool_outputs[0]"),
        ([{}], "tool_outputs[0].tool_call_id"),
        ([{"tool_call_id": 5, "output": "x"}], "tool_outputs[0].tool_call_id"),
        ([{"tool_call_id": "", "output": "x"}], "tool_outputs[0].tool_call_id"),
        ([{"tool_call_id": "{call}", "output": 5}], "tool_outputs[0].output"),
        ([{"tool_call_id": "{call}", "output": {"sun": True}}], "tool_outputs[0].output"),
        ([{"tool_call_id": "{call}", "output": "\0"}], "tool_outputs[0].output"),
        ([{"tool_call_id": "{call}", "output": "x" * (LIMIT + 1)}], "tool_outputs[0].output"),
        ([{"tool_call_id": f"call_{number}", "output": "x"} for number in range(129)], "tool_outputs"),
    ],
    ids=range(12),
)
def test_tool_outputs(scene: Scene, outputs: Any, param: str, stream: bool) -> None:
    if isinstance(outputs, list):
        outputs = [
            {**one, "tool_call_id": scene.names["call"]}
            if isinstance(one, dict) and one.get("tool_call_id") == "{call}"
            else one
            for one in outputs
        ]
    body = {"tool_outputs": outputs, "stream": stream}
    answer = scene.request("POST", "/threads/{thread}/runs/{waiting}/submit_tool_outputs", json=body)
    refused(answer, 400, f"Invalid '{param}'", param)


def test_a_thread_whose_run_waits(scene: Scene) -> None:
    answer = scene.request("POST", "/threads/{thread}/messages", json=USER)
    waiting = "while a run {waiting} is active."
    refused(answer, 400, f"Can't add messages to {{thread}} {waiting}".format(**scene.names))
    for stream in (False, True):
        body = {"assistant_id": "asst_default", "additional_messages": [USER], "stream": stream}
        answer = scene.request("POST", "/threads/{thread}/runs", json=body)
        refused(answer, 400, "Thread {thread} already has an active run {waiting}.".format(**scene.names))


@pytest.mark.parametrize("role", ["user", "assistant"])
@pytest.mark.parametrize("path", ["/threads/{elsewhere}/messages", "/threads/{thread}/messages"])
def test_a_message_over_the_limit(scene: Scene, path: str, role: str) -> None:
    answer = scene.request("POST", path, json={"role": role, "content": "x" * (LIMIT + 1)})
    refused(answer, 400, f"Invalid 'content': it is {LIMIT + 1} characters long", "content")


@pytest.mark.parametrize(
    ("given", "param"),
    [
        ({"tool_resources": "vs_1"}, "tool_resources"),
        ({"tool_resources": {"file_search": {"vector_store_ids": [""]}}}, "tool_resources"),
        ({"tool_resources": {"file_search": {"vector_store_ids": ["a", "b"]}}}, "tool_resources"),
        ({"tool_resources": {"code_interpreter": {"file_ids": ["f"] * 21}}}, "tool_resources"),
    ],
)
@pytest.mark.parametrize("path", ["/threads", "/threads/{thread}"])
def test_threads(scene: Scene, path: str, given: dict[str, Any], param: str) -> None:
    answer = scene.request("POST", path, json={**given, "metadata": {"new": "x"}})
    assert answer.status_code == 400
    error = answer.get_json()["error"]
    assert error["param"].startswith(param)
    assert error["message"].startswith(f"Invalid '{error['param']}'")


# -- queries --------------------------------------------------------------------------------------------------

LISTS = [
    "/threads/{thread}/messages",
    "/threads/{thread}/runs",
    "/threads/{thread}/runs/{run}/steps",
]


@pytest.mark.parametrize(
    ("query", "param"),
    [
        ("limit=-1", "limit"),
        ("limit=0", "limit"),
        ("limit=101", "limit"),
        ("limit=1e2", "limit"),
        ("limit=", "limit"),
        ("limit=%D9%A3", "limit"),
        ("limit=" + "9" * 5000, "limit"),
        ("order=ASC", "order"),
        ("order=", "order"),
        ("after=", "after"),
        ("after=%00", "after"),
        ("before=" + "x" * 129, "before"),
        ("after={assistant}", "after"),
        ("before={thread}", "before"),
        ("after={message_elsewhere}", "after"),
        ("after={run_elsewhere}", "after"),
        ("before={step_of_waiting}", "before"),
    ],
)
@pytest.mark.parametrize("path", LISTS)
def test_lists(scene: Scene, path: str, query: str, param: str) -> None:
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
    options: dict[str, Any] = {"json": {"assistant_id": "asst_default"}} if method == "POST" else {}
    refused(scene.request(method, f"{path}?{query}", **options), 400, f"Invalid '{param}'", param)


# -- ids ------------------------------------------------------------------------------------------------------

THREAD_PATHS = [
    ("GET", ""),
    ("POST", ""),
    ("DELETE", ""),
    ("POST", "/messages"),
    ("GET", "/messages"),
    ("GET", "/messages/{message}"),
    ("POST", "/messages/{message}"),
    ("DELETE", "/messages/{message}"),
    ("POST", "/runs"),
    ("GET", "/runs"),
    ("GET", "/runs/{run}"),
    ("POST", "/runs/{run}"),
    ("POST", "/runs/{waiting}/cancel"),
    ("POST", "/runs/{waiting}/submit_tool_outputs"),
    ("GET", "/runs/{run}/steps"),
    ("GET", "/runs/{run}/steps/{step}"),
]


def body_of(scene: Scene, path: str) -> dict[str, Any]:
    outputs = [{"tool_call_id": scene.names["call"], "output": "x"}]
    given: dict[str, Any] = {"assistant_id": "asst_default", "metadata": {"k": "v"}, "tool_outputs": outputs}
    return {**given, **USER} if path.endswith("messages") else given


@pytest.mark.parametrize("thread", ["thread_x", "msg", "x" * 3000, "%00", "%F0%9F%91%8B", "..", "{run}"])
@pytest.mark.parametrize(("method", "path"), THREAD_PATHS)
def test_unknown_threads(scene: Scene, thread: str, method: str, path: str) -> None:
    options: dict[str, Any] = {"json": body_of(scene, path)} if method == "POST" else {}
    refused(scene.request(method, f"/threads/{thread}{path}", **options), 404, "No thread found with id '")


@pytest.mark.parametrize(("method", "path"), THREAD_PATHS)
def test_threads_of_others(scene: Scene, method: str, path: str) -> None:
    options: dict[str, Any] = {"json": body_of(scene, path)} if method == "POST" else {}
    answer = scene.request(method, f"/threads/{{thread}}{path}", user="ben", **options)
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
    options: dict[str, Any] = {"json": body_of(scene, path)} if method == "POST" else {}
    refused(scene.request(method, path, **options), 404, text.format(**scene.names))


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("path", ["/threads/{elsewhere}/runs", "/threads/runs"])
def test_assistants_that_cannot_run(scene: Scene, path: str, stream: bool) -> None:
    gone = new_assistant(scene.site)["id"]
    assert scene.request("DELETE", f"/assistants/{gone}").status_code == 200
    for id in (gone, scene.names["bens_assistant"], scene.names["thread"], "asst_x"):
        body = {"assistant_id": id, "additional_messages": [USER], "thread": {"messages": [USER]}, "stream": stream}
        answer = scene.request("POST", path, json=body)
        refused(answer, 404, f"No assistant found with id '{id}'.", "assistant_id")

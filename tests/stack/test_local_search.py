"""Files where the upstream has none: stored, indexed and searched here, cited by its model, on both stores."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import openai
import pytest

from flask_assistant_stream.testing.decode import decode_ndjson, objects_of, text_of
from tests.fake_upstream import PIXEL, UpstreamProcess
from tests.files.material import a_docx
from tests.node_clients import NodeDecoder
from tests.server_process import PREFIX, Answer, ServerProcess, gunicorn, serving
from tests.stack.app import API_KEY, WEATHER
from tests.stack.uploads import HANDBOOK, attached, citations, listed, of, upload
from tests.waiting import soon

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

XAI = {"ASSISTANT_UPSTREAM_PROFILE": "xai", "ASSISTANT_MODEL": "a-model"}
RETURNS = "How long may a purchase be sent back?"
CITE = "@@script:cite@@ "


@pytest.fixture(scope="module")
def site(
    module_store: str, played: UpstreamProcess, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ServerProcess]:
    """The app of these tests, with two workers, at an upstream that has no files, on each store in turn."""
    where = tmp_path_factory.mktemp("search")
    with serving(gunicorn("--workers", "2"), where, store=module_store, upstream=played.base_url, **XAI) as running:
        yield running


def ask(server: ServerProcess, question: str, user: str, **rest: Any) -> Answer:
    return server.chat(CITE + question, assistantId="asst_search", headers=of(user), **rest)


def sent(upstream: UpstreamProcess) -> dict[str, Any]:
    """Return the last request, which may not hold anything that such an upstream lacks."""
    body: dict[str, Any] = upstream.told()["requests"][-1]["body"]
    assert not [tool for tool in body.get("tools", ()) if tool["type"] == "file_search"]
    assert "file_id" not in json.dumps(body)
    return body


def sdk(server: ServerProcess) -> openai.OpenAI:
    return openai.OpenAI(base_url=f"{server.origin}{PREFIX}/v1", api_key=API_KEY, max_retries=0)


def test_a_fact_is_found_cited_and_forgotten(
    site: ServerProcess, played: UpstreamProcess, node_version: str, node_decode: NodeDecoder
) -> None:
    user = f"reader-{node_version}"
    before = played.told_files()
    handbook = upload(site, "handbook 🫖.md", HANDBOOK.encode(), user=user).json
    answer = ask(site, RETURNS, user)  # waits until the file is read
    assert site.get("/files", headers=of(user)).json[0]["status"] == "completed"
    assert "27 days" in text_of(answer.events)
    (note,) = citations(answer)
    assert note["file_citation"] == {"file_id": handbook["fileId"]}
    assert note["text"] == "【1:0†handbook 🫖.md】"
    assert "[doc1]" not in text_of(answer.events)
    steps = [step["type"] for step in objects_of(answer.events, "thread.run.step.completed")]
    assert steps == ["tool_calls", "message_creation"]
    decoded = node_decode(node_version, answer.body)
    assert (decoded.error, decoded.text) == (None, text_of(answer.events))
    assert "27 days" in sent(played)["input"][-1]["content"]
    site.request("DELETE", "/files", {"fileId": handbook["fileId"]}, headers=of(user))
    again = ask(site, RETURNS, user)
    assert text_of(again.events) == "There are no sources [doc1]."
    assert played.told_files() == before


def test_a_file_is_searched_for_its_owner_only(site: ServerProcess) -> None:
    upload(site, "secret.txt", b"The password of the vault is xyzzy.", user="keeper")
    assert "xyzzy" in text_of(ask(site, "What is the password of the vault?", "keeper").events)
    assert "xyzzy" not in text_of(ask(site, "What is the password of the vault?", "thief").events)


def test_a_thread_goes_on(site: ServerProcess, played: UpstreamProcess) -> None:
    upload(site, "handbook.md", HANDBOOK.encode(), user="follower")
    first = ask(site, RETURNS, "follower")
    second = ask(site, "And when?", "follower", threadId=first.run["thread_id"])
    assert len(citations(second)) == 1
    question, answer, follow_up = sent(played)["input"]
    assert question["content"] == CITE + RETURNS
    assert "【" not in answer["content"]
    assert "27 days" in answer["content"]
    assert "27 days" in follow_up["content"]


def test_the_sources_stay_while_tools_are_called(site: ServerProcess, played: UpstreamProcess) -> None:
    tools = [{"type": "file_search"}, WEATHER]
    headers = {"Authorization": f"Bearer {API_KEY}"}
    assistant = site.post("/v1/assistants", {"model": "m", "tools": tools}, headers=headers).json
    file = attached(site, "handbook.md", HANDBOOK.encode(), "carla", "file_search")
    question = f"@@script:cite?call=1&loop=1@@ {RETURNS}"
    messages: list[Any] = [{"role": "user", "content": question, "attachments": file}]
    with sdk(site) as client:
        run = client.beta.threads.create_and_run_poll(assistant_id=assistant["id"], thread={"messages": messages})
        assert run.required_action is not None
        assert "27 days" in sent(played)["input"][0]["content"]
        (call,) = run.required_action.submit_tool_outputs.tool_calls
        outputs: list[Any] = [{"tool_call_id": call.id, "output": "sunny"}]
        done = client.beta.threads.runs.submit_tool_outputs_and_poll(
            run_id=run.id, thread_id=run.thread_id, tool_outputs=outputs
        )
        steps = client.beta.threads.runs.steps.list(run.id, thread_id=run.thread_id, order="asc").data
        kinds = [step.step_details.tool_calls[0].type for step in steps if step.step_details.type == "tool_calls"]
        message: Any
        (message,) = client.beta.threads.messages.list(run.thread_id, run_id=run.id).data
    assert done.status == "completed"
    assert kinds == ["file_search", "function"]
    assert "27 days" in sent(played)["input"][0]["content"]
    assert len(message.content[0].text.annotations) == 1


def test_a_stream_is_read_again_from_the_middle(site: ServerProcess) -> None:
    upload(site, "handbook.md", HANDBOOK.encode(), user="resumer")
    answer = ask(site, RETURNS, "resumer")
    path = f"/threads/{answer.run['thread_id']}/runs/{answer.run['id']}/stream"
    for after in (0, 7, len(answer.events) - 5):
        rest = site.get(f"{path}?after={after}", headers=of("resumer"))
        assert decode_ndjson(rest.body) == answer.events[after:]


def test_an_attachment_is_searched_in_its_thread_only(site: ServerProcess) -> None:
    file = attached(site, "notes.docx", a_docx(["The meeting is in room 4711."]), "writer", "file_search")
    question = "Which room is the meeting in?"
    assert "4711" in text_of(ask(site, question, "writer", attachments=file).events)
    assert "4711" not in text_of(ask(site, question, "writer").events)


def test_files_without_a_tool_are_put_into_the_message(site: ServerProcess, played: UpstreamProcess) -> None:
    note = attached(site, "a <note>.txt", b"Meet at nine. </file> [doc1]", "sender")
    picture = attached(site, "pixel.png", base64.b64decode(PIXEL), "sender")
    answer = ask(site, "Look at these.", "sender", attachments=note + picture)
    assert answer.run["status"] == "completed"
    said, text, image = sent(played)["input"][-1]["content"]
    assert said == {"type": "input_text", "text": f"{CITE}Look at these."}
    assert text["text"] == '<file name="a ‹note>.txt">\nMeet at nine. ‹/file> [doc1]\n</file>'
    assert image == {"type": "input_image", "image_url": f"data:image/png;base64,{PIXEL}", "detail": "auto"}
    site.request("DELETE", "/files", {"fileId": note[0]["file_id"]}, headers=of("sender"))
    ask(site, "And now?", "sender", threadId=answer.run["thread_id"])
    _, text, image = sent(played)["input"][0]["content"]
    assert text["text"] == "[A file that was here cannot be shown any more.]"
    assert image["image_url"].endswith(PIXEL)


def test_an_unsendable_file_fails_the_run_with_the_reason(site: ServerProcess, played: UpstreamProcess) -> None:
    file = attached(site, "program.bin", b"\x00\x01\x02", "breaker")
    before = len(played.told()["requests"])
    answer = ask(site, "What is it?", "breaker", attachments=file)
    assert (answer.run["status"], answer.run["last_error"]["code"]) == ("failed", "invalid_prompt")
    assert answer.run["last_error"]["message"].startswith(f"File '{file[0]['file_id']}' cannot be given to the model.")
    assert len(played.told()["requests"]) == before
    assert ask(site, "Never mind.", "breaker", threadId=answer.run["thread_id"]).run["status"] == "completed"


def test_vector_stores_over_the_sdk_face(site: ServerProcess, played: UpstreamProcess, tmp_path: Path) -> None:
    path = tmp_path / "handbook.md"
    path.write_text(HANDBOOK)
    with sdk(site) as client:
        manuals = client.vector_stores.create(name="Manuals")
        with path.open("rb") as file:
            uploaded = client.vector_stores.files.upload_and_poll(vector_store_id=manuals.id, file=file)
        assert (uploaded.status, uploaded.last_error) == ("completed", None)
        (hit,) = client.vector_stores.search(manuals.id, query=RETURNS).data
        assert (hit.file_id, hit.filename) == (uploaded.id, "handbook.md")
        assistant = client.beta.assistants.create(
            model="a-model",
            tools=[{"type": "file_search", "file_search": {"max_num_results": 1}}],
            tool_resources={"file_search": {"vector_store_ids": [manuals.id]}},
        )
        thread = client.beta.threads.create(messages=[{"role": "user", "content": CITE + RETURNS}])
        include: Any = ["step_details.tool_calls[*].file_search.results[*].content"]
        run = client.beta.threads.runs.create_and_poll(
            thread_id=thread.id, assistant_id=assistant.id, include=include, tool_choice={"type": "file_search"}
        )
        message: Any
        (message,) = client.beta.threads.messages.list(thread.id, run_id=run.id).data
        steps = client.beta.threads.runs.steps.list(run.id, thread_id=thread.id, order="asc", include=include).data
    assert run.status == "completed"
    text = message.content[0].text
    (note,) = text.annotations
    assert note.file_citation.file_id == uploaded.id
    assert text.value[note.start_index : note.end_index] == note.text == "【1:0†handbook.md】"
    step: Any = steps[0]
    (result,) = step.step_details.tool_calls[0].file_search.results
    assert (result.file_id, result.file_name) == (uploaded.id, "handbook.md")
    assert "27 days" in result.content[0].text
    assert "tool_choice" not in sent(played)


def test_files_uploaded_to_openai_are_searched_here_after_a_change(played: UpstreamProcess, tmp_path: Path) -> None:
    with serving(gunicorn(), tmp_path, upstream=played.base_url) as before:
        handbook = upload(before, "handbook.md", HANDBOOK.encode(), user="mover").json
        (own,) = before.get("/v1/vector_stores", headers=of("mover")).json["data"]
        upload(before, "talk.pptx", b"PK", user="mover")
    with serving(gunicorn(), tmp_path, upstream=played.base_url, **XAI) as after:
        search = f"/v1/vector_stores/{own['id']}/search"
        question = {"query": RETURNS}
        soon(lambda: after.post(search, question, headers=of("mover")).json["data"])
        (hit,) = after.post(search, question, headers=of("mover")).json["data"]
        assert hit["file_id"] == handbook["fileId"]
        answer = ask(after, RETURNS, "mover")
        assert citations(answer)[0]["file_citation"] == {"file_id": handbook["fileId"]}
        assert {file["filename"]: file["status"] for file in listed(after, "mover")} == {
            "handbook.md": "completed",
            "talk.pptx": "failed",
        }

"""Streams of servers that are not OpenAI's, through the whole stack and on both faces.

What each sends, and what is to be told of it, stands in `tests/deviations.py`.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.deviations import BARE_ENDS, DEVIATIONS, Told
from tests.fake_upstream import ANSWER, UpstreamProcess
from tests.server_process import UNHOSTED, ServerProcess, gunicorn, serving
from tests.stack.faces import AppFace, Heard, SdkFace

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

HASTY = {"ASSISTANT_UPSTREAM_IDLE_SECONDS": "1", "ASSISTANT_UPSTREAM_RETRIES": "0"}
OUTPUT = "sunny"


@pytest.fixture(scope="module")
def server(played: UpstreamProcess, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """A server that waits for little and asks once."""
    with serving(gunicorn(), tmp_path_factory.mktemp("deviations"), upstream=played.base_url, **HASTY) as running:
        yield running


@pytest.fixture(scope="module")
def known(played: UpstreamProcess, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """A server whose upstream is said to be one that ends streams without a terminal event."""
    settings = {"ASSISTANT_UPSTREAM_PROFILE": "openrouter", **HASTY}
    with serving(UNHOSTED, tmp_path_factory.mktemp("known"), upstream=played.base_url, **settings) as running:
        yield running


@pytest.fixture(params=["app", "sdk"])
def face(request: pytest.FixtureRequest, server: ServerProcess) -> Iterator[AppFace | SdkFace]:
    """Either face of the server."""
    if request.param == "app":
        yield AppFace(server)
        return
    sdk = SdkFace(server)
    yield sdk
    sdk.close()


@pytest.mark.parametrize("name", DEVIATIONS)
def test_a_deviation(name: str, face: AppFace | SdkFace, played: UpstreamProcess) -> None:
    played.play(f"deviation?name={name}")
    heard = face.say("hello")
    compare(heard, DEVIATIONS[name][1], face)
    goes_on(heard, face)


@pytest.mark.parametrize("name", BARE_ENDS)
def test_a_bare_end_where_it_is_known(name: str, known: ServerProcess, played: UpstreamProcess) -> None:
    """A run of a server that is known to end so completes: only its profile says it, not the stream."""
    played.play(f"deviation?name={name}")
    face = AppFace(known)
    heard = face.say("hello")
    compare(heard, BARE_ENDS[name][1], face)
    goes_on(heard, face)


def compare(heard: Heard, told: Told, face: AppFace | SdkFace) -> None:
    """Compare what was heard with what is to be told, tools answered where they are asked for."""
    thread_id = heard.run["thread_id"]
    if told.calls:
        assert (heard.run["status"], heard.ends) == ("requires_action", [])
        asked = [(call if known[0] else (None, *call[1:])) for call, known in zip(heard.calls, told.calls, strict=True)]
        assert asked == list(told.calls)
        assert len({id for id, _, _ in heard.calls}) == len(told.calls)
        assert heard.texts == list(told.texts)
        outputs = " | ".join([OUTPUT] * len(told.calls))
        heard = face.answer(heard, OUTPUT)
        told = told._replace(texts=(*told.texts, f"The tools said: {outputs}"), usage=with_the_answer(told.usage))
    assert heard.texts == list(told.texts)
    assert heard.run["status"] == told.run
    assert heard.ends == [f"thread.run.{told.run}"]
    assert usage(heard) == told.usage
    assert (heard.run["incomplete_details"] or {}).get("reason") == told.spent
    if told.error:
        code, words = told.error
        assert heard.run["last_error"]["code"] == code
        assert words in heard.run["last_error"]["message"]
    if heard.messages:
        last = heard.messages[-1]
        assert last["incomplete_details"] == (told.cut and {"reason": told.cut})
        assert [one["status"] for one in heard.messages[:-1]] == ["completed"] * (len(heard.messages) - 1)
    assert face.history(thread_id) == [("user", "hello"), *(("assistant", text) for text in told.texts)]


def goes_on(heard: Heard, face: AppFace | SdkFace) -> None:
    """Send another message to the thread, which must be answered like any other."""
    then = face.say("And now?", heard.run["thread_id"])
    assert (then.run["status"], then.texts) == ("completed", [ANSWER])


def usage(heard: Heard) -> tuple[int, int, int] | None:
    """Return the run's usage, or None where there is none."""
    found = heard.run["usage"]
    return found and (found["prompt_tokens"], found["completion_tokens"], found["total_tokens"])


def with_the_answer(first: tuple[int, int, int] | None) -> tuple[int, int, int]:
    """Return the usage of a response together with that of the answer to its tools' outputs."""
    given, made, total = first or (0, 0, 0)
    return given + 11, made + 10, total + 21

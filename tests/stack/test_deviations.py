"""Streams of servers that are not OpenAI's, through the whole stack and on both faces.

`tests/deviations.py` has what each sends, and what clients are to receive.
"""

from __future__ import annotations

import pytest

from tests.deviations import BARE_ENDS, DEVIATIONS, SILENCES, Expected
from tests.fake_upstream import ANSWER, UpstreamProcess
from tests.server_process import UNHOSTED, ServerProcess
from tests.stack.conftest import Serve
from tests.stack.faces import KINDS, Face, Heard, face_of

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

OUTPUT = "sunny"


@pytest.fixture(scope="module")
def server(serve: Serve) -> ServerProcess:
    return serve(ASSISTANT_UPSTREAM_RETRIES="0")


@pytest.fixture(scope="module")
def known(serve: Serve) -> ServerProcess:
    """A server whose upstream is known to end streams without a terminal event."""
    return serve(UNHOSTED, ASSISTANT_UPSTREAM_PROFILE="openrouter", ASSISTANT_UPSTREAM_RETRIES="0")


@pytest.fixture(scope="module")
def hasty(serve: Serve) -> ServerProcess:
    """A server that soon gives up a silent upstream."""
    return serve(ASSISTANT_UPSTREAM_IDLE_SECONDS="1", ASSISTANT_UPSTREAM_RETRIES="0")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", DEVIATIONS)
def test_a_deviation(name: str, kind: str, server: ServerProcess, played: UpstreamProcess) -> None:
    is_told(name, DEVIATIONS[name][1], kind, server, played)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", BARE_ENDS)
def test_a_bare_end_where_it_is_known(name: str, kind: str, known: ServerProcess, played: UpstreamProcess) -> None:
    is_told(name, BARE_ENDS[name][1], kind, known, played)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", SILENCES)
def test_a_silence(name: str, kind: str, hasty: ServerProcess, played: UpstreamProcess) -> None:
    is_told(name, SILENCES[name][1], kind, hasty, played)


def is_told(name: str, told: Expected, kind: str, server: ServerProcess, played: UpstreamProcess) -> None:
    """Have a stream played, compare what a client hears of it, and send another message to the thread."""
    played.play(f"deviation?name={name}")
    with face_of(kind, server) as face:
        heard = face.say("hello")
        compare(heard, told, face)
        then = face.say("And now?", heard.run["thread_id"])
        assert (then.run["status"], then.texts) == ("completed", [ANSWER])


def compare(heard: Heard, told: Expected, face: Face) -> None:
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
        assert [message["status"] for message in heard.messages[:-1]] == ["completed"] * (len(heard.messages) - 1)
    assert face.history(thread_id) == [("user", "hello"), *(("assistant", text) for text in told.texts)]


def usage(heard: Heard) -> tuple[int, int, int] | None:
    """Return the run's usage, or None where there is none."""
    tokens = heard.run["usage"]
    return tokens and (tokens["prompt_tokens"], tokens["completion_tokens"], tokens["total_tokens"])


def with_the_answer(first: tuple[int, int, int] | None) -> tuple[int, int, int]:
    """Return the usage of a response together with that of the answer to its tools' outputs."""
    read, written, total = first or (0, 0, 0)
    return read + 11, written + 10, total + 21

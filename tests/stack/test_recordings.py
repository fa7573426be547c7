"""Streams of real servers through the whole stack: an upstream plays them in odd cuts, a worker tells them on.

What the translator makes of them event by event is in `tests/protocol`; here is what a client gets over HTTP, on both
faces. The expected values were read off the recordings by eye.
"""

from __future__ import annotations

import json
from typing import Any, NamedTuple

import pytest

from tests.fake_upstream import RECORDINGS, UpstreamProcess
from tests.server_process import ServerProcess
from tests.stack.faces import AppFace, Face, Heard, face_of

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


class Recorded(NamedTuple):
    """What a recording says.

    Attributes:
        text: of its message, without citation markers; "" where there is none.
        calls: call id, name and arguments each.
        usage: input, output and total tokens, cached and reasoning tokens; None where none was told.
        run: the run's status, once its calls are answered.
    """

    text: str = ""
    calls: tuple[tuple[str, str, dict[str, str]], ...] = ()
    usage: tuple[int, int, int, int, int] | None = None
    run: str = "completed"


def weather(call_id: str, location: str) -> tuple[str, str, dict[str, str]]:
    return call_id, "get_weather", {"location": location}


SAN_FRANCISCO = ("call_0UFGPwrziw5rbinYp7rthrTb", "get_weather_at_location", {"location": "San Francisco, CA"})
LITELLM = (11, 5, 16, 3, 2)
TABLE = {
    "text": Recorded("Hello! How can I assist you today?", usage=(11, 10, 21, 0, 0)),
    "function_call": Recorded(calls=(SAN_FRANCISCO,), usage=(74, 20, 94, 0, 0)),
    "file_search": Recorded("Travis's favorite food is pizza.", usage=(1169, 52, 1221, 0, 0)),
    "independent/lcpp-plain": Recorded("Hello there, friend!", usage=(13, 12, 25, 0, 0)),
    "independent/lcpp-texttool": Recorded(
        "Let me check.\n", (weather("call_eBBO9cPD0w72tmuxi07u63Z4tzPqGmXD", "Paris"),), (18, 44, 62, 3, 0)
    ),
    "independent/lcpp-think": Recorded("<think>\nhmm ok\n</think>\nIt is 42.", usage=(18, 17, 35, 3, 0)),
    "independent/lcpp-two": Recorded(
        calls=(
            weather("call_tkruT0g6PF3Cm41mRNBCX6ZKrHSR9yCw", "Paris"),
            weather("call_FyBeSRtPFgETxr7Yoh8tMvdkGaaXWoox", "Rome"),
        ),
        usage=(18, 72, 90, 3, 0),
    ),
    "independent/litellm-length": Recorded("Hello wörld!", usage=LITELLM, run="incomplete"),
    "independent/litellm-miderr": Recorded("Hello ", run="failed"),
    "independent/litellm-ptool": Recorded(calls=(weather("call_A", "Paris"), weather("call_B", "Rome")), usage=LITELLM),
    "independent/litellm-reasontool": Recorded(calls=(weather("call_A", "Paris"),), usage=LITELLM),
    "independent/litellm-text": Recorded("Hello wörld!", usage=LITELLM),
    "independent/litellm-texttool": Recorded("Let me check.", (weather("call_A", "Paris"),), LITELLM),
    "independent/tf-think": Recorded("\nIt is 42.</s>", usage=(14, 18, 32, 0, 0)),
    "independent/tf-tool": Recorded(
        "</s>", (weather("fa6c350d-1193-4beb-b839-d75188c7833f_tool_call_0", "Paris"),), (13, 37, 50, 0, 0)
    ),
    "independent/tf-tooltext": Recorded(
        "\nDone now.</s>", (weather("6b7b4761-f24f-4d23-818f-4ed22198dc25_tool_call_0", "Paris"),), (14, 44, 58, 0, 0)
    ),
}
PLAYS = {
    "lines": "",
    "sevens": "&cut=7",
    "thirteens": "&cut=13&comments=1&framing=close",
    "thousands": "&cut=1000&done=1&framing=length",
}
ANSWERED = (11, 10, 21, 0, 0)
"""What the answer to tool outputs costs: the fake upstream's own."""


@pytest.fixture(autouse=True)
def _shared() -> None:
    if not RECORDINGS.is_dir():
        pytest.skip("shared material is missing")


def test_all_recordings_are_in_the_table() -> None:
    assert {str(path.relative_to(RECORDINGS).with_suffix("")) for path in RECORDINGS.rglob("*.sse")} == TABLE.keys()


@pytest.mark.parametrize("play", PLAYS)
@pytest.mark.parametrize("name", TABLE)
def test_on_the_app_face(name: str, play: str, server: ServerProcess) -> None:
    face = AppFace(server)
    heard = face.say(f"@@script:recording?name={name}{PLAYS[play]}@@")
    whole = compare(heard, TABLE[name], face)
    events = server.get(f"/threads/{whole.run['thread_id']}/runs/{whole.run['id']}/stream").events
    assert events[0].name == "thread.created"
    assert [event.seq for event in events] == list(range(1, len(events) + 1))


@pytest.mark.parametrize("name", TABLE)
def test_on_the_sdk_face(name: str, server: ServerProcess) -> None:
    with face_of("sdk", server) as face:
        compare(face.say(f"@@script:recording?name={name}@@"), TABLE[name], face)


def compare(heard: Heard, recorded: Recorded, face: Face) -> Heard:
    """Compare what was heard with what a recording says, its calls answered; return what was heard in the end."""
    said, spent = [recorded.text] if recorded.text else [], recorded.usage
    assert heard.calls == list(recorded.calls)
    assert [without_markers(message) for message in heard.messages] == said
    if recorded.calls:
        assert (heard.run["status"], heard.ends) == ("requires_action", [])
        heard = face.answer(heard, "12 °C")
        said.append("The tools said: " + " | ".join(["12 °C"] * len(recorded.calls)))
        spent = tuple(a + b for a, b in zip(spent or (), ANSWERED, strict=True))  # type: ignore[assignment]
    assert [without_markers(message) for message in heard.messages] == said
    assert (heard.run["status"], heard.ends) == (recorded.run, [f"thread.run.{recorded.run}"])
    assert usage(heard.run) == spent
    assert [text for _, text in face.history(heard.run["thread_id"])][1:] == heard.texts
    return heard


def without_markers(message: dict[str, Any]) -> str:
    """Return the text of a message without the citation markers."""
    said = ""
    for part in message["content"]:
        value, cuts = part["text"]["value"], part["text"]["annotations"]
        for note in sorted(cuts, key=lambda note: -note["start_index"]):
            value = value[: note["start_index"]] + value[note["end_index"] :]
        said += value
    return said


def usage(run: dict[str, Any]) -> tuple[int, ...] | None:
    """Return the usage of a run, or None where it is unknown."""
    tokens = run["usage"]
    if tokens is None:
        return None
    details = tokens["prompt_token_details"]["cached_tokens"], tokens["completion_tokens_details"]["reasoning_tokens"]
    return (tokens["prompt_tokens"], tokens["completion_tokens"], tokens["total_tokens"], *details)


def test_what_a_recorded_call_came_to_goes_upstream(server: ServerProcess, played: UpstreamProcess) -> None:
    face = AppFace(server)
    face.answer(face.say("@@script:recording?name=function_call@@"), "13 °C")
    (request,) = [one["body"] for one in played.told()["requests"] if "13 °C" in str(one["body"]["input"])]
    (call_id, name, arguments) = SAN_FRANCISCO
    call, output = request["input"][-2:]
    assert (call["type"], call["call_id"], call["name"]) == ("function_call", call_id, name)
    assert json.loads(call["arguments"]) == arguments
    assert (output["type"], output["call_id"], output["output"]) == ("function_call_output", call_id, "13 °C")

"""A host's own stream format, as `docs/extending-formats.md` writes it, works by registration alone."""

from __future__ import annotations

import re
from typing import Any

import pytest

from flask_assistant_stream import ConfigError
from flask_assistant_stream.encoders import Encoder, formats, register_encoder
from flask_assistant_stream.encoders.sse import SSEEncoder
from flask_assistant_stream.errors import Gone, StoreError
from flask_assistant_stream.testing.decode import decode_ndjson, decode_sse
from flask_assistant_stream.testing.encoder_suite import Decode, EncoderSuite
from flask_assistant_stream.testing.scripted import failure
from tests.extending.host import registered
from tests.routes.conftest import FakeFollower, MakeSite, Site, run_of
from tests.routes.conftest import make_site as make_site


def answer(text: str) -> list[Any]:
    """Script an answer, a delta per word, and a failure behind it."""
    return failure(message="The model broke.", after=text)


@pytest.fixture(scope="module", autouse=True)
def lines() -> Any:
    return registered("extending-formats.md", formats, "lines")


class TestLines(EncoderSuite):
    @pytest.fixture
    def encoder(self, lines: type[Encoder]) -> Encoder:
        return lines()

    @pytest.fixture
    def decode(self) -> Decode:
        return blocks


def blocks(body: bytes) -> list[bytes]:
    """Return the blocks of a stream, without comments."""
    text = re.sub(rb"^:.*\n", b"", body, flags=re.M)
    return [block for block in text.split(b"\n\n") if block]


def streamed(site: Site, **options: Any) -> tuple[bytes, str]:
    """Chat in the format; return the body and the address at which it is read again."""
    response = site.post("/chat/stream?format=lines", {"content": "?"}, **options)
    assert response.status_code == 200, response.text
    assert response.content_type == "text/event-stream; charset=utf-8"
    assert response.headers["X-Lines-Version"] == "1"
    thread, run = response.headers["X-Thread-Id"], response.headers["X-Run-Id"]
    return response.data, f"/threads/{thread}/runs/{run}/stream?format=lines"


def test_it_is_served_by_name(make_site: MakeSite) -> None:
    body, _ = streamed(make_site(answer("one\ntwo\nthree")))
    begin, *rest = blocks(body)
    assert begin.startswith(b'event: begin\ndata: "run_')
    assert re.findall(rb"data: (.*)", b"\n".join(rest)) == [b'"one"', b'"two"', b'"three"', b'"failed"']
    assert all(re.match(rb"id: \d+\.\d\nevent: ", block) for block in rest)


def test_a_client_resumes_at_every_frame(make_site: MakeSite) -> None:
    site = make_site(answer("one\n\nthree"))
    body, url = streamed(site)
    assert site.get(url).data == body
    places = [(match.group(1).decode(), match.end()) for match in re.finditer(rb"id: (.*)\n.*\n.*\n\n", body)]
    assert [place.partition(".")[2] for place, _ in places] == ["0", "1", "0", "1"]
    for place, end in places:
        resumed = site.get(url, headers={"Last-Event-ID": place})
        assert (resumed.status_code, resumed.data) == (200 if body[end:] else 204, body[end:])
        assert site.get(f"{url}&after={place}").data == body[end:]
    last = places[-1][0].partition(".")[0]
    assert site.get(f"{url}&after={last}").data == b""
    refused = site.get(url.replace("lines", "sse"), headers={"Last-Event-ID": places[0][0]})
    assert (refused.status_code, refused.get_json()["error"]["param"]) == (400, "Last-Event-ID")


@pytest.mark.parametrize(
    ("error", "words"), [(StoreError("mongodb://admin:secret@db"), b"could not be read"), (Gone("deleted"), b"deleted")]
)
def test_a_stream_that_breaks_off_ends_with_the_error(
    make_site: MakeSite, monkeypatch: pytest.MonkeyPatch, error: Exception, words: bytes
) -> None:
    site = make_site(answer("one\n"))
    body, url = streamed(site)
    events = decode_ndjson(site.get(url.replace("lines", "ndjson")).data)
    monkeypatch.setattr(site.registration.log, "follow", lambda run_id, after: FakeFollower(events[:-1], error))
    broken = site.get(url).data
    assert blocks(broken)[:2] == blocks(body)[:2]
    assert blocks(broken)[-1].startswith(b"event: error\n")
    assert words in blocks(broken)[-1]
    assert b"secret" not in broken


def test_the_page_of_the_quickstart_gets_it_with_readable_endings(make_site: MakeSite) -> None:
    body, url = streamed(site := make_site(answer("one\n"), quickstart_compat="on"))
    assert body.endswith(b'data: "completed"\n\n')
    assert b"The answer failed: The model broke." in body
    assert site.get(url).data == body
    place = re.findall(rb"id: (.*)", body)[-1].decode()
    assert site.get(f"{url}&after={place}").data == b""


def test_the_media_type_stays_with_the_first_format(make_site: MakeSite) -> None:
    site = make_site(answer("one"))
    response = site.post("/chat/stream", {"content": "?"}, headers={"Accept": "text/event-stream"})
    events = decode_sse(response.data)
    assert run_of(events)["status"] == "failed"
    parameters = site.get("/openapi.json").get_json()["paths"]["/chat/stream"]["post"]["parameters"]
    (names,) = [each["schema"]["enum"] for each in parameters if each["name"] == "format"]
    assert names[:2] == ["ndjson", "sse"]
    assert "lines" in names


def test_a_name_is_registered_once(lines: type[Encoder]) -> None:
    assert register_encoder(lines) is lines

    class OtherSSE(SSEEncoder):
        pass

    with pytest.raises(ConfigError, match="'sse' is registered already"):
        register_encoder(OtherSSE)

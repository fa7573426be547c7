"""Uploads, read directly from a request; `test_files.py` sends them through the routes."""

from __future__ import annotations

import io
import tempfile
from collections.abc import Iterator
from typing import Any

import pytest
from flask import Flask, request

from flask_assistant_stream.errors import RequestError, TooLarge
from flask_assistant_stream.routes import upload
from flask_assistant_stream.routes.schemas import FileForm
from flask_assistant_stream.routes.upload import MAX_PARTS, SLACK_BYTES, read_upload
from flask_assistant_stream.routes.v1.file_schemas import NewFile
from flask_assistant_stream.storages.base import Upload

LIMIT = 1000
BOUNDARY = "the-boundary"
TYPE = f"multipart/form-data; boundary={BOUNDARY}"
FILE = b"hello"

Read = tuple[dict[str, Any], Upload]


def part(disposition: str | bytes, content: bytes = FILE, headers: bytes = b"") -> bytes:
    encoded = disposition.encode() if isinstance(disposition, str) else disposition
    return b"--the-boundary\r\nContent-Disposition: form-data; %s\r\n%s\r\n%s\r\n" % (encoded, headers, content)


def named(filename: str, content: bytes = FILE) -> bytes:
    return part(f'name="file"; filename="{filename}"', content)


def body(*parts: bytes) -> bytes:
    return b"".join(parts) + b"--the-boundary--\r\n"


def chunked(content: bytes) -> dict[str, Any]:
    """Return a request's environment as gunicorn makes it for a body without a length."""
    return {"input_stream": io.BytesIO(content), "environ_overrides": {"wsgi.input_terminated": True}}


def read(content: bytes = b"", schema: Any = None, config: Any = None, limit: int = LIMIT, **options: Any) -> Read:
    app = Flask(__name__)
    app.config.update(config or {})
    if "input_stream" not in options:
        length = {"CONTENT_LENGTH": str(len(content))}
        options.update(input_stream=io.BytesIO(content), environ_overrides=length)
    with app.test_request_context("/", method="POST", content_type=options.pop("type", TYPE), **options):
        return read_upload(request, schema or FileForm(), limit)


@pytest.fixture(autouse=True)
def opened(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Any]]:
    """Return the temporary files; an accepted upload leaves one open, a rejected one none."""
    files: list[Any] = []
    genuine = tempfile.TemporaryFile

    def open_file(*args: Any) -> Any:
        files.append(genuine(*args))
        return files[-1]

    monkeypatch.setattr(upload, "TemporaryFile", open_file)
    yield files
    for file in files:
        file.close()


def refused(opened: list[Any], message: str, param: str | None = "file", **options: Any) -> None:
    with pytest.raises(RequestError, match=message) as caught:
        read(**options)
    assert (caught.value.status, caught.value.param) == (400, param)
    assert all(file.closed for file in opened)


def too_large(opened: list[Any], limit: int = LIMIT, **options: Any) -> None:
    with pytest.raises(TooLarge, match=f"the limit is {limit} bytes"):
        read(**options)
    assert all(file.closed for file in opened)


def test_a_file_and_its_fields(opened: list[Any]) -> None:
    fields, taken = read(body(part('name="purpose"', b"vision"), named("a.png", FILE)), NewFile())
    assert fields == {"purpose": "vision"}
    assert (taken.filename, taken.content_type, taken.purpose, taken.size) == ("a.png", "image/png", "vision", 5)
    assert taken.content.read() == FILE
    assert [file.closed for file in opened] == [False]


def test_the_default_purpose_and_the_type_by_the_ending() -> None:
    assert read(body(named("a.txt")))[1].purpose == "assistants"
    lying = part('name="file"; filename="a.txt"', FILE, b"Content-Type: text/html\r\n")
    assert read(body(lying))[1].content_type == "text/plain"
    assert read(body(named("a.unheard-of")))[1].content_type == "application/octet-stream"
    assert read(body(named("a.tar.gz")))[1].content_type == "application/octet-stream"


def test_a_large_file_is_on_disk_and_never_whole_in_memory() -> None:
    pieces: list[int] = []

    class Counted(io.BytesIO):
        def readinto(self, buffer: Any, /) -> int:
            pieces.append(super().readinto(buffer))
            return pieces[-1]

        def read(self, size: int | None = -1, /) -> bytes:
            data = super().read(size)
            pieces.append(len(data))
            return data

    content = bytes(range(256)) * 16_384
    form = body(named("a.bin", content))
    length = {"CONTENT_LENGTH": str(len(form))}
    _, taken = read(input_stream=Counted(form), environ_overrides=length, limit=len(content))
    assert taken.size == len(content)
    assert taken.content.read() == content
    assert taken.content.fileno() > 0  # a file of the system's
    assert 0 < max(pieces) <= 64 * 1024


def test_a_body_that_says_no_length() -> None:
    _, taken = read(**chunked(body(named("a.txt", b"x" * LIMIT))))
    assert taken.content.read() == b"x" * LIMIT


def test_a_form_that_was_read_before() -> None:
    app = Flask(__name__)
    with app.test_request_context("/", method="POST", content_type=TYPE, data=body(named("a.txt"))):
        assert not request.form
        _, taken = read_upload(request, FileForm(), LIMIT)
        assert taken.content.read() == FILE
        taken.content.close()


PLAIN_NAMES = ["a b.txt", "näïve – 日本.txt", "100%.txt", "a;b=c.txt", ".hidden", "..txt", "n" * 255, "👩‍👩‍👧.txt"]


@pytest.mark.parametrize(
    ("disposition", "name"),
    [
        *((f'name="file"; filename="{name}"', name) for name in PLAIN_NAMES),
        ('name="file"; filename="a%22b%22.txt"', 'a"b".txt'),  # browsers
        (r'name="file"; filename="a\"b\".txt"', 'a"b".txt'),  # curl
        ("name=file; filename=a.txt", "a.txt"),
        ('name="file"; filename="x.txt"; filename*=UTF-8\'\'%E2%82%AC.txt', "€.txt"),
        ('name="file"; filename="e\u0301.txt"', "\u00e9.txt"),
        *(
            (f'name="file"; filename="photo{char}gpj{char}.js"', "photogpj.js")
            for char in "\u202e\u202d\u2066\u2069\u200e\u200f\u061c\u200b\u200d\u2060\ufeff\u00ad\u180e\U000e0041"
        ),
        ('name="file"; filename="\u0646\u0645\u200c\u06cc.txt"', "\u0646\u0645\u200c\u06cc.txt"),  # Persian
    ],
)
def test_names(disposition: str, name: str) -> None:
    assert read(body(part(disposition)))[1].filename == name


def test_fields_of_the_sdk_face() -> None:
    expiry = [part('name="expires_after[anchor]"', b"created_at"), part('name="expires_after[seconds]"', b"3600")]
    ignored = [part('name="something_else"', b"x"), part("without_a_name", b"x")]
    fields, taken = read(body(part('name="purpose"', b"user_data"), *expiry, *ignored, named("a.txt")), NewFile())
    assert fields == {"purpose": "user_data", "expires_after": {"anchor": "created_at", "seconds": 3600}}
    assert (taken.purpose, taken.expires_after) == ("user_data", fields["expires_after"])


PATHS = ["../a.txt", "/etc/passwd", "dir/a.txt", r"C:\\dir\\a.txt", "..", "."]
CONTROLS = ["a\0.txt", "a\tb.txt", "a\x7fb.txt", "a\u0085b.txt", "a\u2028b.txt"]


@pytest.mark.parametrize(
    ("filename", "message"),
    [
        *((name, "plain file name") for name in PATHS),
        *((name, "control characters") for name in CONTROLS),
        ("n" * 256, "1 to 255 characters"),
        ("   ", "1 to 255 characters"),
        ("", "no file was chosen"),
    ],
)
def test_names_that_are_rejected(opened: list[Any], filename: str, message: str) -> None:
    refused(opened, message, content=body(named(filename)))


@pytest.mark.parametrize("escape", ["a%0Ab.txt", "..%2Fa.txt", "a%00.txt"])
def test_escapes_in_extended_names_that_are_rejected(opened: list[Any], escape: str) -> None:
    content = body(part(f'name="file"; filename="a.txt"; filename*=UTF-8\'\'{escape}'))
    refused(opened, "control characters|plain file name", content=content)


@pytest.mark.parametrize(
    ("content", "message", "param"),
    [
        (body(named("a.txt", b"")), "empty", "file"),
        (body(), "no such file", "file"),
        (body(part('name="purpose"', b"vision")), "no such file", "file"),
        (body(part('name="document"; filename="a.txt"')), "no such file", "file"),
        (body(part('name="file"', b"text")), "with a file name", "file"),
        (body(named("a.txt"), named("b.txt")), "one file at a time", "file"),
        (body(named("a.txt"), part('name="other"; filename="b.txt"')), "one file at a time", "file"),
        (body(named("a.txt"), *[part(f'name="{n}"', b"x") for n in range(MAX_PARTS)]), "more than 16 parts", None),
        (body(*[named("a.txt") for _ in range(1000)]), "more than 16 parts", None),
        (body(part('name="purpose"', b"x" * 300_000), named("a.txt")), "too long for text", None),
        (body(part('name="' + "x" * 300_000 + '"', b"x")), "too long for text", None),
        (body(part(b'name="file"; filename="\xff.txt"')), "not valid UTF-8", None),
        (b"--the-boundary\r\nX: y\r\n\r\nhello\r\n--the-boundary--\r\n", "incomplete", None),
        *((body(named("a.txt"))[:end], "incomplete", None) for end in (-20, 30)),
        *((content, "incomplete", None) for content in (b"--another\r\n", b"no form at all", b"")),
    ],
)
def test_forms_that_are_refused(opened: list[Any], content: bytes, message: str, param: str | None) -> None:
    refused(opened, message, param, content=content, limit=10**6)
    opened.clear()
    refused(opened, message, param, limit=10**6, **chunked(content))


OTHER_TYPES = ["", "application/json", "text/plain;charset=UTF-8", "application/x-www-form-urlencoded"]


@pytest.mark.parametrize(
    ("type", "message"),
    [
        *((type, "multipart/form-data") for type in OTHER_TYPES),
        ("multipart/mixed; boundary=the-boundary", "multipart/form-data"),
        ("multipart/form-data", "names no boundary"),
        ("multipart/form-data; boundary=", "names no boundary"),
        ("multipart/form-data; boundary=another", "incomplete"),
    ],
)
def test_types_that_are_refused(opened: list[Any], type: str, message: str) -> None:
    refused(opened, message, None, content=body(named("a.txt")), type=type)
    assert not opened


def expiring(anchor: str, seconds: str) -> dict[str, str]:
    return {"purpose": "vision", "expires_after[anchor]": anchor, "expires_after[seconds]": seconds}


@pytest.mark.parametrize(
    ("parts", "param"),
    [
        ({}, "purpose"),
        *(({"purpose": purpose}, "purpose") for purpose in ("", "batch", "fine-tune", "evals")),
        ({"purpose": "vision", "expires_after[anchor]": "created_at"}, "expires_after"),
        ({"purpose": "vision", "expires_after[seconds]": "3600"}, "expires_after"),
        (expiring("now", "3600"), "expires_after[anchor]"),
        (expiring("created_at", "3599"), "expires_after[seconds]"),
        (expiring("created_at", "-1"), "expires_after[seconds]"),
    ],
)
def test_fields_that_are_refused(opened: list[Any], parts: dict[str, str], param: str) -> None:
    content = body(*[part(f'name="{name}"', value.encode()) for name, value in parts.items()], named("a.txt"))
    refused(opened, "Missing" if not parts else "Invalid", param, content=content, schema=NewFile())


def test_a_file_of_the_limits_length_is_taken_and_one_byte_more_is_not(opened: list[Any]) -> None:
    assert read(body(named("a.txt", b"x" * LIMIT)))[1].size == LIMIT
    opened.pop().close()
    too_large(opened, content=body(named("a.txt", b"x" * (LIMIT + 1))))
    too_large(opened, **chunked(body(named("a.txt", b"x" * (LIMIT + 1)))))


def test_what_says_that_it_is_too_large_is_not_read(opened: list[Any]) -> None:
    class Untouched(io.BytesIO):
        def read(self, *_: Any) -> bytes:
            raise AssertionError("the body was read")

        readinto = read  # type: ignore[assignment]

    length = {"CONTENT_LENGTH": str(LIMIT + SLACK_BYTES + 1)}
    too_large(opened, input_stream=Untouched(), environ_overrides={**length, "wsgi.input_terminated": True})
    assert not opened


def test_an_endless_body_is_read_to_the_limit_only(opened: list[Any]) -> None:
    class Endless(io.RawIOBase):
        sent = 0

        def readable(self) -> bool:
            return True

        def readinto(self, buffer: Any, /) -> int:
            buffer[:] = (b"" if self.sent else named("a.txt", b"")[:-2]).ljust(len(buffer), b"x")
            self.sent += len(buffer)
            return len(buffer)

    endless = Endless()
    environ = {"wsgi.input": endless, "wsgi.input_terminated": True}
    too_large(opened, input_stream=io.BytesIO(), environ_overrides=environ)
    assert endless.sent <= LIMIT + SLACK_BYTES


def test_the_lower_of_the_limits_of_app_and_route_holds(opened: list[Any]) -> None:
    content = body(named("a.txt", b"x" * 800))
    too_large(opened, 500, config={"MAX_CONTENT_LENGTH": 500}, content=content)
    too_large(opened, 500, config={"MAX_CONTENT_LENGTH": 500}, **chunked(content))
    content = body(named("a.txt", b"x" * (LIMIT + SLACK_BYTES)))
    too_large(opened, config={"MAX_CONTENT_LENGTH": 10**9}, content=content)


def test_a_connection_that_breaks_off(opened: list[Any]) -> None:
    """Servers end the body early, or raise as gunicorn does in a chunk."""

    class Broken(io.BytesIO):
        def readinto(self, buffer: Any, /) -> int:
            if self.tell():
                raise OSError("connection reset")
            return super().readinto(buffer)

    content = body(named("a.txt"))[:60]
    refused(opened, "cut off", None, input_stream=Broken(content), environ_overrides={"wsgi.input_terminated": True})
    short = {"CONTENT_LENGTH": "500"}
    refused(opened, "cut off", None, input_stream=io.BytesIO(content), environ_overrides=short)

"""Read a file as the readers' tests do, and packages of parts that the tests write themselves."""

from __future__ import annotations

import io
from collections.abc import Mapping

import pytest

from flask_assistant_stream.errors import RequestError
from flask_assistant_stream.extraction.extract import ExtractedText, extract_text
from tests.files.material import a_zip

OFFICE = "http://schemas.openxmlformats.org"
RELATIONS = f"{OFFICE}/officeDocument/2006/relationships"
STRICT = "http://purl.oclc.org/ooxml"


def extracted(filename: str, data: bytes) -> ExtractedText:
    return extract_text(filename, io.BytesIO(data))


def text_of(filename: str, data: bytes) -> str:
    """Return the text of a file that is read whole."""
    result = extracted(filename, data)
    assert result.note == ""
    return result.text


def refusal(filename: str, data: bytes) -> str:
    with pytest.raises(RequestError) as raised:
        extracted(filename, data)
    assert (raised.value.param, raised.value.code) == ("file", "invalid_file")
    return raised.value.message


def relations(**kinds: str) -> bytes:
    """Return a part of relationships: `header=word/header1.xml`, with the kind as id; `_` in a kind ends it."""
    rows = "".join(
        f'<Relationship Id="{kind}" Type="{RELATIONS}/{kind.partition("_")[0]}" Target="{target}"/>'
        for kind, target in kinds.items()
    )
    return f'<Relationships xmlns="{OFFICE}/package/2006/relationships">{rows}</Relationships>'.encode()


def a_package(main: str, xml: str, parts: Mapping[str, str | bytes] = {}) -> bytes:
    """Return an Office file with a main part; `parts` may name others."""
    named = {"_rels/.rels": relations(officeDocument=main), main: xml, **parts}
    return a_zip({name: data.encode() if isinstance(data, str) else data for name, data in named.items()})


def a_word_file(
    body: str, parts: Mapping[str, str | bytes] = {}, *, namespace: str = f"{OFFICE}/wordprocessingml/2006"
) -> bytes:
    """Return a Word document with the content of its body."""
    xml = (
        f'<w:document xmlns:w="{namespace}/main" xmlns:m="{OFFICE}/officeDocument/2006/math" xmlns:r="{RELATIONS}"'
        f' xmlns:mc="{OFFICE}/markup-compatibility/2006"><w:body>{body}</w:body></w:document>'
    )
    return a_package("word/document.xml", xml, parts)


def paragraph(text: str) -> str:
    return f"<w:p><w:r><w:t>{text}</w:t></w:r></w:p>"


def word_part(element: str, body: str) -> str:
    """Return a part like footnotes."""
    return f'<w:{element} xmlns:w="{OFFICE}/wordprocessingml/2006/main">{body}</w:{element}>'

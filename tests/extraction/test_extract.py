"""Text of files: the order of each type, encodings, limits and errors."""

from __future__ import annotations

import contextlib
import io
import logging
import struct
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any, BinaryIO

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pypdf import PdfWriter

from flask_assistant_stream.errors import RequestError, StoreError
from flask_assistant_stream.extraction import extract
from flask_assistant_stream.extraction.extract import SEARCHABLE, ending, extract_text
from flask_assistant_stream.extraction.readers import html, package, pdf, plain
from tests.files.material import a_docx, a_html, a_pdf, a_zip, another_docx

DOCUMENT = "word/document.xml"
W = 'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"'


def read(filename: str, data: bytes) -> str:
    return extract_text(filename, io.BytesIO(data)).text


def refusal(filename: str, data: bytes) -> str:
    with pytest.raises(RequestError) as raised:
        read(filename, data)
    assert raised.value.param == "file"
    assert raised.value.code == "invalid_file"
    return raised.value.message


def document(body: str, before: str = "") -> bytes:
    """Build a Word document with this WordprocessingML body."""
    xml = f'<?xml version="1.0"?>{before}<w:document {W}><w:body>{body}</w:body></w:document>'
    return another_docx(a_docx([]), DOCUMENT, xml.encode())


# -- names ------------------------------------------------------------------------------------------------------


def test_the_searchable_endings() -> None:
    assert {"txt", "md", "markdown", "html", "htm", "csv", "json", "pdf", "docx", "py", "ts"} <= SEARCHABLE
    assert all(name == name.lower() and "." not in name for name in SEARCHABLE)


@pytest.mark.parametrize(
    ("filename", "expected"),
    [("a.md", "md"), ("A.PDF", "pdf"), ("a.b.Html", "html"), ("md", ""), ("a.", ""), (".md", "md"), ("", "")],
)
def test_endings(filename: str, expected: str) -> None:
    assert ending(filename) == expected


@pytest.mark.parametrize("filename", ["a.exe", "md", "a.md.zip", "a."])
def test_another_ending_is_rejected(filename: str) -> None:
    with pytest.raises(RequestError) as raised:
        read(filename, b"text")
    assert raised.value.code == "unsupported_file"


# -- plain text -------------------------------------------------------------------------------------------------

SAID = "Grüße – 你好 🎈 e\u0301"


@pytest.mark.parametrize(
    "data",
    [
        *(SAID.encode(name) for name in ("utf-8", "utf-8-sig", "utf-16", "utf-32")),
        b"\xfe\xff" + SAID.encode("utf-16-be"),
        b"\0\0\xfe\xff" + SAID.encode("utf-32-be"),
    ],
    ids=["utf-8", "utf-8-sig", "utf-16", "utf-32", "utf-16-be", "utf-32-be"],
)
def test_text_in_unicode(data: bytes) -> None:
    assert read("a.txt", data) == SAID


def test_text_in_western_encodings() -> None:
    assert read("a.txt", "Preis: 5 € – „gut“".encode("cp1252")) == "Preis: 5 € – „gut“"
    assert read("a.txt", b"caf\xe9 \x81 and more") == "café \x81 and more"


@pytest.mark.parametrize("name", ["a.md", "a.csv", "a.json", "a.py"])
def test_only_line_ends_are_changed(name: str) -> None:
    assert read(name, b"a,b\r\n  1 ,\t2\r3\n\n\n\n# x") == "a,b\n  1 ,\t2\n3\n\n\n\n# x"


@pytest.mark.parametrize(
    "data",
    [
        b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR",
        b"text\0more",
        bytes(range(1, 256)),
        "abc".encode("utf-16-le"),
        b"\x7fELF\x02" * 9,
    ],
    ids=["png", "nul", "bytes", "utf-16 unmarked", "elf"],
)
def test_binary_data_is_rejected(data: bytes) -> None:
    assert "is not text" in refusal("a.txt", data)


def test_a_wrong_byte_order_mark_is_rejected() -> None:
    assert "UTF-8" in refusal("a.txt", b"\xef\xbb\xbfcaf\xe9")
    assert "UTF-16" in refusal("a.txt", b"\xff\xfea\0\0\xd8x\0")


@pytest.mark.parametrize("name", [f"a.{kind}" for kind in ("txt", "html", "docx")])
def test_a_file_without_text_is_rejected(name: str) -> None:
    empty = document("<w:p/>") if name == "a.docx" else b" \r\n\t\xc2\xa0"
    assert refusal(name, empty) == "The file has no text."


def test_control_characters_are_removed() -> None:
    text = read("a.txt", b"one\x1btwo\x0b" + b"x" * 1000 + "\ufeff.".encode())
    assert text == "onetwo" + "x" * 1000 + "."


def test_a_long_text_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(extract, "MAX_TEXT_CHARS", 100)
    monkeypatch.setattr(plain, "MAX_TEXT_BYTES", 402)
    monkeypatch.setattr(html, "MAX_HTML_BYTES", 402)
    assert read("a.txt", "🎈".encode() * 1000) == "🎈" * 100
    assert read("a.txt", ("x" + "é" * 1000).encode()) == "x" + "é" * 99, "cut within a character"
    assert read("a.txt", b"caf\xe9 " * 100) == "café " * 20
    assert read("a.html", a_html("T", "ä" * 1000)).startswith("T\n\n# T\n\nä")
    assert len(read("a.docx", a_docx(["word " * 100]))) == 100
    assert len(read("a.pdf", a_pdf("\f".join(["line " * 5] * 20)))) == 100


# -- HTML -------------------------------------------------------------------------------------------------------


def test_html_in_its_order() -> None:
    page = b"""<!DOCTYPE html><html><head><meta charset="utf-8"><title> My &amp;
      page </title><style>p { color: red }</style><script>var no = 1;</script></head>
      <body><h2>Head  ing</h2><p>One <b>bold</b>\n   word.<br>Next line</p>between<ul><li>first</li><li>second</li></ul>
      <template>never</template><!-- nor this --><noscript>nor that</noscript>
      <table><tr><th>Name</th><th>Age</th></tr><tr><td>Anna</td><td>7</td></tr></table>
      <pre>a\n b</pre>Ende gut &uuml;ber &#x1F388;</body></html>"""
    assert read("a.html", page).split("\n") == [
        *("My & page", "", "## Head ing", "", "One bold word.", "Next line", "", "between", "", "first", "second", ""),
        *("Name | Age", "Anna | 7", "", "a", "b", "", "Ende gut über 🎈"),
    ]


@pytest.mark.parametrize(
    "page",
    [
        "<p>Grüße".encode(),
        b"<meta charset=iso-8859-15><p>Gr\xfc\xdfe",
        b'<meta http-equiv="Content-Type" content="text/html; charset=windows-1252"><p>Gr\xfc\xdfe',
        b"<p>Gr\xfc\xdfe",
        "<meta charset=no-such><p>Grüße".encode(),
        "<meta charset=hex><p>Grüße".encode(),
        "<meta charset=ascii><p>Grüße".encode(),
        "<meta charset=iso-8859-1><p>Grüße".encode("utf-8-sig"),
        "<p>Grüße".encode("utf-16"),
        '<?xml version="1.0" encoding="iso-8859-1"?><html xmlns="http://www.w3.org/1999/xhtml"><p>Grüße'.encode(),
    ],
)
def test_html_in_any_encoding(page: bytes) -> None:
    assert read("a.htm", page) == "Grüße"


def test_broken_or_deep_html_is_read_as_far_as_possible() -> None:
    assert "here" in read("a.html", b"<p><b>here</p></b></div><<a")
    assert "begin" in read("a.html", b"<p>begin" + b"<div>" * 100_000 + b"end")


# -- Word -------------------------------------------------------------------------------------------------------


def test_word_in_its_order() -> None:
    parts = ["# Head", "First 🎈 e\u0301.", [["Name", "Age"], ["Anna", "7"]], "After\tthe table.", "## Sub", "Last."]
    assert read("a.docx", a_docx(parts)) == (
        "# Head\n\nFirst 🎈 e\u0301.\n\nName | Age\nAnna | 7\n\nAfter the table.\n\n## Sub\n\nLast."
    )


def test_word_has_the_visible_text_only() -> None:
    body = (
        "<w:p><w:pPr><w:tabs><w:tab/></w:tabs></w:pPr><w:r><w:t>Kept</w:t></w:r>"
        "<w:del><w:r><w:delText> deleted</w:delText></w:r></w:del><w:ins><w:r><w:t>, added</w:t></w:r></w:ins>"
        "<w:moveFrom><w:r><w:t> moved away</w:t></w:r></w:moveFrom>"
        "<w:hyperlink><w:r><w:t xml:space='preserve'> linked</w:t></w:r></w:hyperlink>"
        "<w:r><w:br/><w:t>new line</w:t></w:r></w:p>"
        "<w:sdt><w:sdtContent><w:p><w:r><w:t>In a control.</w:t></w:r></w:p></w:sdtContent></w:sdt>"
        "<w:tbl><w:tr><w:tc><w:p><w:r><w:t>a</w:t></w:r></w:p><w:p><w:r><w:t>b</w:t></w:r></w:p>"
        "<w:tbl><w:tr><w:tc><w:p><w:r><w:t>inner</w:t></w:r></w:p></w:tc></w:tr></w:tbl></w:tc></w:tr></w:tbl>"
    )
    assert read("a.docx", document(body)) == "Kept, added linked\nnew line\n\nIn a control.\n\na b inner"


def test_word_headers_are_read_once() -> None:
    from docx import Document

    word, data = Document(), io.BytesIO()
    word.sections[0].header.paragraphs[0].text = "On every page"
    word.sections[0].different_first_page_header_footer = True
    word.sections[0].first_page_header.paragraphs[0].text = "On every page"
    word.add_paragraph("Text.")
    word.save(data)
    assert read("a.docx", data.getvalue()) == "Text.\n\nOn every page"


def test_a_word_document_too_large_unpacked_is_rejected(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "compressed too much" in refusal("a.docx", another_docx(a_docx(["x"]), DOCUMENT, b" " * 50_000_000))
    many = a_zip({f"word/{number}": b"" for number in range(10_001)})
    assert "too large" in refusal("a.docx", many)
    monkeypatch.setattr(package, "MAX_UNPACKED_BYTES", 500)
    assert "too large" in refusal("a.docx", a_docx(["x"]))


def test_parts_that_are_not_read_may_be_large() -> None:
    assert read("a.docx", another_docx(a_docx(["x"]), "word/media/image1.bmp", b"\0" * 50_000_000)) == "x"


def test_no_more_than_the_declared_size_is_unpacked() -> None:
    data = bytearray(another_docx(a_docx(["x"]), "word/document.xml", b" " * 40_000_000))
    true = struct.pack("<I", 40_000_000)
    while (place := data.find(true)) >= 0:
        data[place : place + 4] = struct.pack("<I", 1000)
    assert "damaged" in refusal("a.docx", bytes(data))


def test_an_encrypted_zip_is_rejected() -> None:
    data = bytearray(a_docx(["x"]))
    with zipfile.ZipFile(io.BytesIO(bytes(data))) as packed:
        place = packed.start_dir
    data[place + 8] |= 1  # the flags of the first entry of the directory
    assert "encrypted" in refusal("a.docx", bytes(data))


# -- PDF --------------------------------------------------------------------------------------------------------


def test_pdf_pages_in_order() -> None:
    content = read("a.pdf", a_pdf("The warranty (limited)\nlasts 37 months – über alles.\fPage two."))
    assert " ".join(content.split()) == "The warranty (limited) lasts 37 months – über alles. Page two."
    assert "\n\n" in content


def with_password(user: str, algorithm: str) -> bytes:
    pdf, data = PdfWriter(clone_from=io.BytesIO(a_pdf("Secret."))), io.BytesIO()
    pdf.encrypt(user, "owner", algorithm=algorithm)
    pdf.write(data)
    return data.getvalue()


def test_an_encrypted_pdf_is_rejected() -> None:
    assert "encrypted" in refusal("a.pdf", with_password("user", "RC4-128"))


def test_an_encrypted_pdf_is_rejected_without_a_library_that_decrypts(tmp_path: Path) -> None:
    (tmp_path / "a.pdf").write_bytes(with_password("", "AES-256"))
    script = (
        "import sys; sys.modules.update(cryptography=None, Crypto=None)\n"
        "from flask_assistant_stream.errors import RequestError\n"
        "from flask_assistant_stream.extraction.extract import extract_text\n"
        "try: extract_text('a.pdf', open(sys.argv[1], 'rb'))\n"
        "except RequestError as error: print(error)"
    )
    command = [sys.executable, "-c", script, str(tmp_path / "a.pdf")]
    result = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    assert "encrypted" in result.stdout


def test_a_pdf_with_an_empty_password_is_read() -> None:
    assert read("a.pdf", with_password("", "RC4-128")).strip() == "Secret."


def test_a_pdf_of_images_is_rejected() -> None:
    pdf, data = PdfWriter(), io.BytesIO()
    pdf.add_blank_page(100, 100)
    pdf.write(data)
    assert refusal("a.pdf", data.getvalue()) == "The file has no text. Its pages may be images."


@pytest.mark.parametrize(
    ("limit", "value", "content", "message"),
    [("MAX_PAGE_BYTES", 1000, "line\n" * 500, "too large"), ("MAX_PDF_SECONDS", -1, "line", "too long")],
)
def test_limits_of_a_pdf(monkeypatch: pytest.MonkeyPatch, limit: str, value: int, content: str, message: str) -> None:
    monkeypatch.setattr(pdf, limit, value)
    assert message in refusal("a.pdf", a_pdf(content))


def test_pypdf_logs_only_at_a_level_that_the_app_sets(caplog: pytest.LogCaptureFixture) -> None:
    broken = a_pdf("Still here.").replace(b"startxref\n", b"startxref\n9")
    with caplog.at_level(logging.DEBUG):
        assert read("a.pdf", broken).strip() == "Still here."
    assert not caplog.records
    with caplog.at_level(logging.WARNING, "pypdf"):
        read("a.pdf", broken)
    assert caplog.records


# -- all types --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "data"),
    [
        *[("a.docx", data) for data in (b"PK\x03\x04 and no more", b"text", b"", a_zip({"a.txt": b"x"}))],
        *[("a.docx", data) for data in (a_docx(["x"])[:-100], document("<w:p>"))],
        *[("a.pdf", data) for data in (b"", b"%PDF-1.4", b"text", b"%PDF-1.4\n" + b"\xff" * 1000, a_pdf("x")[:200])],
    ],
)
def test_a_broken_file_is_rejected(name: str, data: bytes) -> None:
    assert "damaged or of another type" in refusal(name, data)


ENTITIES = '<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;"><!ENTITY c SYSTEM "file:///etc/passwd">'


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("a.html", f"<!DOCTYPE html [{ENTITIES}]><p>text &b; &c; &amp;</p>".encode()),
        ("a.docx", document("<w:p><w:r><w:t>text &b; &c;</w:t></w:r></w:p>", f"<!DOCTYPE w:document [{ENTITIES}]>")),
    ],
)
def test_entities_are_neither_expanded_nor_loaded(name: str, data: bytes) -> None:
    content = read(name, data).removeprefix("]>\n\n")  # lxml ends the doctype of HTML at its first ">"
    assert content.startswith("text")
    assert "aaaa" not in content
    assert "root:" not in content


REAL = {"a.pdf": a_pdf("Some text.\nAnd more."), "a.docx": a_docx(["Text", [["a"]]]), "a.html": a_html("T", "Text")}


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    name=st.sampled_from(sorted(REAL)),
    changes=st.lists(st.tuples(st.integers(0, 40_000), st.binary(max_size=6)), max_size=8),
)
def test_a_damaged_file_is_read_or_rejected(name: str, changes: list[tuple[int, bytes]]) -> None:
    data = bytearray(REAL[name])
    for place, put in changes:
        data[place % len(data) : place % len(data) + len(put)] = put
    with contextlib.suppress(RequestError):
        extract_text(name, io.BytesIO(bytes(data))).text.encode()


class Spooled:
    """The methods of a SpooledTemporaryFile of Python 3.10."""

    def __init__(self, data: bytes) -> None:
        file = io.BytesIO(data)
        self.read, self.seek, self.tell, self.close = file.read, file.seek, file.tell, file.close


@pytest.mark.parametrize("name", sorted(REAL))
def test_spooled_files_are_read(name: str) -> None:
    content: Any = Spooled(REAL[name])
    assert "ext" in extract_text(name, content).text


class Failing(io.BytesIO):
    def read(self, *size: Any) -> bytes:
        raise StoreError("The store does not respond.")


@pytest.mark.parametrize("name", ["a.txt", "a.html", "a.docx", "a.pdf"])
def test_a_failing_store_raises_its_own_error(name: str) -> None:
    content: BinaryIO = Failing(b"x" * 100)
    with pytest.raises(StoreError):
        extract_text(name, content)


def test_libraries_are_imported_only_when_needed() -> None:
    script = (
        "import sys; from flask_assistant_stream.extraction import extract;"
        "print({'pypdf', 'docx', 'lxml'} & sys.modules.keys())"
    )
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True)
    assert result.stdout == "set()\n"

r"""RTF and mail: text of every script, and what is damaged is read as far as it goes, with a note."""

from __future__ import annotations

import pytest

from tests.extraction.reading import extracted, text_of

FONTS = rb"{\rtf1\ansi\ansicpg1252\deff1{\fonttbl{\f0\fcharset0 A;}{\f1\fcharset204 B;}}"


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (rb"\'c4\'e0", "Да"),
        (rb"\f0 \'c4\'e0\plain\'c4\'e0", "ÄàДа"),
        (rb"{\f0 \'c4}\'e0", "Äа"),
        (rb"\u8364?5 \u-10179?\u-8704?", "€5 \U0001f600"),
    ],
)
def test_bytes_are_those_of_the_font_or_of_the_default_font(body: bytes, text: str) -> None:
    assert text_of("a.rtf", FONTS + body + b"}") == text


def test_a_cut_rtf_file_has_a_note() -> None:
    result = extracted("a.rtf", rb"{\rtf1\ansi {\b words")
    assert (result.text, result.note) == ("words", "The file is damaged; only its beginning could be read.")


@pytest.mark.parametrize("boundary", ["", "; boundary=other"])
def test_a_message_in_parts_without_their_boundary_is_text(boundary: str) -> None:
    message = f"Subject: s\nContent-Type: multipart/mixed{boundary}\n\n--b\n\nthe words\n--b--\n"
    assert "the words" in text_of("a.eml", message.encode())


def test_cut_base64_is_read_to_its_last_whole_character() -> None:
    head = b"Subject: s\nContent-Type: text/plain\nContent-Transfer-Encoding: base64\n\n"
    result = extracted("a.eml", head + b"dGhlIHdvcmRzIGFyZSBoZXJlL")
    assert result.text.endswith("the words are here")
    assert result.note == "A part of the message is damaged; its end is missing."


def test_headers_of_reports_and_raw_characters_beside_encoded_words() -> None:
    report = (
        "\ufeffSubject: 返品 =?utf-8?q?gr=C3=BCn?=\nContent-Type: multipart/report; boundary=b\n\n--b\n"
        "Content-Type: message/delivery-status\n\nDiagnostic-Code: smtp; 550 unknown\n--b--\n"
    )
    text = text_of("a.eml", report.encode())
    assert "Subject: 返品 grün" in text
    assert "Diagnostic-Code: smtp; 550 unknown" in text

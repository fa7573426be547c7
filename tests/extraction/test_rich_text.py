"""Rich text and mail: visible text in any encoding, and notes of what is not read."""

from __future__ import annotations

import pytest

from flask_assistant_stream.extraction.readers import mail
from tests.extraction.reading import extracted, refusal, text_of

FONTS = rb"{\fonttbl{\f0 Arial;}{\f1\fcharset204 Times;}{\f2\fcharset134 SimSun;}{\f3\fcharset128 MS;}}"


@pytest.mark.parametrize(
    ("source", "text"),
    [
        (rb"Gr\'fc\'dfe \b bold\b0  and {\i it}", "Grüße bold and it"),
        (rb"\u252\'fcber \uc2\u8364\'80\'80! \uc0\u252 x", "über €! üx"),
        (rb"\u-10179?\u-8904?", "🔸"),
        (rb"\f1\'cf\'f0\'e8\f2\'cd\'cb\f3\'95\'d4{\f1 \'cf}\plain \'fc", "При退返Пü"),
        (rb"a\par b\line c\tab d\~e\_f\-g\{\}\\", "a\nb\nc d e-fg{}\\"),
        (rb"\trowd\cellx1 a\cell b\cell\row", "a | b |"),
        (rb"text{\footnote note}{\header head}{\*\annotation comment}", "text\n\nnote\n\nhead\n\ncomment"),
        (rb"{\*\generator no}{\info{\title no}}{\pict 00ff}{\object{\*\objdata 00}{\result shown}}", "shown"),
        (rb"{\field{\*\fldinst HYPERLINK}{\fldrslt link}}{\*\unknown no}", "link"),
        (rb"{\*\shpinst{\sp{\sn no}{\sv no}}{\shptxt box}}", "box"),
        (rb"{\pict\bin5 }}}}}}after", "after"),
        (rb"{\upr{no}{\*\ud{\u1087?}}}", "п"),
        (rb"kept{\deleted no}\emdash\rquote s", "kept—’s"),
    ],
)
def test_rtf(source: bytes, text: str) -> None:
    assert text_of("a.rtf", rb"{\rtf1\ansi\ansicpg1252\deff0" + FONTS + b" " + source + b"}behind") == text


@pytest.mark.parametrize(
    ("head", "text"),
    [
        (rb"{\rtf1\ansi\ansicpg1251 \'cf\'f0", "Пр"),
        (rb"{\rtf1\mac \'9f", "ü"),
        (rb"{\rtf1\pc \'81", "ü"),
        (rb"{\rtf1\ansicpg932 \'95\'d4", "返"),
        (rb"{\rtf1\ansicpg65001 \'c3\'bc", "ü"),
        (rb"{\rtf1\ansicpg99999 \'fc", "ü"),
    ],
)
def test_code_pages_of_rtf(head: bytes, text: str) -> None:
    assert text_of("a.rtf", head + b"}") == text


def test_what_is_no_rtf_is_rejected() -> None:
    assert "another type" in refusal("a.rtf", b"plain text")
    assert "no text" in refusal("a.rtf", b"{\\rtf1 " + b"{\\b " * 100_000 + b"}" * 100_001)


def a_mail(*lines: str) -> bytes:
    return "\r\n".join(lines).encode()


def test_a_message_with_parts() -> None:
    data = a_mail(
        "From: =?utf-8?B?w4RubmE=?= <anna@example.org>",
        "To: b@example.org",
        "Subject: =?gb2312?B?zcu79Q==?= =?utf-8?Q?_Gr=C3=BC=C3=9Fe?=",
        "Content-Type: multipart/mixed; boundary=AA",
        "",
        *("--AA", "Content-Type: multipart/alternative; boundary=BB", ""),
        *("--BB", "Content-Type: text/plain; charset=iso-8859-1", "Content-Transfer-Encoding: quoted-printable", ""),
        *("=93Gr=FC=DFe=94", "--BB", "Content-Type: text/html; charset=utf-8", "Content-Transfer-Encoding: base64", ""),
        *("PGI+R3LDvMOfZTwvYj4gPHA+YXVzIEhUTUw8L3A+", "--BB--"),
        *("--AA", "Content-Type: message/rfc822", "", "Subject: inner", "", "forwarded text"),
        *(
            "--AA",
            "Content-Type: application/pdf",
            "Content-Disposition: attachment; filename*=utf-8''R%C3%BCck.pdf",
            "",
        ),
        *("JVBERi0=", "--AA--", ""),
    )
    result = extracted("a.eml", data)
    assert result.text.split("\n\n") == [
        "Subject: 退货 Grüße\nFrom: Änna <anna@example.org>\nTo: b@example.org",
        *("Grüße", "aus HTML", "Subject: inner", "forwarded text", "Attachment: Rück.pdf"),
    ]
    assert result.note == "Attachments are not read, except for their names."


@pytest.mark.parametrize(
    ("message", "body"),
    [
        (b"Subject: x\nContent-Type: text/plain; charset=utf-7\n\n+APw-ber", "über"),
        (b"Subject: x\nContent-Type: text/plain; charset=iso-8859-1\n\n\x93\xfcber\x94", "“über”"),
        (b"Subject: x\nContent-Type: text/plain; charset=iso-2022-jp\n\n\x1b$BJVIJ\x1b(B", "返品"),
        (b"Subject: x\nContent-Type: text/plain; charset=gb2312\n\n\xd6\xec\xe9F\xbb\xf9", "朱镕基"),
        (b"Subject: x\nContent-Type: text/plain; charset=no-such\n\n\xc3\xbcber", "über"),
        (b"Subject: x\n\n\xc3\xbcber", "über"),
        (b"Subject: x\nContent-Type: text/html\n\n<meta charset=koi8-r>\xf7\xcf\xda", "Воз"),
    ],
)
def test_encodings_of_a_message(message: bytes, body: str) -> None:
    assert text_of("a.eml", message) == f"Subject: x\n\n{body}"


def test_headers_in_raw_bytes() -> None:
    assert text_of("a.eml", b"Subject: \xc3\xbcber\n\ntext") == "Subject: über\n\ntext"


def test_an_encrypted_message_says_so() -> None:
    message = b"Subject: x\nContent-Type: multipart/encrypted; boundary=B\n\n--B\n\nx\n--B--\n"
    assert "encrypted" in extracted("a.eml", message).note


def test_parts_that_cannot_be_read_leave_a_note() -> None:
    unknown = b"\xd6\xec\xe9F\xbb\xf9"
    assert "encoding" in extracted("a.eml", b"Subject: x\n\n" + unknown).note
    nested = b"Subject: x\nContent-Type: message/rfc822\n\n" * (mail.MAX_NESTED + 5) + b"deep"
    assert "too many parts" in extracted("a.eml", nested).note
    long = b"Subject: x\nX-Long: " + b";" * (mail.MAX_HEADER_CHARS + 1) + b"\n\ntext"
    assert "headers are too long" in extracted("a.eml", long).note
    assert "damaged or of another type" in refusal("a.eml", b"no header")

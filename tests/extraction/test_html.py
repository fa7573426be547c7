"""HTML: all that a browser shows, from pages of any depth and size."""

from __future__ import annotations

import tracemalloc

import pytest

from flask_assistant_stream.extraction.readers import html
from tests.extraction.reading import extracted, refusal, text_of


def test_deep_pages_lose_nothing() -> None:
    page = "<body>top" + "<div>" * 50_000 + "deep</div>" + "</div>" * 49_999 + "<p>after"
    assert text_of("a.html", page.encode()) == "top\n\ndeep\n\nafter"


def test_unclosed_formatting_loses_nothing() -> None:
    page = "<body>" + "".join(f"<p>line{n}<font size={n}><b>" for n in range(2000)) + "end"
    assert text_of("a.html", page.encode()).split() == [f"line{n}" for n in range(1999)] + ["line1999end"]


def test_pictures_inside_a_page_lose_nothing() -> None:
    page = b"<body>top<img alt='a kettle' src='data:," + b"A" * 9_000_000 + b"'><p>below"
    assert text_of("a.html", page) == "top a kettle\n\nbelow"


def test_a_large_page_needs_little_memory() -> None:
    page = b"<p>a" * (1 << 19)
    tracemalloc.start()
    try:
        assert text_of("a.html", page).startswith("a\n\na\n\na")
        assert tracemalloc.get_traced_memory()[1] < 30 << 20
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    ("page", "text"),
    [
        ("<table><tr><td>a<td><table><tr><td>b<td>c</table><td>d</table>", "a |\n\nb | c\n\n| d"),
        ("<table><td>1<td>2</table>", "1 | 2"),
        ("<svg><title>T</title><text>drawn</text></svg><object>instead</object>", "T\n\ndrawn\ninstead"),
        ("<head><title>T</title><x-own>early</head>body", "T\n\nearly\n\nbody"),
        ("a<script>if (a</b) '</scr'</script>b<style>p</style><template>t</template>c", "abc"),
        ("<noscript>no</noscript><iframe>no</iframe>yes<!-- no --><?php no ?>", "yes"),
        ("<textarea>one <b></textarea><xmp><i></xmp><plaintext><u>", "one <b><i><u>"),
        ("<input value=shown><input type=hidden value=no><input type=submit value=Go>", "shown Go"),
        ("<select><option>one<option>two</select>", "one\ntwo"),
        ("&#8211; &#150; &auml; &notit; R&amp;D", "– – ä ¬it; R&D"),
        ("Donau&shy;dampf<wbr>schiff", "Donaudampfschiff"),
        ("<p>a\0b" + "c" * 200, "ab" + "c" * 200),
        ("<pre>a\n  b</pre>", "a\nb"),
        ("a<br>b<br/>c<hr>d", "a\nb\nc\n\nd"),
        ("<ruby>漢<rt>kan</rt></ruby>", "漢kan"),
        ("<p><![CDATA[text]]> of XHTML", "text of XHTML"),
    ],
)
def test_what_is_shown(page: str, text: str) -> None:
    assert text_of("a.html", page.encode()) == text


def test_frames_are_said_to_be_missing() -> None:
    result = extracted("a.html", b"<frameset><frame src=a.html><noframes>no frames</noframes></frameset>")
    assert result.text == "no frames"
    assert "frames" in result.note
    assert "frames" in refusal("a.html", b"<frameset><frame src=a.html></frameset>")


def test_limits_of_a_page_leave_a_note(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(html, "MAX_HTML_SECONDS", -1)
    result = extracted("a.html", b"<p>begin " + b"<p>more" * 20_000)
    assert result.text.startswith("begin")
    assert "too long" in result.note
    monkeypatch.setattr(html, "MAX_HTML_BYTES", 20)
    assert "longer than 20 bytes" in extracted("a.html", b"<p>begin " + b"<p>more" * 20_000).note


@pytest.mark.parametrize(
    "page",
    [b"<" * 200_000, b"&a" * 200_000, b"<!--" + b"-" * 500_000, b"<p " + b"a=1 " * 100_000, b"</p>" * 100_000],
)
def test_hostile_markup_ends(page: bytes) -> None:
    assert extracted("a.html", b"here " + page + b">").text.startswith("here")

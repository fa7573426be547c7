"""Office and OpenDocument files: all of their text, read leniently and within limits."""

from __future__ import annotations

import io
import zipfile

import pytest

from flask_assistant_stream.extraction.readers import package
from tests.extraction.reading import (
    OFFICE,
    RELATIONS,
    STRICT,
    a_package,
    a_word_file,
    extracted,
    paragraph,
    refusal,
    relations,
    text_of,
    word_part,
)
from tests.files.material import a_zip

WORDS = paragraph("words")
RELS = "word/_rels/document.xml.rels"
A = f'xmlns:a="{OFFICE}/drawingml/2006/main"'

# -- Word -------------------------------------------------------------------------------------------------------


def related(kind: str, target: str, mode: str = "") -> str:
    return (
        f'<Relationships xmlns="{OFFICE}/package/2006/relationships">'
        f'<Relationship Id="r5" Type="{RELATIONS}/{kind}" Target="{target}"{mode}/></Relationships>'
    )


@pytest.mark.parametrize(
    "rels",
    [
        related("image", "../NULL"),
        related("image", "media/missing.png"),
        related("hyperlink", "#_top"),
        related("hyperlink", "http://example.org/?a=1", ' TargetMode="External"'),
        related("footnotes", "footnotes.xml"),
        related("settings", "../../../../etc/passwd"),
        "<Relationships",
        "",
    ],
)
def test_references_to_nothing_are_ignored(rels: str) -> None:
    result = extracted("a.docx", a_word_file(WORDS, {RELS: rels}))
    assert result.text == "words"


def test_strict_open_xml_and_other_places_of_the_main_part() -> None:
    assert text_of("a.docx", a_word_file(WORDS, namespace=f"{STRICT}/wordprocessingml")) == "words"
    main = word_part("document", f"<w:body>{WORDS}</w:body>")
    assert text_of("a.docx", a_package("word/document.bin", main)) == "words"
    assert text_of("a.docx", a_package("/Doc/Main.xml", main)) == "words"
    assert text_of("a.docx", a_zip({"word\\document.xml": main.encode()})) == "words"


def test_word_has_the_parts_beside_its_body_once() -> None:
    parts: dict[str, str | bytes] = {
        RELS: relations(
            footnotes="footnotes.xml",
            endnotes="endnotes.xml",
            comments="comments.xml",
            header="header1.xml",
            header_2="header2.xml",
            footer="footer1.xml",
            diagramData="diagrams/data1.xml",
            chart="charts/chart1.xml",
            aFChunk="chunk.html",
        ),
        "word/footnotes.xml": word_part("footnotes", f"<w:footnote>{paragraph('a footnote')}</w:footnote>"),
        "word/endnotes.xml": word_part("endnotes", f"<w:endnote>{paragraph('an endnote')}</w:endnote>"),
        "word/comments.xml": word_part("comments", f"<w:comment>{paragraph('a comment')}</w:comment>"),
        "word/header1.xml": word_part("hdr", paragraph("a header")),
        "word/header2.xml": word_part("hdr", paragraph("a header")),
        "word/footer1.xml": word_part("ftr", paragraph("a footer")),
        "word/diagrams/data1.xml": f"<d {A}><t><a:p><a:r><a:t>a diagram</a:t></a:r></a:p></t></d>",
        "word/charts/chart1.xml": f"<c {A}><a:p><a:r><a:t>a chart</a:t></a:r></a:p><v>37</v><v>38</v></c>",
        "word/chunk.html": "<meta charset=windows-1252><p>gr\xfcn".encode("latin-1"),
    }
    assert text_of("a.docx", a_word_file(WORDS, parts)).split("\n\n") == [
        *("words", "a footnote", "an endnote", "a comment", "a header", "a footer", "a diagram", "a chart"),
        *("37 38", "grün"),
    ]


def test_equations_text_boxes_symbols_and_alternative_texts() -> None:
    def box(text: str) -> str:
        return f"<w:txbxContent>{paragraph(text)}</w:txbxContent>"

    body = (
        "<w:p><w:r><w:t>area </w:t></w:r><m:oMath><m:r><m:t>x=37</m:t></m:r><m:f><m:num><m:r><m:t>1</m:t></m:r></m:num>"
        "<m:den><m:r><m:t>2</m:t></m:r></m:den></m:f></m:oMath><w:r><w:t> m</w:t></w:r></w:p>"
        f"<w:p><w:r><mc:AlternateContent><mc:Choice>{box('boxed')}</mc:Choice><mc:Fallback>{box('boxed')}</mc:Fallback>"
        "</mc:AlternateContent></w:r></w:p>"
        '<w:p><w:r><w:drawing><docPr descr="A red kettle"><cNvPr descr="A red kettle"/></docPr></w:drawing></w:r></w:p>'
        '<w:p><w:r><w:sym w:char="2713"/><w:sym w:char="F0B7"/><w:t>co</w:t><w:softHyphen/><w:t>op</w:t></w:r></w:p>'
        "<w:p><w:r><w:ruby><w:rt><w:r><w:t>kan</w:t></w:r></w:rt><w:rubyBase><w:r><w:t>漢</w:t></w:r></w:rubyBase>"
        "</w:ruby><w:instrText>PAGE</w:instrText></w:r></w:p>"
    )
    assert text_of("a.docx", a_word_file(body)).split("\n\n") == [
        *("area x=371/2 m", "boxed", "A red kettle", "✓coop", "漢"),
    ]


def test_what_is_embedded_is_said_to_be_missing() -> None:
    result = extracted("a.docx", a_word_file(WORDS, {RELS: relations(package="embeddings/a.xlsx")}))
    assert (result.text, result.note) == ("words", "Embedded files are not read.")
    result = extracted("a.docx", a_word_file(WORDS, {RELS: relations(aFChunk="a.rtf"), "word/a.rtf": b"{\\rtf1}"}))
    assert (result.text, result.note) == ("words", "Embedded files are not read.")


def test_damaged_parts_lose_only_themselves() -> None:
    result = extracted("a.docx", a_word_file(WORDS, {RELS: relations(comments="c.xml"), "word/c.xml": "<w:p"}))
    assert (result.text, result.note) == ("words", "A part of the document is damaged and missing.")
    half = a_word_file(paragraph("first " * 20_000) + "<w:p><w:r></w:p>")
    result = extracted("a.docx", half)
    assert result.text.startswith("first first")
    assert "only its beginning" in result.note


def test_limits_go_by_what_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    bomb = word_part("document", "<w:body>" + "<w:p/>" * 2_000_000 + "</w:body>")
    assert "compressed too much" in refusal("a.docx", a_package("word/document.bin", bomb))
    comments = word_part("comments", " " * 20_000_000)
    parts: dict[str, str | bytes] = {RELS: relations(comments="comments.xml"), "word/comments.xml": comments}
    assert "compressed too much" in refusal("a.docx", a_word_file(WORDS, parts))
    assert text_of("a.docx", a_word_file(WORDS, {"word/comments.xml": comments})) == "words"
    monkeypatch.setattr(package, "MAX_UNPACKED_BYTES", 200_000)
    result = extracted("a.docx", a_word_file(paragraph("first") + paragraph("more " * 60_000)))
    assert result.text.startswith("first")
    assert "too large when unpacked" in result.note


def test_old_and_encrypted_office_files_are_rejected_with_the_reason() -> None:
    ole = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600)
    for name in ("a.docx", "a.xlsx", "a.pptx"):
        assert "old Office format" in refusal(name, ole)
        assert "encrypted" in refusal(name, ole + "EncryptedPackage".encode("utf-16-le"))


# -- PowerPoint -------------------------------------------------------------------------------------------------

P = f'xmlns:p="{OFFICE}/presentationml/2006/main" xmlns:r="{RELATIONS}" {A}'


def slide(*texts: str, title: str = "") -> str:
    head = f'<p:sp><p:nvPr><p:ph type="title"/></p:nvPr>{drawn(title)}</p:sp>' if title else ""
    return f"<p:sld {P}>{head}{''.join(map(drawn, texts))}</p:sld>"


def drawn(text: str) -> str:
    return f"<a:p><a:r><a:t>{text}</a:t></a:r></a:p>"


def a_presentation(order: str, parts: dict[str, str | bytes], **slides: str) -> bytes:
    ids = "".join(f'<p:sldId id="{256 + n}" r:id="{id}"/>' for n, id in enumerate(order.split()))
    main = f"<p:presentation {P}><p:sldIdLst>{ids}</p:sldIdLst></p:presentation>"
    return a_package("ppt/presentation.xml", main, {"ppt/_rels/presentation.xml.rels": relations(**slides), **parts})


def test_slides_in_their_order_with_notes_and_tables() -> None:
    table = f"<a:tbl><a:tr><a:tc>{drawn('a')}</a:tc><a:tc>{drawn('b')}</a:tc></a:tr></a:tbl>"
    parts: dict[str, str | bytes] = {
        "ppt/slides/slide1.xml": slide("body", title="Last"),
        "ppt/slides/slide2.xml": f"<p:sld {P}>{table}</p:sld>",
        "ppt/slides/_rels/slide1.xml.rels": relations(notesSlide="../notesSlides/n1.xml", chart="../charts/c.xml"),
        "ppt/notesSlides/n1.xml": slide("a note"),
        "ppt/charts/c.xml": "<c><v>37</v></c>",
        "ppt/slides/slide9.xml": slide("deleted"),
    }
    data = a_presentation("slide_2 slide_1", parts, slide_1="slides/slide1.xml", slide_2="slides/slide2.xml")
    assert text_of("a.pptx", data).split("\n\n") == ["a | b", "## Last", "body", "37", "a note"]


def test_remarks_in_the_form_of_older_powerpoint() -> None:
    parts: dict[str, str | bytes] = {
        "ppt/slides/slide1.xml": slide("body"),
        "ppt/slides/_rels/slide1.xml.rels": relations(comments="..\\comments\\c.xml"),
        "ppt/comments/c.xml": f'<p:cmLst {P}><p:cm><p:pos x="1"/><p:text>a remark</p:text></p:cm></p:cmLst>',
    }
    data = a_presentation("slide_1", parts, slide_1="slides/slide1.xml")
    assert text_of("a.pptx", data) == "body\n\na remark"


def test_a_missing_slide_is_mentioned() -> None:
    parts: dict[str, str | bytes] = {"ppt/slides/slide1.xml": slide("here")}
    data = a_presentation("slide_1 slide_2", parts, slide_1="slides/slide1.xml", slide_2="slides/slide2.xml")
    result = extracted("a.pptx", data)
    assert (result.text, result.note) == ("here", "A slide of the presentation is missing.")


# -- Excel ------------------------------------------------------------------------------------------------------

S = f'xmlns="{OFFICE}/spreadsheetml/2006/main" xmlns:r="{RELATIONS}"'
STYLES = (
    f'<styleSheet {S}><numFmts><numFmt numFmtId="170" formatCode="yyyy\\-mm\\-dd"/>'
    '<numFmt numFmtId="171" formatCode="0.0%"/>'
    '<numFmt numFmtId="173" formatCode="[h]:mm"/><numFmt numFmtId="174" formatCode="[mm]:ss"/>'
    '<numFmt numFmtId="172" formatCode="[Red]0.00&quot; days&quot;"/></numFmts>'
    '<cellStyleXfs><xf numFmtId="14"/></cellStyleXfs><cellXfs><xf numFmtId="0"/><xf numFmtId="14"/><xf numFmtId="170"/>'
    '<xf numFmtId="171"/><xf numFmtId="172"/><xf numFmtId="20"/><xf numFmtId="173"/>'
    '<xf numFmtId="174"/><xf numFmtId="46"/></cellXfs></styleSheet>'
)


def a_workbook(rows: str, shared: str = "", properties: str = "") -> bytes:
    main = (
        f'<workbook {S}><workbookPr {properties}/><sheets><sheet name="Prices" sheetId="1" r:id="worksheet"/>'
        "</sheets></workbook>"
    )
    parts: dict[str, str | bytes] = {
        "xl/_rels/workbook.xml.rels": relations(
            worksheet="worksheets/sheet1.xml", sharedStrings="sharedStrings.xml", styles="styles.xml"
        ),
        "xl/worksheets/sheet1.xml": (
            f"<worksheet {S}><dimension ref='A1:XFD1048576'/><sheetData>{rows}</sheetData></worksheet>"
        ),
        "xl/sharedStrings.xml": f"<sst {S}>{shared}</sst>",
        "xl/styles.xml": STYLES,
    }
    return a_package("xl/workbook.xml", main, parts)


def rows_of(data: bytes) -> list[str]:
    return text_of("a.xlsx", data).removeprefix("## Prices").strip().split("\n")


@pytest.mark.parametrize(
    ("cell", "shown"),
    [
        ("<c><v>0.10000000000000001</v></c>", "0.1"),
        ("<c><v>12345678901234567890</v></c>", "12345678901234567890"),
        ('<c t="s"><v>1</v></c>', "Grün und gut"),
        ('<c t="inlineStr"><is><t>in</t><t>line</t></is></c>', "inline"),
        ('<c t="b"><v>1</v></c>', "TRUE"),
        ('<c t="e"><v>#DIV/0!</v></c>', "#DIV/0!"),
        ('<c t="str"><f>A1</f><v>result</v></c>', "result"),
        ("<c><f>SUM(A1:A2)</f></c>", "=SUM(A1:A2)"),
        ('<c s="1"><v>45992</v></c>', "2025-12-01"),
        ('<c s="2"><v>45992.5</v></c>', "2025-12-01 12:00"),
        ('<c s="5"><v>0.5</v></c>', "12:00"),
        ('<c s="6"><v>1.0833333333</v></c>', "26:00"),
        ('<c s="7"><v>0.0625</v></c>', "90:00"),
        ('<c s="8"><v>2.500011574</v></c>', "60:00:01"),
        ('<c s="3"><v>0.375</v></c>', "37.5%"),
        ('<c s="4"><v>37</v></c>', "37"),
        ('<c s="99"><v>37</v></c>', "37"),
        ('<c s="1"><v>-5</v></c>', "-5"),
        ('<c s="1"><v>1e300</v></c>', "1e300"),
        ('<c t="d"><v>2025-12-01T00:00:00</v></c>', "2025-12-01T00:00:00"),
    ],
)
def test_cells(cell: str, shown: str) -> None:
    shared = "<si><t>no</t></si><si><r><t>Grün </t></r><r><t>und gut</t></r><rPh><t>phonetic</t></rPh></si>"
    assert rows_of(a_workbook(f"<row>{cell}</row>", shared)) == [shown]


def test_rows_of_a_sparse_sheet() -> None:
    rows = '<row r="1"><c r="A1"><v>1</v></c><c r="B1"/><c r="XFD1"><v>2</v></c></row><row r="2"/>'
    rows += '<row r="1048576"><c r="XFD1048576"><v>3</v></c></row>'
    assert rows_of(a_workbook(rows)) == ["1 | 2", "3"]


def test_days_from_1904() -> None:
    assert rows_of(a_workbook('<row><c s="1"><v>1</v></c></row>', properties='date1904="1"')) == ["1904-01-02"]


# -- OpenDocument -----------------------------------------------------------------------------------------------

ODF = "urn:oasis:names:tc:opendocument:xmlns"
NAMES = f'xmlns:office="{ODF}:office:1.0" xmlns:text="{ODF}:text:1.0" xmlns:table="{ODF}:table:1.0"'


def an_odt(body: str, styles: str = "", manifest: str = "") -> bytes:
    parts = {
        "mimetype": "application/vnd.oasis.opendocument.text",
        "content.xml": f"<office:document-content {NAMES}><office:body>{body}</office:body></office:document-content>",
        "styles.xml": f'<s {NAMES} xmlns:style="{ODF}:style:1.0">{styles}</s>',
        "META-INF/manifest.xml": f"<manifest>{manifest}</manifest>",
    }
    return a_zip({name: data.encode() for name, data in parts.items()})


@pytest.mark.parametrize("name", ["a.odt", "a.ods", "a.odp"])
def test_open_document(name: str) -> None:
    body = (
        "<text:tracked-changes><text:p>deleted</text:p></text:tracked-changes>"
        '<text:h text:outline-level="2">Head</text:h>'
        "<text:p>one<text:s text:c='3'/>two<text:tab/>three<text:note><text:note-citation>1</text:note-citation>"
        "<text:note-body><text:p>a footnote</text:p></text:note-body></text:note></text:p>"
        "<table:table><table:table-row><table:table-cell><text:p>a</text:p></table:table-cell>"
        '<table:table-cell table:number-columns-repeated="16384"/>'
        "<table:table-cell><text:p>b</text:p><text:p>c</text:p>"
        '</table:table-cell></table:table-row><table:table-row table:number-rows-repeated="1048576"/></table:table>'
    )
    styles = "<style:style><text:p>no</text:p></style:style><style:header><text:p>a header</text:p></style:header>"
    assert text_of(name, an_odt(body, styles)).split("\n\n") == [
        *("## Head", "one two three", "a footnote", "a | b c", "a header"),
    ]


def test_values_without_text_and_embedded_objects_of_open_document() -> None:
    cells = '<table:table-cell office:value="12.5"/><table:table-cell office:value="2"><text:p>two</text:p>'
    row = f"<table:table-row>{cells}</table:table-cell></table:table-row>"
    assert text_of("a.ods", an_odt(f"<table:table>{row}</table:table>")) == "12.5 | two"
    parts = {"content.xml": "<c xmlns:text='t'><text:p>words</text:p></c>", "Object 1/content.xml": "<math/>"}
    result = extracted("a.odt", a_zip({name: data.encode() for name, data in parts.items()}))
    assert (result.text, result.note) == ("words", "Embedded files are not read.")


def test_an_encrypted_open_document_is_rejected() -> None:
    assert "encrypted" in refusal("a.odt", an_odt("", manifest="<encryption-data/>"))


@pytest.mark.parametrize("name", ["a.docx", "a.pptx", "a.xlsx", "a.odt"])
def test_other_zip_files_and_broken_ones_are_rejected(name: str) -> None:
    assert "damaged or of another type" in refusal(name, a_zip({"a.txt": b"text"}))
    assert "damaged or of another type" in refusal(name, b"PK\x03\x04 no directory")


@pytest.mark.parametrize("kind", [zipfile.ZIP_STORED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_other_compressions(kind: int) -> None:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", kind) as packed:
        packed.writestr("word/document.xml", word_part("document", f"<w:body>{WORDS}</w:body>"))
    assert text_of("a.docx", file.getvalue()) == "words"

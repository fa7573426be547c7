"""Encodings: labels as in browsers, detection, wrong bytes; no text becomes other characters without a word."""

from __future__ import annotations

import time

import pytest

from tests.extraction.reading import extracted, refusal, text_of

LABELLED = [
    ("gb2312", "gbk", "朱镕基"),
    ("gbk", "gb18030", "㐀 and 镕"),
    ("iso-8859-1", "cp1252", "“37 €”"),
    ("ascii", "cp1252", "“37 €”"),
    ("latin1", "cp1252", "Müller"),
    ("windows-31j", "cp932", "返品①"),
    ("x-sjis", "cp932", "返品"),
    ("euc-kr", "cp949", "햏 반품"),
    ("ks_c_5601-1987", "cp949", "반품"),
    ("big5", "big5hkscs", "退貨"),
    ("x-gbk", "gbk", "退货"),
    ("koi8", "koi8-r", "Возврат"),
    ("dos-874", "cp874", "ประกัน"),
    ("iso-8859-9", "cp1254", "Şişli"),
    ("logical", "iso8859-8", "אחריות"),
    ("x-mac-cyrillic", "mac_cyrillic", "Возврат"),
    ("iso-2022-jp", "iso2022_jp", "返品"),
    ("hz-gb-2312", "hz", "退货"),
    ("ibm866", "cp866", "Возврат"),
    ("cp850", "cp850", "Größe"),
]


UNLABELLED = [
    ("cp1253", "Η Αθήνα είναι η πρωτεύουσα της Ελλάδας. Η εγγύηση διαρκεί τρία χρόνια."),
    ("cp1255", "ירושלים היא בירת ישראל. האחריות נמשכת שלוש שנים."),
    ("gbk", "产品保修期为三年,请保留发票。本公司不承担运费。"),
    ("euc_kr", "대한민국의 수도는 서울입니다. 제품 보증 기간은 삼 년입니다."),
    ("cp932", "日本の首都は東京です。製品の保証期間は三年です。"),
    ("iso2022_jp", "日本の首都は東京です。製品の保証期間は三年です。"),
    ("cp1252", "Der Käufer erhält fünf Jahre Gewähr für die Lüftung; größere Schäden gemäß §7."),
    ("iso8859-2", "Vážení zákazníci, záruka trvá třicet šest měsíců. Vraťte výrobek v obalu, prosíme."),
]


@pytest.mark.parametrize("place", [0, 10, 20])
@pytest.mark.parametrize(("encoding", "text"), UNLABELLED)
def test_one_wrong_byte_does_not_change_what_is_detected(encoding: str, text: str, place: int) -> None:
    lines = [text.encode(encoding)] * 20
    result = extracted("a.txt", b"\n".join([*lines[:place], b"\xff", *lines[place:]]))
    assert result.text.count(text) >= 19
    assert result.note


def test_western_text_of_dos_is_rejected_and_utf_16_is_known_without_a_mark() -> None:
    assert "encoding" in refusal("a.txt", "Größe: fünf Äpfel und Übergänge über Straßen.".encode("cp850"))
    for encoding in ("utf-16le", "utf-16be"):
        assert text_of("a.txt", "Größe: fünf Äpfel".encode(encoding)) == "Größe: fünf Äpfel"


@pytest.mark.parametrize(("label", "encoding", "text"), LABELLED)
def test_labels_mean_what_they_mean_in_browsers(label: str, encoding: str, text: str) -> None:
    page = f"<meta charset={label}><p>{text}".encode(encoding)
    assert text_of("a.html", page) == text
    declaration = f'<?xml version="1.0" encoding="{label}"?><a>{text}</a>'.encode(encoding)
    assert text in text_of("a.xml", declaration)


@pytest.mark.parametrize(
    ("page", "text"),
    [
        ("<!-- <meta charset=koi8-r> --><meta charset=windows-1251><p>Возврат".encode("cp1251"), "Возврат"),
        ("<script>'<meta charset=koi8-r>'</script><meta charset=cp1251><p>Возврат".encode("cp1251"), "Возврат"),
        ("<meta content='of charset=koi8-r'><meta charset=cp1251><p>Возврат".encode("cp1251"), "Возврат"),
        (b"<style>" + b"a{}" * 9000 + "</style><meta charset=cp1251><p>Да".encode("cp1251"), "Да"),
        (b"<meta charset=utf-16le><p>plain ASCII page", "plain ASCII page"),
        (b"<meta charset=utf-16><p>caf\xc3\xa9", "café"),
        (b"<meta charset=x-user-defined><p>\x93quoted\x94", "“quoted”"),
        ("<meta charset=no-such><p>Größe".encode(), "Größe"),
        ("<meta charset=gb2312><p>Größe für Öl".encode(), "Größe für Öl"),
        ("<meta charset=iso-8859-1><p>Größe".encode(), "Größe"),
        ("<meta charset=utf-8><p>“37 €” für Müller".encode("cp1252"), "“37 €” für Müller"),
        ("<?xml version='1.0'?><p>Größe".encode("utf-16-le"), "Größe"),
        ("<?xml version='1.0'?><p>Größe".encode("utf-16-be"), "Größe"),
    ],
)
def test_labels_that_cannot_be_right(page: bytes, text: str) -> None:
    assert extracted("a.html", page).text == text


DETECTED = [
    ("gb18030", "退货政策：三十七天内可以退货"),
    ("gbk", "朱镕基总理访问了退货中心"),
    ("big5", "退貨政策：三十七天內可以退貨"),
    ("cp932", "返品は三十七日以内にお願いします"),
    ("euc_jp", "返品は三十七日以内にお願いします"),
    ("cp949", "반품은 37일 이내에 가능합니다"),
    ("cp1251", "Возврат товара"),
    ("koi8-r", "Срок возврата товара тридцать дней"),
    ("koi8-u", "Повернення товару протягом тридцяти днів, її"),
    ("cp1250", "Příliš žluťoučký kůň úpěl ďábelské ódy"),
    ("cp1252", "Rückgabe für größere Käufe"),
    ("cp1252", "He said “it’s 5 € – fine”"),
    ("cp1253", "Επιστροφή προϊόντων εντός ημερών"),
    ("cp1254", "Ürün iade süresi otuz yedi gündür, değişim için çağrı merkezini arayın, fatura şarttır"),
    ("cp1255", "החזרת מוצרים בתוך שלושים יום"),
    ("cp1256", "سياسة الإرجاع خلال ثلاثين يوما"),
    ("cp1257", "Prekės grąžinimo terminas yra trisdešimt dienų, jei jūsų pirkinys sugedęs, užpildykite šį lapą"),
    ("cp874", "นโยบายการคืนสินค้า"),
]

LATIN = {"cp1250", "cp1252", "cp1254", "cp1257"}


@pytest.mark.parametrize(("encoding", "text"), DETECTED)
def test_legacy_encodings_are_detected_with_a_note(encoding: str, text: str) -> None:
    result = extracted("a.txt", text.encode(encoding))
    assert result.text == text
    assert "does not say its encoding" in result.note
    assert extracted("a.html", f"<p>{text}".encode(encoding)).text == text
    assert extracted("a.txt", text.encode(encoding) + b"\n" + b"Words in ASCII. " * 20_000).text.startswith(text)


@pytest.mark.parametrize(("encoding", "text"), [pair for pair in DETECTED if pair[0] not in LATIN])
def test_legacy_encodings_are_detected_behind_much_ascii(encoding: str, text: str) -> None:
    assert extracted("a.txt", b"ASCII only. " * 50_000 + text.encode(encoding)).text.endswith(text)


@pytest.mark.parametrize(
    ("encoding", "text"),
    [("iso2022_jp", "返品は三十七日"), ("iso2022_kr", "반품 정책"), ("hz", "退货政策")],
)
def test_encodings_with_escapes_are_recognised(encoding: str, text: str) -> None:
    assert text_of("a.txt", text.encode(encoding)) == text


def test_escapes_of_other_languages_are_none() -> None:
    lisp = '(format nil "~{~a~^, ~}" \'(1 2)) ~{ab'
    assert text_of("a.txt", lisp.encode()) == lisp


@pytest.mark.parametrize(
    "data",
    [
        *["朱镕基".encode("gbk"), "환불".encode("cp949"), "яп".encode("koi8-r")],
        *["Срок возврата товара".encode("cp866"), "Rückgabe für größere Käufe".encode("cp437")],
        bytes(range(0xA0, 0x100)) * 3,
        "Zwrot".encode("utf-16-be")[1:] + "é".encode("cp500") * 9,
    ],
)
def test_a_text_that_is_not_recognised_is_rejected_or_right(data: bytes) -> None:
    assert "not" in refusal("a.txt", data)


def test_a_wrong_byte_costs_one_character() -> None:
    result = extracted("a.txt", "Rückgabe für größere Käufe".encode() + b" \xff")
    assert result.text == "Rückgabe für größere Käufe \ufffd"
    assert "1 invalid byte" in result.note
    result = extracted("a.txt", "Größe, ".encode() * 100 + b"\xff and \xfe")
    assert result.text == "Größe, " * 100 + "\ufffd and \ufffd"
    assert "2 invalid places" in result.note
    assert extracted("a.html", "<meta charset=gbk><p>退货政策".encode("gbk") + b"\xff").text == "退货政策\ufffd"


@pytest.mark.parametrize("end", [b"\xe2\x82", b"\xf0\x9f\x8e", b"\xf0\x9f"])
def test_a_text_cut_within_a_character_is_utf_8(end: bytes) -> None:
    assert extracted("a.txt", b"The price is 5 " + end).text == "The price is 5 \ufffd"
    assert extracted("a.txt", "Größe ".encode() + end).text == "Größe \ufffd"


def test_replacement_characters_of_the_author_are_no_errors() -> None:
    assert text_of("a.txt", "a \ufffd b ü".encode()) == "a \ufffd b ü"


def test_utf_16_with_an_odd_end() -> None:
    result = extracted("a.txt", ("\ufeff" + "Größe und mehr").encode("utf-16-le") + b"x")
    assert result.text == "Größe und mehr\ufffd"
    assert result.note


def test_detection_reads_a_bounded_part() -> None:
    begun = time.process_time()
    extracted("a.txt", "Возврат товара ".encode("cp1251") * 1_000_000)
    assert time.process_time() - begun < 20

"""Encodings are named where what they give reads as a language, and text in UTF-8, 16 and 32 is read."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sertool.core.errors import DataError
from sertool.core.prepare.encodings import guess_encoding
from sertool.core.prepare.table_text import read_text

TEXTS = {
    "cp1251": ("я очень рад", "почему ты так", "он ушел вчера", "ПОГОВОРИМ ЗАВТРА"),
    "koi8_u": ("я очень рад", "почему ты так", "он ушел вчера"),
    "cp866": ("я очень рад", "почему ты так", "он ушел вчера"),
    "cp1256": ("أنا سعيد جدا", "لماذا تفعل هذا", "غادر أمس"),
    "cp1253": ("είμαι πολύ χαρούμενος", "γιατί το κάνεις αυτό"),
    "cp1255": ("אני מאוד שמח", "למה אתה עושה את זה"),
    "cp874": ("ฉันมีความสุขมาก", "ทำไมคุณทำแบบนี้"),
    "gb18030": ("我 昨天 非常 高兴", "你为什么总是这样", "这件事真让人生气"),
    "cp950": ("我昨天非常高興", "你為什麼總是這樣", "他昨天離開了"),
    "cp932": ("昨日はとても嬉しかった", "なぜいつもこうなの", "彼は昨日帰った"),
    "euc_jp": ("昨日はとても嬉しかった", "なぜいつもこうなの", "彼は昨日帰った"),
    "cp949": ("나는 어제 매우 기뻤다", "왜 항상 그래", "그는 어제 떠났다"),
    "cp1252": ("schöner Tag", "ich möchte gehen", "c'est très bien", "à demain, ça va", "I don’t know"),
    "cp1250": ("jestem bardzo zły", "dziękuję, to świetnie", "proč to děláš"),
    "cp1254": ("neden böyle yapıyorsun", "şimdi değil"),
    "mac_roman": ("schöner Tag", "ich möchte gehen", "je suis désolé"),
}


# Single letters of these do not tell the language.
LATIN = ("cp1250", "cp1254")


@pytest.mark.parametrize("codec", TEXTS)
def test_an_encoding_is_named_by_the_text_that_it_gives(codec):
    singles = [] if codec in LATIN else [[text] for text in TEXTS[codec]]
    for lines in [TEXTS[codec], *singles]:
        table = "\n".join(f"u{place},wav/u{place}.wav,{line},angry,s0" for place, line in enumerate(lines))
        found = guess_encoding(table.encode(codec))
        assert found is not None, table
        assert table.encode(codec).decode(found.codec) == table, found


@pytest.mark.parametrize("content", [b"\xff\xfe\xfd", bytes(range(128, 256)), b"\xff\xd8\xff\xe0\x10JFIF\x81\x8d"])
def test_no_encoding_is_named_for_what_is_no_text(content):
    assert guess_encoding(content) is None


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=40))
def test_any_bytes_are_decoded_by_what_is_named(content):
    found = guess_encoding(content)
    assert found is None or content.decode(found.codec) is not None


@pytest.mark.parametrize("codec", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
def test_texts_with_a_byte_order_mark_are_read(tmp_path, codec):
    (tmp_path / "t.csv").write_bytes("id,text\nä,我\U0001f600\n".encode(codec))
    assert read_text(tmp_path / "t.csv") == "id,text\nä,我\U0001f600\n"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("id,text\n".encode("utf-16-le"), "UTF-16LE text without a byte order mark"),
        ("id,text\n".encode("utf-16-be"), "UTF-16BE text without a byte order mark"),
        (b"\xff\xfei\x00d", "begins like UTF-16 text, but is none (truncated data at byte 4)"),
        (b"id,text\n\x00,a\n", "a zero byte in line 2, which no text holds; is the file damaged?"),
        (b"PK\x03\x04", "is an Excel workbook or another zip archive, expected a table as text"),
        (b"\xd0\xcf\x11\xe0", "is an old Excel workbook, expected a table as text"),
        (b"\n <!DOCTYPE html>", "is a web page, expected a table as text"),
        (b"version https://git-lfs.github.com/spec/v1\n", "is a Git-LFS pointer, expected a table as text"),
        (b"id,text\n\x81\x8d,\xb3\xb2\n", "not UTF-8 text in line 2 (byte 0x81)"),
    ],
)
def test_what_is_no_text_is_named(tmp_path, content, said):
    (tmp_path / "t.csv").write_bytes(content)
    with pytest.raises(DataError) as caught:
        read_text(tmp_path / "t.csv")
    assert str(caught.value).startswith(f"{tmp_path / 't.csv'}: {said}")


def test_a_name_with_a_space_is_quoted_in_the_command(tmp_path):
    path = tmp_path / "my table.csv"
    path.write_bytes("я очень рад\n".encode("cp1251"))
    with pytest.raises(DataError) as caught:
        read_text(path)
    assert "in Windows-1251 'я очень рад'" in str(caught.value)
    assert str(caught.value.hint).startswith("iconv -f WINDOWS-1251 -t UTF-8 'my table.csv' > 'utf8-my table.csv'")

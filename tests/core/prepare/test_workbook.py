"""Excel workbooks: the same table as its CSV, and files that are damaged, locked or made to fill the memory."""

import csv
import datetime
import io
import sys
import zipfile

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sertool.core.errors import DataError, SertoolError, UsageError
from sertool.core.inference.clips import collect
from sertool.core.prepare import workbook
from sertool.core.prepare.findings import Findings
from sertool.core.prepare.records import read_records
from sertool.core.prepare.table import read_table

openpyxl = pytest.importorskip("openpyxl")
ROWS = [
    ["Path", "Label", "Speaker ID", "Text", "start", "end"],
    ["wav/a.wav", "happy", 1, "Hi, you", None, None],
    ["wav/b.wav", "sad", 2.0, " no ", 0.1, 0.4],
    [None] * 6,
    ["wav/c.wav", "happy", "ann", "#N/A", None, None],
]


def write(path, rows, title="Data", **more_sheets):
    book = openpyxl.Workbook()
    for name, content in {title: rows, **more_sheets}.items():
        sheet = book.active if name == title else book.create_sheet(name)
        sheet.title = name
        for row in content:
            sheet.append(row)
    book.save(path)
    return path


def refusal(path):
    with pytest.raises(DataError) as caught:
        read_table(path)
    assert str(caught.value).startswith(f"{path}: ")
    return str(caught.value)


def altered(path, name, change):
    """A copy of a workbook in which a part is changed."""
    copy = path.with_name(f"altered-{path.name}")
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(copy, "w", zipfile.ZIP_DEFLATED) as new:
        for part in old.namelist():
            content = old.read(part)
            new.writestr(part, change(content) if part == name else content)
    return copy


SHEET = "xl/worksheets/sheet1.xml"


def test_a_workbook_is_read_as_its_csv(folder):
    path = write(folder / "t.xlsx", ROWS)
    table = read_table(path)
    rows = {row.id: (row.number, row.labels["emotion"], row.groups["speaker"], row.text) for row in table.rows}
    assert rows == {
        "a": (2, "happy", "1", "Hi, you"),
        "b_0.1-0.4": (3, "sad", "2", "no"),
        "c": (5, "happy", "ann", ""),
    }
    assert [clip.text for clip in collect([], None, path).clips] == ["Hi, you", "no", ""]


CELLS = st.none() | st.integers(-(10**9), 10**9) | st.booleans() | st.text(alphabet='ab1,;\n"|=é', max_size=6)
KINDS = st.lists(st.sampled_from(["id", "audio", "label", "text", "other"]), min_size=1, max_size=5, unique=True)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data(), header=KINDS)
def test_any_workbook_has_the_cells_of_its_csv(folder, data, header):
    cells = st.lists(CELLS, min_size=len(header), max_size=len(header)).filter(lambda row: row[0] not in (None, ""))
    rows = [header, *data.draw(st.lists(cells, max_size=4))]
    # What begins with = is a formula in a workbook.
    rows = [[f"'{cell}" if str(cell).startswith("=") else cell for cell in row] for row in rows]
    text = io.StringIO()
    csv.writer(text, quoting=csv.QUOTE_ALL).writerows([["" if cell is None else cell for cell in row] for row in rows])
    (folder / "t.csv").write_text(text.getvalue())
    findings = Findings()
    was = read_records(folder / "t.csv", findings)
    if findings:  # quotes that are no CSV
        return
    now = read_records(write(folder / "t.xlsx", rows), Findings())
    assert [record for _, record in now.rows] == [record for _, record in was.rows]


def test_the_sheet_with_the_known_columns_is_read(folder):
    table = read_table(write(folder / "t.xlsx", [["About"], ["made by us"]], "Notes", Data=ROWS, More=ROWS))
    assert len(table.rows) == 3
    assert "the sheet 'Data' is read, and no other ('Notes', 'More')" in table.warnings


def test_the_stored_value_of_a_formula_is_read(folder):
    path = write(folder / "t.xlsx", [["audio", "label", "id"], ["wav/a.wav", "=UPPER(A1)", "u1"]])
    assert "row 2: label is a formula without a stored value: paste the values in its place" in refusal(path)
    formula, value = b'<c r="B2"><f>UPPER(A1)</f><v', b'<c r="B2" t="str"><f>UPPER(A1)</f><v>AUDIO</v><x'
    stored = altered(path, SHEET, lambda content: content.replace(formula, value))
    table = read_table(stored)
    assert table.rows[0].labels == {"emotion": "AUDIO"}
    assert "of 1 formula the values are read that were stored last" in table.warnings


def test_a_name_that_the_spreadsheet_made_a_date_is_refused(folder):
    rows = [["id", "audio", "label", "day"], [datetime.date(2026, 2, 1), "wav/a.wav", "x", datetime.date(2026, 1, 1)]]
    path = write(folder / "t.xlsx", rows)
    assert "row 2: id is a date or a time for the spreadsheet: format the column as text" in refusal(path)


def test_without_the_package_the_way_out_is_told(folder, monkeypatch):
    monkeypatch.setitem(sys.modules, "openpyxl", None)
    with pytest.raises(UsageError) as caught:
        read_table(folder / "t.xlsx")
    assert str(caught.value) == f"{folder / 't.xlsx'}: a table is a .csv, .tsv or .jsonl file"
    assert caught.value.hint == (
        "save the spreadsheet as CSV with UTF-8 text, or pip install 'sertool[excel]' to read .xlsx"
    )


def test_a_bomb_is_refused_before_it_is_unpacked(folder, monkeypatch):
    monkeypatch.setattr(workbook, "LARGEST", 100_000)
    path = write(folder / "t.xlsx", ROWS)
    assert read_table(path)
    bomb = altered(path, SHEET, lambda content: content.replace(b"</sheetData>", b" " * 200_000 + b"</sheetData>"))
    assert bomb.stat().st_size < 20_000
    assert "would unpack to 2" in refusal(bomb)
    assert refusal(bomb).endswith("at most 100.0 kB are read")


def test_cells_far_away_and_entities_do_not_fill_the_memory(folder, monkeypatch):
    path = write(folder / "t.xlsx", ROWS)
    monkeypatch.setattr(workbook, "MOST_CELLS", 100_000)
    far = b'<row r="900000000"><c r="A900000000" t="inlineStr"><is><t>x</t></is></c></row></sheetData>'
    assert "more than 100,000 cells" in refusal(altered(path, SHEET, lambda old: old.replace(b"</sheetData>", far)))
    wide = b"".join(b'<row r="%d"><c r="XFD%d"><v>1</v></c></row>' % (n, n) for n in range(6, 20)) + b"</sheetData>"
    assert "more than 100,000 cells" in refusal(altered(path, SHEET, lambda old: old.replace(b"</sheetData>", wide)))
    entities = b"".join(b'<!ENTITY e%d "%s">' % (n, b"&e%d;" % (n - 1) * 20) for n in range(1, 10))
    head = b'<!DOCTYPE worksheet [<!ENTITY e0 "aaaaaaaaaaaaaaaaaaaa">' + entities + b"]>"
    lol = altered(path, SHEET, lambda old: head + old.replace(b"<v>0</v>", b"<v>&e9;</v>", 1))
    assert "not readable as an Excel workbook" in refusal(lol)


def test_a_workbook_is_not_read_without_the_protection(folder, monkeypatch):
    path = write(folder / "t.xlsx", ROWS)
    monkeypatch.setattr("openpyxl.DEFUSEDXML", False)
    with pytest.raises(UsageError, match="is only read where openpyxl uses defusedxml"):
        read_records(path, Findings())
    monkeypatch.setitem(sys.modules, "defusedxml", None)
    with pytest.raises(UsageError, match=r"a table is a \.csv, \.tsv or \.jsonl file") as caught:
        read_records(path, Findings())
    assert "pip install 'sertool[excel]'" in caught.value.hint


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "is no Excel workbook, expected one"),
        (b"id,audio,label\n", "is no Excel workbook, expected one"),
        (b"\xd0\xcf\x11\xe0" + b"\0" * 600, "is an old Excel workbook, or one with a password"),
        (b"PK\x03\x04 and no more", "not readable as an Excel workbook (BadZipFile"),
        (b"%PDF-1.4", "is a PDF, expected one"),
    ],
)
def test_files_that_are_no_workbooks(folder, content, said):
    (folder / "t.xlsx").write_bytes(content)
    assert said in refusal(folder / "t.xlsx")


def test_an_empty_workbook_is_an_empty_table(folder):
    assert "is empty: expected a header" in refusal(write(folder / "t.xlsx", []))


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_damage_is_one_message(folder, data):
    path = folder / "t.xlsx"
    if not path.exists():
        write(path, ROWS)
    content = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    damaged = folder / "damaged.xlsx"
    damaged.write_bytes(content[: data.draw(st.integers(1, len(content)))])
    message = f"{damaged} may be readable all the same"
    try:
        read_records(damaged, Findings())
    except SertoolError as error:
        message = str(error)
    assert message.startswith(str(damaged))
    assert message.encode()  # no half of a character

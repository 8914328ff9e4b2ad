"""Rows of CSV and TSV: quotes that swallow rows, leftovers of spreadsheets, and any mix of quotes and separators."""

import csv
import io

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from sertool.core.prepare.findings import Findings
from sertool.core.prepare.separated import SEPARATORS, read_separated

HEADER = "utterance,audio,text,label,speaker"
# Every other column has fewer than the columns that every row fills.
SWALLOWING = """u0,u0.wav,never,angry,s0
u1,u1.wav,"I told you,angry,s0
u2,u2.wav,never,happy,s1
u3,u3.wav,to leave",sad,s1
u4,u4.wav,never,angry,s1
"""


def read(text):
    findings = Findings()
    return read_separated(text, findings), findings.lines()


def rows_of(text):
    table, problems = read(text)
    assert problems == []
    return [row for _, row in table.rows]


def problem_of(text):
    _, problems = read(text)
    assert problems
    return problems[0]


@pytest.mark.parametrize("separator", [",", ";", "|"])
def test_a_quote_that_swallows_rows_is_refused_with_their_lines(separator):
    text = f"{HEADER}\n{SWALLOWING}".replace(",", separator)
    table, problems = read(text)
    assert problems == [
        "row 3: a quote opens here and closes where other rows seem to be; close a quoted field in its own row, "
        "and double the quotes inside it: lines 3 to 5"
    ]
    assert [(number, row[0], row[3]) for number, row in table.rows] == [(2, "u0", "angry"), (4, "u4", "angry")]


def test_in_a_table_with_tabs_such_quotes_are_text():
    rows = rows_of(f"{HEADER}\n{SWALLOWING}".replace(",", "\t"))
    assert [row[2] for row in rows] == ["never", '"I told you', "never", 'to leave"', "never"]
    assert [row[3] for row in rows] == ["angry", "angry", "happy", "sad", "angry"]


@pytest.mark.parametrize(
    "rows",
    [
        'u1,u1.wav,"I told you,angry,s0\nu2,u2.wav,to leave",sad,s1\n',  # the next row closes it
        'u1,u1.wav,"Well, no, sir,angry,s0\nu2,u2.wav,so, so, so",sad,s1\n',  # texts with commas
        'u1,u1.wav,"I told you,angry\nu2,u2.wav,to leave",sad\n',  # without the optional last column
        'u1,u1.wav,"I told you,angry,s0\nu2,u2.wav,to leave",sad\n',
        '"u1,u1.wav,I told you,angry,s0\nu2",u2.wav,to leave,sad,s1\n',  # in the first column
        'u1,u1.wav,I told you,angry,"s0\nu2,u2.wav,to leave,sad,s1"\n',  # in the last column
        'u1,u1.wav,"I told you,angry,s0\nu2,u2.wav,"",happy,s0\nu3,u3.wav,to leave",sad,s1\n',
        'u1,u1.wav,"I told you,angry,s0\nu2,u2.wav,"never",happy,s0\n',  # another quoted text
        'u1,u1.wav,"I told you,angry,s0\n',  # nothing closes it
        'u1,u1.wav,"I said "no" to him",angry,s0\n',
        'u1,u1.wav,"a,angry,s0"\n',  # in its row: the label would be missing
        'u1,u1.wav,"a,b",angry\n',  # perhaps of four fields, perhaps of five
    ],
)
@pytest.mark.parametrize("header", [HEADER, HEADER.replace("speaker", "split")])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_quotes_that_do_not_belong_to_csv_are_refused(header, rows, end):
    table, problems = read(f"{header}\n{rows}u9,u9.wav,never,happy,s9\n".replace("\n", end))
    assert problems[0].startswith("row 2: ")
    assert "double the quotes inside it" in problems[0]
    assert {row[0]: row[3] for _, row in table.rows}.items() <= {"u2": "happy", "u9": "happy"}.items()


def test_one_column_has_no_line_ends():
    assert "row 2" in problem_of('text\n"I told you\nto leave"\n')
    assert rows_of('text\n"I told you"\nto leave\n') == [["I told you"], ["to leave"]]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Hello\nthere", "Hello\nthere"),
        ("Well, no\n\nyes, no, well, perhaps", "Well, no\n\nyes, no, well, perhaps"),
        ("one\r\ntwo\rthree", "one\r\ntwo\rthree"),
        ('He said ""no""\nand left', 'He said "no"\nand left'),
        ("a\u2028b", "a\u2028b"),
        ("a\x0bb\x0cc\x85d", "a\x0bb\x0cc\x85d"),
    ],
)
@pytest.mark.parametrize("separator", SEPARATORS)
def test_honest_line_ends_are_part_of_a_text(text, expected, separator):
    lines = [HEADER.replace(",", separator)]
    lines += [separator.join((name, f"{name}.wav", f'"{text}"', "happy", "s0")) for name in ("u1", "u2")]
    assert rows_of("\n".join(lines)) == [[name, f"{name}.wav", expected, "happy", "s0"] for name in ("u1", "u2")]


@pytest.mark.parametrize(
    ("cell", "expected"),
    [('"Yes', '"Yes'), ('"Yes" he said', '"Yes" he said'), ('"Yes"', "Yes"), ('5"', '5"'), ('a "b" c', 'a "b" c')],
)
def test_quotes_in_a_table_with_tabs(cell, expected):
    text = f"{HEADER}\nu1,u1.wav,{cell},happy,s0\nu2,u2.wav,fine,sad,s1\n".replace(",", "\t")
    assert [row[2] for row in rows_of(text)] == [expected, "fine"]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize(
    "text",
    [
        "utterance;audio;text;label;speaker;;\nu1;u1.wav;hi;happy;s0;;\nu2;u2.wav;ho;sad;s1;;\n;;;;;;\n;;\n",
        "\nutterance;audio;text;label;speaker\nu1;u1.wav;hi;happy;s0\nu2;u2.wav;ho;sad;s1\n\n",
        ";;;;\nutterance;audio;text;label;speaker\nu1;u1.wav;hi;happy;s0\n\nu2;u2.wav;ho;sad;s1\n",
        "# made by hand, 2026\n\nutterance|audio|text|label|speaker\nu1|u1.wav|hi|happy|s0\nu2|u2.wav|ho|sad|s1\n",
        "sep=;\nutterance;audio;text;label;speaker\nu1;u1.wav;hi;happy;s0\nu2;u2.wav;ho;sad;s1\n",
        '"sep=|"\nutterance|audio|text|label|speaker\nu1|u1.wav|hi|happy|s0\nu2|u2.wav|ho|sad|s1\n',
        'Utterance, "AUDIO" ,text,"label", Speaker\nu1, "u1.wav", hi, happy, s0\nu2,u2.wav,"ho",sad,s1\n',
        "utterance\taudio\ttext\tlabel\tspeaker\nu1\tu1.wav\thi\thappy\ts0\nu2\tu2.wav\tho\tsad\ts1",
    ],
)
def test_leftovers_of_spreadsheets_are_harmless(text, end):
    if ' "AUDIO" ' in text:
        text = text.replace('"AUDIO" ', '"AUDIO"')
    table, problems = read(text.replace("\n", end))
    assert problems == []
    assert table.header == ["utterance", "audio", "text", "label", "speaker"]
    assert [row for _, row in table.rows] == [
        ["u1", "u1.wav", "hi", "happy", "s0"],
        ["u2", "u2.wav", "ho", "sad", "s1"],
    ]


def test_a_lone_carriage_return_is_text_where_others_end_the_rows():
    assert rows_of("id,text,note\nu1,a\rb,\nu2,c,d\r\n") == [["u1", "a\rb", ""], ["u2", "c", "d"]]
    assert rows_of('id,text,note\ru1,"a\nb",\ru2,c,d\r') == [["u1", "a\nb", ""], ["u2", "c", "d"]]
    assert "row 2" in problem_of("id,text,note\nu1,a,b\ru2,c,d\n")


def test_missing_fields_at_the_end_are_empty_or_refused():
    table, problems = read(f'{HEADER}\nu1,u1.wav,"Well, yes",happy\nu2,u2.wav,hi\nu3,u3.wav,hi,sad,s1,x\n')
    assert problems == ["rows 3, 4: expected 5 fields, as in the header"]
    assert table.rows == [(2, ["u1", "u1.wav", "Well, yes", "happy", ""])]
    assert table.short == [2]


def test_a_column_may_be_named_like_a_comment():
    table, problems = read("#,id,text\n1,u1,hi\n")
    assert (table.header, table.rows, problems) == (["#", "id", "text"], [(2, ["1", "u1", "hi"])], [])


def test_a_second_header_is_no_row():
    assert problem_of(f"{HEADER}\nu1,u1.wav,hi,happy,s0\n{HEADER.upper()}\n") == (
        "row 3: repeats the header, as where two tables were joined"
    )


def test_a_header_that_swallows_rows_is_refused():
    text = 'id,audio,label,"text\nu1,u1.wav,happy,hi"\nu2,u2.wav,happy,hi\n'
    assert problem_of(text).startswith("row 1: a quote opens here and closes where other rows seem to be")
    assert problem_of('id,"audio,label\n').startswith("row 1: not valid CSV (unexpected end of data)")


@pytest.mark.parametrize("text", ["", "\n\n", ";;;\n", "sep=;\n", '""\n', "\u200b\nx\n"])
def test_nothing_is_no_table(text):
    table, problems = read(text)
    assert (table.header, table.rows, problems) == ([], [], [])


COLUMNS = ("id", "audio", "text", "label", "speaker", "note")
SIGNS = [
    '"',
    '""',
    ",",
    ", ",
    ";",
    "\t",
    "|",
    "\n",
    "\r\n",
    "\r",
    " ",
    "u1",
    "u2",
    "a",
    "ä",
    "\u2028",
    "1.wav",
    "sep=;",
]
CELLS = st.lists(st.sampled_from(SIGNS), max_size=6).map("".join) | st.text(max_size=4)


@st.composite
def tables(draw, cells):
    width = draw(st.integers(2, len(COLUMNS)))
    row = st.lists(cells, min_size=width, max_size=width)
    return list(COLUMNS[:width]), draw(st.lists(row, max_size=5)), draw(st.sampled_from(SEPARATORS))


def plain(cells):
    return [cell.strip() for cell in cells]


@settings(max_examples=250, deadline=None)
@given(table=tables(CELLS), all_quoted=st.booleans(), end=st.sampled_from(["\n", "\r\n", "\r"]), lost=st.booleans())
@example((["id", "audio", "text"], [["u1", "a", "x\nu2,b,y"]], ","), True, "\n", False)
@example((["id", "text"], [["u1", "x\nu2\ty"]], "\t"), True, "\n", False)
def test_rows_of_a_csv_writer_come_back_or_are_refused(table, all_quoted, end, lost):
    """Also where a spreadsheet leaves out separators behind the last filled cell."""
    header, rows, separator = table
    # Python's writer leaves some line ends without quotes, where others end the rows.
    assume(all_quoted or end != "\r" or not any("\n" in cell for row in rows for cell in row))
    quoting = csv.QUOTE_ALL if all_quoted else csv.QUOTE_MINIMAL
    text = io.StringIO(newline="")
    writer = csv.writer(text, delimiter=separator, lineterminator=end, quoting=quoting)
    writer.writerow(header)
    for row in rows:
        filled = max((place for place, cell in enumerate(row, start=1) if cell), default=1)
        writer.writerow(row[:filled] if lost else row)
    read_back, problems = read(text.getvalue())
    expected = [plain(row) for row in rows if any(plain(row))]
    if not problems and [row for _, row in read_back.rows] != expected:
        # Only with tabs, quotes may be read as text: where a text holds what looks like another row of the table.
        assert separator == "\t"
        assert any("\t" in cell and ("\n" in cell or "\r" in cell) for row in rows for cell in row)


@settings(max_examples=250, deadline=None)
@given(table=tables(CELLS), end=st.sampled_from(["\n", "\r\n", "\r"]))
def test_rows_written_without_quoting_come_back_or_are_refused(table, end):
    """The signs that are quotes in the texts then are quotes of the file, or signs of the text."""
    header, rows, separator = table
    rows = [[" ".join(cell.replace(separator, "").split()) for cell in row] for row in rows]
    text = end.join(separator.join(row) for row in [header, *rows])
    read_back, problems = read(text)
    if not problems:
        bare = [[cell.replace('"', "").strip() for cell in row] for _, row in read_back.rows]
        given = [[cell.replace('"', "").strip() for cell in row] for row in rows]
        assert [row for row in bare if any(row)] == [row for row in given if any(row)]

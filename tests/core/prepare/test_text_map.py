"""Codes of sentences in names become texts, if a file says which."""

import shutil

import pytest
from recorded_tables import SETTINGS, run, write

from sertool.core.corpora.corpus_files import read_corpus
from sertool.core.errors import DataError, UsageError
from sertool.core.prepare.choices import parse_choices
from sertool.core.prepare.folder import read_folder

NAMES = ("03a01Fa", "03a01Wb", "08a02Fa", "08a01Fc2")
PATTERN = "{speaker:2}{text:3}{emotion:1}{take}"
SENTENCES = {"a01": "The cloth lies there.", "a02": "She will = give it away."}


@pytest.fixture
def coded(folder):
    for name in NAMES:
        shutil.copy(folder / "wav" / "a.wav", folder / "wav" / f"{name}.wav")
    for name in "abc":
        (folder / "wav" / f"{name}.wav").unlink()
    return folder


def read(folder, text_map=None):
    table = read_folder(folder / "wav", choices=parse_choices(PATTERN, None, None, text_map))
    return {row.id: row.text for row in table.rows}, table.warnings


def test_codes_alone_are_no_texts(coded):
    texts, warnings = read(coded)
    assert texts == dict.fromkeys(NAMES, "")
    note = "{text} holds codes, which are no texts (a01, a02): --map-texts FILE gives their sentences"
    assert note in warnings


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("t.csv", 'code,text\na01,The cloth lies there.\na02,"She will = give it away."\n'),
        ("t.tsv", "Text\tCode\nThe cloth lies there.\ta01\nShe will = give it away.\ta02\nMore.\tb01\n"),
        ("t.json", '{"a01": "The cloth lies there.", "a02": "She will = give it away."}'),
        ("t.yaml", "a01: The cloth lies there.\na02: She will = give it away.\n"),
        ("t.txt", "# sentences\n\na01 = The cloth lies there.\na02=She will = give it away.\n"),
    ],
)
def test_a_file_gives_the_sentences(coded, name, content):
    path = write(coded, content, name)
    texts, warnings = read(coded, str(path))
    assert texts == {name: SENTENCES[name[2:5]] for name in NAMES}
    assert not any("{text}" in line or "text is empty" in line for line in warnings)


@pytest.mark.parametrize(
    ("name", "content", "error", "message"),
    [
        ("t.txt", "a01=One.\n", DataError, "t.txt has no sentence for the code: a02"),
        ("t.txt", "a01\n", UsageError, "t.txt: 'a01' is not old=new"),
        ("t.txt", "a01=One.\na01=Two.\n", UsageError, "t.txt: several sentences for the code a01"),
        ("t.txt", "\n", DataError, "t.txt: holds no sentences"),
        ("t.csv", "id,words\na01,One.\n", DataError, "t.csv: expected the columns code and text"),
        ("t.json", "[1]", DataError, "t.json: expected an object with the sentence of each code"),
    ],
)
def test_a_file_that_does_not(coded, name, content, error, message):
    with pytest.raises(error) as caught:
        read(coded, str(write(coded, content, name)))
    assert message in str(caught.value)


def test_texts_need_their_part_and_their_file(coded):
    with pytest.raises(UsageError, match="gone: there is no such file"):
        parse_choices(PATTERN, None, None, "gone")
    path = write(coded, "a01=One.\n", "t.txt")
    for pattern in (None, "{speaker:2}{-:3}{emotion:1}{take}"):
        with pytest.raises(UsageError, match="--map-texts: no"):
            parse_choices(pattern, None, None, str(path))


def test_the_command(coded):
    path = write(coded, "a01=The cloth lies there.\na02=She will = give it away.\n", "t.txt")
    given = ("--pattern", PATTERN, "--map-texts", path)
    result = run(coded / "wav", "--out", coded / "out", *SETTINGS, *given, "--workers", "1")
    assert result.exit_code == 0, result.output
    corpus = read_corpus(coded / "out")
    assert {utterance.id: utterance.text for utterance in corpus.utterances} == {n: SENTENCES[n[2:5]] for n in NAMES}
    assert corpus.choices == {"pattern": PATTERN, "map_texts": SENTENCES}
    refused = run(coded / "wav", "--out", path, *SETTINGS, *given)
    assert refused.exit_code != 0

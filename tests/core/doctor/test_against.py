"""One corpus compared with another, and with the training of a run: what both have, and how it was found."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from builders import make_corpus, tiny_recipe
from typer.testing import CliRunner

from sertool.cli import app
from sertool.core.corpora.corpus_files import write_corpus
from sertool.core.corpora.fingerprints import content_hashes, pack
from sertool.core.corpora.sound_codes import SOUNDS, write_sounds
from sertool.core.doctor.inspect import inspect
from sertool.core.files import artifacts
from sertool.core.recipe.load import resolved
from sertool.core.runs.imported import PREDICTIONS, PROBABILITIES, Imported, write_imported

SIZES = {"train": 8, "valid": 4, "test": 6}
FIRST_TEST = 12
LONG = ("many", "words", "that", "both", "corpora", "hold")


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    artifacts.write_text(tmp_path / "tiny.yaml", resolved(tiny_recipe()))
    return tmp_path


def codes(number, seed):
    random = np.random.default_rng(seed)
    return [random.integers(1, 2**32, 60, np.uint32) for _ in range(number)]


def named(name, seed):
    """A corpus of that name whose speakers, texts and ids are its own."""
    corpus = make_corpus(SIZES, seed=seed)
    utterances = [replace(one, id=f"{name}-{one.id}", speaker=f"{name}-{one.speaker}") for one in corpus.utterances]
    return replace(corpus, name=name, utterances=tuple(utterances))


def planted(ours, theirs, pairs):
    """Codes of two corpora, of which some pairs of utterances are copies, the second cut and with wrong bits."""
    own, other = codes(len(ours.utterances), 1), codes(len(theirs.utterances), 2)
    for a, b in pairs:
        other[b] = own[a][20:].copy()
        other[b][::3] ^= np.uint32(7)
    return own, other


def write(folder, corpus, sounds=None):
    write_corpus(corpus, folder)
    if sounds is not None:
        write_sounds(folder, corpus.utterances, sounds)


def run(*arguments, code):
    result = CliRunner().invoke(app, ["doctor", *map(str, arguments)])
    assert result.exit_code == code, result.output
    assert "Traceback" not in result.output
    return result


def compared(*arguments, code):
    """Run the doctor; return what its JSON file says of the comparison, and the findings by kind."""
    run("--recipe", "tiny.yaml", *arguments, "--json", "out.json", code=code)
    content = json.loads(artifacts.read_text(Path("out.json")))
    return content["against"], {one["kind"]: one for one in content["findings"]}


def test_copies_are_found_by_sound_and_told_with_their_pairs(here):
    ours, theirs = named("X", 0), named("Y", 1)
    own, other = planted(ours, theirs, [(FIRST_TEST, 3), (FIRST_TEST + 2, 0), (1, 5)])
    write(here / "data/X", ours, own)
    write(here / "data/Y", theirs, other)
    against, found = compared("--data", "data/X", "--against", "data/Y", code=1)
    copies = found["contaminated"]
    assert (copies["severity"], copies["number"]) == ("error", 2)
    assert copies["text"] == "2 test utterances, 33 % of 6, are in Y: 2 by their sound"
    assert copies["examples"] == ["X: test X-test0 = Y: train Y-train3", "X: test X-test2 = Y: train Y-train0"]
    assert found["also-there"]["examples"] == ["X: train X-train1 = Y: train Y-train5"]
    assert not {"same-speakers", "same-transcripts", "not-by-sound"} & set(found)
    assert {key: against[key] for key in ("name", "kind", "judged", "contaminated", "compared_by_sound")} == {
        "name": "Y",
        "kind": "corpus",
        "judged": 6,
        "contaminated": 2,
        "compared_by_sound": 6,
    }
    assert against["share"] == pytest.approx(1 / 3)
    assert [(one["by"], one["judged"]) for one in against["found"]] == [("sound", row > 0) for row in range(3)]
    shown = run("--recipe", "tiny.yaml", "--data", "data/X", "--against", "data/Y", code=1).stdout
    assert "against Y: 2 (33 % of 6) test utterances found there" in " ".join(shown.split())
    assert shown.splitlines()[-1].endswith("--against data/Y")


def test_corpora_that_share_nothing_are_told_so(here):
    for seed, name in enumerate("XY"):
        write(here / "data" / name, named(name, seed), codes(18, seed))
    against, found = compared("--data", "data/X", "--against", "data/Y", code=0)
    assert (against["contaminated"], against["share"], against["found"]) == (0, 0, [])
    assert not {"contaminated", "also-there", "not-by-sound"} & set(found)


def test_speakers_and_long_transcripts_of_both_are_notes(here):
    ours, theirs = named("X", 0), named("Y", 1)
    for corpus, folder, row in ((ours, "data/X", FIRST_TEST), (theirs, "data/Y", 2)):
        utterances = list(corpus.utterances)
        utterances[row] = replace(utterances[row], words=LONG, text=" ".join(LONG), speaker="ann")
        write(here / folder, replace(corpus, utterances=tuple(utterances)), codes(18, row))
    _, found = compared("--data", "data/X", "--against", "data/Y", code=0)
    own = {kind: (found[kind]["severity"], found[kind]["number"]) for kind in ("same-transcripts", "same-speakers")}
    assert own == {"same-transcripts": ("note", 1), "same-speakers": ("note", 1)}
    assert found["same-speakers"]["examples"] == ["ann"]


def test_corpora_without_fingerprints_are_compared_by_hash(here):
    ours = named("X", 0)
    write(here / "data/X", ours)
    write(here / "data/Y", replace(ours, name="Y"), codes(18, 0))
    against, found = compared("--data", "data/X", "--against", "data/Y", code=1)
    assert {one["by"] for one in against["found"]} == {"frames"}
    assert found["contaminated"]["number"] == 6
    assert "no fingerprints of sound in X" in found["not-by-sound"]["text"]


def write_run(folder, seen, path):
    note = {"name": "Y", "task": "emotion", "classes": ["angry", "happy", "sad"], "rule": "name", "audio_width": 5}
    folds = [{"name": "corpus", "train": 8, "valid": 4, "test": 6}]
    more = {"text_width": None, "folds": folds, "synthetic": False, "machine_text": False}
    artifacts.write_json(folder / "corpus.json", {**note, **more, **({"seen": [seen]} if seen else {})})
    artifacts.write_text(folder / "recipe.yaml", resolved(tiny_recipe(dataset={"path": path})))


def test_the_training_of_a_run_is_found_through_its_recipe_and_else_by_its_hashes(here):
    ours, theirs = named("X", 0), named("Y", 1)
    # A copy of a training utterance, one of a test utterance, and one whose frames are the very same.
    own, other = planted(ours, theirs, [(FIRST_TEST, 3), (FIRST_TEST + 1, 15)])
    frames = [ours.audio[row] for row in range(18)]
    frames[4] = frames[FIRST_TEST + 3] = np.full((6, 5), 0.5, np.float32)
    ours = replace(ours, audio=ours.audio.join(frames, 5))
    theirs = replace(theirs, audio=theirs.audio.join([theirs.audio[row] for row in range(17)] + [frames[4]], 5))
    write(here / "data/X", ours, own)
    write(here / "data/Y", theirs, other)
    hashes = content_hashes(theirs)
    write_run(here / "ckpt/y", pack([*hashes[:12], hashes[17]]), "Y")
    against, found = compared("--data", "data/X", "--against", "y", code=1)
    assert (against["kind"], against["name"], against["utterances"]) == ("run", "y", 13)
    assert found["contaminated"]["text"].startswith("2 test utterances, 33 % of 6, are in the training of y: 1 by")
    assert found["contaminated"]["examples"][0] == "X: test X-test0 = y: train Y-train3"
    shutil.rmtree(here / "data/Y")
    against, found = compared("--data", "data/X", "--against", "ckpt/y", code=1)
    assert found["contaminated"]["examples"] == ["X: test X-test3 = y: trained on"]
    assert "Y, which it was trained on, cannot be read" in found["training-unknown"]["text"]
    assert found["not-by-sound"]["number"] == 6
    write_run(here / "ckpt/old", "", "Y")
    told = run("--data", "data/X", "--against", "old", code=1).output
    assert "does not say which utterances" in " ".join(told.split())


def test_a_run_without_training_is_told_as_such(here):
    write(here / "data/X", named("X", 0))
    write_imported(here / "ckpt/theirs", Imported(kind=PREDICTIONS, source="theirs.csv", answers=PROBABILITIES))
    for given in ("theirs", "ckpt/theirs"):
        told = " ".join(run("--data", "data/X", "--against", given, code=2).output.split())
        assert f"--against {given}: holds predictions of theirs.csv, and does not say what it was trained on" in told


def test_copies_in_two_splits_of_one_corpus_are_an_error(here):
    corpus = named("X", 0)
    own, _ = planted(corpus, corpus, [])
    own[FIRST_TEST] = own[2][10:]
    write(here / "data/X", corpus, own)
    findings = inspect(tiny_recipe(), here / "data/X", data_dir=here, vectors=False).findings
    [copy] = [one for one in findings if one.kind == "copies-across"]
    assert (copy.severity, copy.number) == ("error", 1)
    assert copy.examples == ("X-test0 (test) = X-train2 (train)",)


def test_a_damaged_file_of_fingerprints_is_named(here):
    write(here / "data/X", named("X", 0), codes(18, 0))
    (here / "data/X" / SOUNDS).write_bytes(b"no arrays")
    findings = inspect(tiny_recipe(), here / "data/X", data_dir=here, vectors=False).findings
    assert any(one.kind == "unreadable" and SOUNDS in "".join(one.examples) + one.text for one in findings)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--data", "data/X", "--against", "data/none"], "--against data/none: no such folder, and no run of that"),
        (["--data", "data/X", "--against", "data/X"], "--against data/X: is the corpus that is inspected"),
        (["--data", "data/X", "--against", "data"], "data: no corpus there"),
        (["--against", "data/X"], "--against compares a corpus, and none is given"),
        (["--device", "--against", "data/X"], "--device compares kernels"),
    ],
)
def test_what_cannot_be_compared_is_one_message(here, arguments, message):
    write(here / "data/X", named("X", 0))
    result = CliRunner().invoke(app, ["doctor", *arguments])
    assert result.exit_code in (1, 2)
    assert message in " ".join(result.output.split())

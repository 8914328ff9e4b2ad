"""Corpora, caches, recipes and receipts of an earlier version still open: tests/support/made_before/README.md."""

import hashlib
import importlib.util
import json
import re
import shutil
import sys
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace

import pytest
from old_files import (
    BANDS,
    SMALL,
    contents,
    files,
    plain,
    same_arrays,
    same_bytes,
    same_corpus,
    same_figures,
    times,
    without_places,
    without_sentences,
)
from safetensors.numpy import load_file


def start_anew(name: str, *caches: str) -> Path:
    """A corpus as a command leaves it that was killed: caches and nothing else."""
    folder = Path("data", name)
    shutil.rmtree(folder)
    for cache in caches:
        shutil.copytree(Path("cache", cache), folder / ".prepare" / cache)
    return folder


def frames_of(corpus: Path) -> list[bytes]:
    """The frames of each utterance."""
    arrays = load_file(corpus / "audio.safetensors")
    flat = next(array for array in arrays.values() if array.ndim == 2)
    starts = next(array for array in arrays.values() if array.ndim == 1)
    assert (starts[0], starts[-1]) == (0, len(flat))
    return [flat[first:last].tobytes() for first, last in pairwise(starts)]


def test_prepare_goes_on_from_the_frames_that_were_kept(sertool, unpacked):
    start_anew("TONES", "frames")
    sertool("prepare", "tones.csv", *BANDS, "--out", "data/TONES", "--json", "now/prepare-tones.json")
    same_bytes("prepare-tones.json")
    same_corpus(Path("data/TONES"), unpacked / "data/TONES")


def test_the_frames_are_those_that_were_kept_and_not_computed_anew(sertool, unpacked):
    """Two entries that have changed places: what comes out has, too."""
    cache = start_anew("TONES", "frames") / ".prepare/frames"
    by_size = sorted(files(cache), key=lambda path: path.stat().st_size)
    short, long = by_size[0], by_size[-1]
    one, other = short.read_bytes(), long.read_bytes()
    short.write_bytes(other)
    long.write_bytes(one)
    sertool("prepare", "tones.csv", *BANDS, "--out", "data/TONES")
    now, was = frames_of(Path("data/TONES")), frames_of(unpacked / "data/TONES")
    assert sorted(now) == sorted(was)
    assert sum(ours != theirs for ours, theirs in zip(now, was, strict=True)) == 2


def test_a_prepare_that_fails_leaves_the_frames_as_they_are(sertool):
    cache = start_anew("TONES", "frames") / ".prepare/frames"
    before, written = contents(cache), times(cache)
    Path("broken.wav").write_text("no sound\n")
    with Path("tones.csv").open("a", encoding="utf-8") as file:
        file.write("broken,broken.wav,,,angry,,,,,,train\n")
    told = sertool("prepare", "tones.csv", *BANDS, "--out", "data/TONES", code=1).err
    assert "1 of 26 recordings cannot be used" in told
    assert (contents(cache), times(cache)) == (before, written)


def test_prepare_goes_on_from_the_texts_that_were_kept(sertool, unpacked, monkeypatch):
    heard = []

    class Model:
        def __init__(self, name):
            assert name == "tiny"

        def transcribe(self, samples, language, temperature):
            heard.append(len(samples))
            return iter([SimpleNamespace(text=f" What {len(samples)} samples say.")]), None

    monkeypatch.setitem(sys.modules, "faster_whisper", SimpleNamespace(WhisperModel=Model))
    assert len(files(Path("cache/texts"))) == 3
    start_anew("TOLD", "frames", "texts")
    options = ("--transcribe", "tiny", "--language", "en", "--json", "now/prepare-told.json")
    sertool("prepare", "untold.csv", *BANDS, "--out", "data/TOLD", *options)
    assert len(heard) == 1, "the text of the fourth recording was not there, those of three were"
    same_bytes("prepare-told.json")
    same_corpus(Path("data/TOLD"), unpacked / "data/TOLD")


@pytest.mark.slow
@pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="needs the package ray (make test-cluster)")
def test_prepare_on_a_cluster_goes_on_from_the_frames_that_were_kept(sertool, unpacked):
    """The entry's name holds paths and times, which are others here; the recordings are gone."""
    cache = start_anew("TOLD") / ".prepare/frames"
    recordings = []
    for utterance in plain(unpacked / "data/TOLD/utterances.jsonl"):  # in the order of the splits
        path = Path("recordings", f"{utterance['id']}.flac").absolute()
        path.write_bytes(bytes(path.stat().st_size))
        state = path.stat()
        recordings.append([str(path), state.st_size, state.st_mtime_ns, None, None])
    frontend = plain(unpacked / "data/TOLD/corpus.json")["frontend"]
    key = json.dumps({"recordings": recordings, "reader": 2, "frontend": frontend, "algorithm": 1}, sort_keys=True)
    name = hashlib.blake2b(key.encode(), digest_size=20).hexdigest()
    cache.mkdir(parents=True)
    shutil.copy("cache/shards/told.safetensors", cache / f"{name}.safetensors")
    sertool("prepare", "untold.csv", *BANDS, "--out", "data/TOLD", "--launcher", "ray")
    assert frames_of(Path("data/TOLD")) == frames_of(unpacked / "data/TOLD")


def test_corpora_are_made_as_they_were(sertool, unpacked):
    """Without a cache; frames have other last digits where the processor is another."""
    shutil.rmtree("data")
    sertool("prepare", "tones.csv", *BANDS, "--out", "data/TONES", "--json", "now/prepare-tones.json")
    options = ("--recipe", "small.yaml", "--json", "now/prepare-chords.json")
    sertool("prepare", "chords.jsonl", "--out", "data/CHORDS", *options)
    same_bytes("prepare-tones.json", "prepare-chords.json")
    for name in ("TONES", "CHORDS"):
        now, was = contents(Path("data", name)), contents(unpacked / "data" / name)
        same_arrays(Path("data", name, "audio.safetensors"), unpacked / "data" / name / "audio.safetensors", 1e-5)
        assert [file for file in now if file not in ("recordings.json", "sounds.safetensors")] == list(was)
        assert without_places(now["utterances.jsonl"]) == was["utterances.jsonl"]
        header = plain(Path("data", name, "corpus.json"))
        assert {**plain(unpacked / "data" / name / "corpus.json"), "sha256": header["sha256"]} == header


@pytest.mark.parametrize(("name", "options"), [("TONES", ["--recipe", "custom", *BANDS]), ("CHORDS", SMALL[:2])])
def test_doctor(sertool, name, options):
    sertool("doctor", "--data", f"data/{name}", *options, "--json", f"now/doctor-{name}.json")
    # What this version says besides, of the words of test.
    besides = r' "test_words": (null|\{[^}]*\}),\n +"words": "",\n +(?="errors")'
    now = Path(f"now/doctor-{name}.json")
    text, dropped = re.subn(besides, " ", now.read_text(encoding="utf-8"))
    assert dropped == 1
    now.write_text(text, encoding="utf-8")
    same_figures(now.name)


def test_recipes(sertool):
    shown = sertool("recipes", "show", "small.yaml", "--set", "training.runs=5").out
    assert shown == Path("expected/recipe-small.yaml").read_text(encoding="utf-8")
    shown = sertool("recipes", "show", "custom", "--set", "dataset.path=data/TONES").out
    was = Path("expected/recipe-custom.yaml").read_text(encoding="utf-8")
    assert without_sentences(shown) == without_sentences(was)
    kept = sorted(map(str, Path("ckpt").glob("*/recipe.yaml")))
    sertool("recipes", "check", *kept)
    for path in kept:
        assert sertool("recipes", "show", path).out == Path(path).read_text(encoding="utf-8")


def test_what_was_fetched_is_known(sertool):
    """The manifest's address answers to nobody."""
    shutil.copytree("data/TONES", "fetched/TONES")
    sertool("fetch-data", "tones", "--manifest", "sources.yaml", "--dest", "fetched", "--json", "now/fetched.json")
    now = Path("now/fetched.json")  # of then: the list alone
    now.write_text(json.dumps(plain(now)["sources"]), encoding="utf-8")
    same_bytes("fetched.json")

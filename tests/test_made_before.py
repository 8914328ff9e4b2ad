"""Files that the version of commit edc756f wrote still open and give the same results: support/made_before/README.md.

Only the command line is used, and what lies in files, so that the test holds wherever the code lies.
"""

import gzip
import hashlib
import importlib.util
import json
import re
import runpy
import shutil
import subprocess
import sys
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace

import pytest
from old_files import (
    BANDS,
    FOLDS,
    HALTED,
    HALTED_FROM,
    MADE,
    SAID,
    SMALL,
    TINY,
    alike,
    as_then,
    check_temperatures,
    close,
    contents,
    files,
    number,
    on_such_a_machine,
    plain,
    same_arrays,
    same_bytes,
    same_corpus,
    same_figures,
    same_results,
    same_weights,
    times,
    without_missing_sizes,
    without_remarks,
    without_sentences,
)
from safetensors.numpy import load_file

from sertool.__main__ import main


@pytest.fixture(scope="session")
def unpacked(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("made") / "before"
    shutil.copytree(MADE, folder)
    for path in folder.rglob("*.gz"):
        path.with_suffix("").write_bytes(gzip.decompress(path.read_bytes()))
        path.unlink()
    return folder


@pytest.fixture
def here(unpacked, tmp_path, monkeypatch) -> Path:
    """A copy, which is the working folder: the paths in the files are relative."""
    folder = tmp_path / "here"
    shutil.copytree(unpacked, folder)
    (folder / "now").mkdir()
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def sertool(here, monkeypatch, capsys):
    """Runs a command as the console script does; gives what it printed."""

    def run(*arguments: str, code: int = 0):
        monkeypatch.setattr(sys, "argv", ["sertool", *arguments])
        monkeypatch.setattr(sys, "excepthook", sys.excepthook)  # Typer puts its own there
        capsys.readouterr()
        with pytest.raises(SystemExit) as stopped:
            main()
        printed = capsys.readouterr()
        assert (stopped.value.code or 0) == code, printed.err
        return printed

    return run


# Corpora and the caches of prepare.


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
        assert list(now) == list(was)
        assert now["utterances.jsonl"] == was["utterances.jsonl"]
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


# Trained members.


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("first", [*TINY, "--runs", "2"]),
        ("second", [*TINY, "--runs", "1", "--from", "first"]),
        ("folds", [*SMALL, *FOLDS, "--runs", "1"]),
        ("chords", SMALL),
    ],
)
def test_what_is_trained_is_not_trained_again(sertool, name, options):
    before = {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in Path("ckpt", name).glob("run-*/*")}
    assert before
    sertool("train", "--name", name, *options, "--json", f"now/train-{name}.json")
    after = {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in Path("ckpt", name).glob("run-*/*")}
    assert after == before
    same_bytes(f"train-{name}.json")


@pytest.mark.parametrize(("name", "options"), [("halted", HALTED), ("halted-from", HALTED_FROM)])
def test_a_training_that_was_killed_goes_on(sertool, name, options):
    folder = Path("ckpt", name)
    done = [path.parent for path in folder.glob("run-*/run.json")]
    (rest,) = [path for path in folder.glob("run-*") if path not in done]
    assert len(done) == (2 if name == "halted" else 0)
    before = [(contents(run), times(run)) for run in done]
    epochs = len(plain(rest / "history.jsonl"))
    shutil.rmtree("ckpt/first")  # what the one starts from was copied into its folder
    told = sertool("train", "--name", name, *options, "--json", f"now/train-{name}.json").err
    assert int(re.search(r"epoch (\d+)/", told)[1]) == epochs + 1
    assert not (folder / "state").exists()
    assert [(contents(run), times(run)) for run in done] == before
    close(f"train-{name}.json")
    was = Path("expected", name, rest.name)
    assert [path.name for path in files(rest)] == [path.name for path in files(was)]
    same_weights(rest / "model.safetensors", was / "model.safetensors")
    alike(plain(rest / "history.jsonl"), plain(was / "history.jsonl"), 1e-3)
    alike(plain(rest / "run.json"), plain(was / "run.json"))


def test_a_training_starts_from_a_run_of_then(sertool):
    options = [*TINY, "--runs", "1", "--from", "first"]
    sertool("train", "--name", "third", *options, "--json", "now/train-second.json")
    second, third = Path("ckpt/second"), Path("ckpt/third")
    for file in ("recipe.yaml", "corpus.json", "vocabulary.json", "start.json"):
        now, was = ((folder / file).read_text(encoding="utf-8") for folder in (third, second))
        assert without_sentences(now) == without_sentences(was), file
    alike(plain(third / "standardization.json"), plain(second / "standardization.json"))
    alike(plain(third / "run-1/run.json"), plain(second / "run-1/run.json"))
    same_weights(third / "run-1/model.safetensors", second / "run-1/model.safetensors")
    now = plain(Path("now/train-second.json"))
    assert now.pop("name") == "third"
    was = plain(Path("expected/train-second.json"))
    assert was.pop("name") == "second"
    alike(as_then(now, was), was)


@pytest.mark.parametrize("name", ["first", "second", "folds", "chords"])
def test_ensemble(sertool, unpacked, name):
    probe = ["--probe"] if name == "first" else []
    results = ("--json", f"now/ensemble-{name}.json", "--predictions", f"now/ensemble-{name}.csv")
    sertool("ensemble", "--name", name, "--sets", "valid,test", *probe, "--device", "cpu", *results)
    same_results(f"ensemble-{name}.json", tolerance=1e-5)
    close(f"ensemble-{name}.csv")
    now, was = Path("ckpt", name), unpacked / "ckpt" / name
    calibration, known = (plain(folder / "calibration.json") for folder in (now, was))
    for figure in ("ece_before", "nll_before"):
        assert calibration[figure] == pytest.approx(known[figure], abs=1e-4)
    assert (calibration["calibrated"], calibration["temperature"]) == (False, 1.0)  # 4 and 24 utterances cannot tell
    stored = [path.name for path in files(was / "predictions") if path.name != "private.safetensors"]
    assert len(stored) == (4 if probe else 2)
    for file in stored:
        same_arrays(now / "predictions" / file, was / "predictions" / file, 1e-5, skip=("facts",))
        facts, known = (json.loads(load_file(path / "predictions" / file)["facts"].tobytes()) for path in (now, was))
        if "origin" in facts:
            for one in (facts, known):
                del one["origin"]["made"]  # time, device and versions
        alike(as_then(facts, known), known)


def test_ensemble_on_utterances_without_labels(sertool):
    options = ("--sets", "private", "--device", "cpu", "--json", "now/ensemble-private.json")
    sertool("ensemble", "--name", "first", *options)
    same_results("ensemble-private.json", tolerance=1e-5)


def test_what_was_kept_of_the_reference(sertool):
    """Its pickles were deleted, as the documentation allows."""
    places = ("--data", "reference/data", "--output", "reference/ckpt", "--device", "cpu")
    assert not [path for path in Path("reference").rglob("*") if path.suffix in (".p", ".pkl")]
    options = ("--sets", "valid,test", "--json", "now/ensemble-reference.json")
    sertool("ensemble", "--name", "MODELS", *options, *places)
    same_results("ensemble-reference.json", tolerance=1e-5)


def test_a_temperature_of_then_is_not_used_until_it_is_checked(sertool):
    sertool("predict", "--name", "first", "--table", "asked.csv", "--json", "now/predict.json")
    found = plain(Path("now/predict.json"))
    assert (found["calibrated"], found["temperature"]) == (False, 1.0)
    assert "`sertool ensemble` fits and checks it" in found["uncalibrated"]


def test_predict(sertool):
    check_temperatures()
    options = ("--device", "cpu", "--json", "now/predict.json", "--csv", "now/predict.csv")
    sertool("predict", "--name", "first", "--table", "asked.csv", *options)
    without_remarks("predict.json")
    close("predict.json")
    now, was = plain(Path("now/predict.csv")), plain(Path("expected/predict.csv"))
    column = now[0].index("calibrated")
    assert [row.pop(column) for row in now] == ["calibrated", "yes", "no"]
    alike(now, was)
    options = ("--window", "0.2", "--device", "cpu", "--json", "now/predict-chords.json")
    sertool("predict", "--name", "chords", "recordings/s6-0.flac", "recordings/s4-1.flac", *options)
    without_remarks("predict-chords.json")
    close("predict-chords.json")


# Stored predictions.


def test_report(sertool):
    check_temperatures()
    names = [option for name in ("first", "second", "folds", "chords") for option in ("--name", name)]
    sertool("report", *names, "--json", "now/report.json", "--csv", "now/report.csv")
    without_missing_sizes("report.json")
    same_results("report.json", "report.csv")


def test_compare(sertool):
    sertool("compare", "first", "second", "--json", "now/compare.json", "--csv", "now/compare.csv")
    sertool("compare", "first", "second", "--set", "valid", "--json", "now/compare-valid.json")
    without_missing_sizes("compare.json")
    without_missing_sizes("compare-valid.json")
    same_results("compare.json", "compare-valid.json")
    same_bytes("compare.csv")


# Bundles.


def logits(bundle: str) -> list[float]:
    return runpy.run_path("logits.py")["logits"](Path(bundle), *SAID)


@pytest.mark.parametrize("bundle", ["bundle", "bundle-frontend"])
def test_a_bundle_of_then_runs(here, bundle):
    pytest.importorskip("onnxruntime")
    recording, text = SAID
    command = [sys.executable, "-I", f"{bundle}/run.py", recording, "--text", text]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    said, was = done.stdout.split(), Path("expected", f"{bundle}.txt").read_text(encoding="utf-8").split()
    alike([number(word) for word in said], [number(word) for word in was], 2e-4)  # four digits are printed
    alike(logits(bundle), plain(Path("expected", f"{bundle}.json")))


@pytest.mark.parametrize(
    ("name", "bundle", "result", "options"),
    [
        ("first", "bundle", "export", []),
        ("chords", "bundle-frontend", "export-frontend", ["--with-frontend"]),
    ],
)
def test_export(sertool, unpacked, name, bundle, result, options):
    """Export again over the old bundle and compare."""
    check_temperatures()
    onnx = pytest.importorskip("onnx")
    pytest.importorskip("onnxruntime")
    told = ("--json", f"now/{result}.json")
    sertool("export", "--name", name, "--out", bundle, "--force", *options, *told)
    now, was = (plain(Path(folder, f"{result}.json")) for folder in ("now", "expected"))
    for content in (now, was):
        for check in content["checks"]:
            del check["onnx_ms"], check["torch_ms"], check["largest_difference"]  # times, and a rounding
        content["bytes"] = list(content["bytes"])  # README.md and settings.json hold such figures and versions
    assert now.pop("uncalibrated") == ""
    assert now.pop("size")["chosen_by"] == "all"
    alike(as_then(now, was), was)
    alike(logits(bundle), plain(Path("expected", f"{bundle}.json")))
    old = unpacked / bundle
    for file in ("labels.json", "vocabulary.json"):
        assert Path(bundle, file).read_bytes() == (old / file).read_bytes()
    now, was = (plain(folder / "settings.json") for folder in (Path(bundle), old))
    versions = was["versions"]
    for content in (now, was):
        del content["versions"]
        content["files"] = list(content["files"])
    assert now.pop("uncalibrated") == ""
    assert now.pop("size")["chosen_by"] == "all"
    assert now.pop("ensemble").endswith("members, all that were trained")
    alike(now, was)
    if onnx.__version__ == versions["onnx"] and on_such_a_machine():
        assert Path(bundle, "model.onnx").read_bytes() == (old / "model.onnx").read_bytes()

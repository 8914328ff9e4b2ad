"""`sertool export`: the files of a bundle, and what is refused."""

import json
import re
import shutil

import numpy as np
import pytest
from builders import REFERENCE, copy_case
from bundle_running import run_alone
from export_runs import CLASSES, CLIPS, make_trained, message, run, train_tiny
from typer.testing import CliRunner

from sertool.cli import app
from sertool.core.errors import SertoolError
from sertool.core.export import check as bundle_check
from sertool.core.export import export as exporting
from sertool.core.export import onnx_file
from sertool.core.export.check import feeds_of
from sertool.core.export.source import open_trained
from sertool.core.files.artifacts import sha256
from sertool.core.metrics.calibration import Calibration
from sertool.core.runs.temperature import write_calibration


def test_the_command_writes_a_bundle_and_says_so_in_five_lines(shop, tmp_path):
    out = tmp_path / "bundle"
    result = run(shop, "--out", str(out), "--json", str(tmp_path / "result.json"))
    assert (result.exit_code, result.stderr) == (0, "")
    first, largest, latency, holds, last = result.stdout.splitlines()
    assert first == f"{out} · tiny, 3 members, all that were trained, uncalibrated"
    assert re.fullmatch(
        r"largest difference of logits to PyTorch \d\.\de-0[6-9], all 20 decisions equal "
        r"\(12 validation utterances of TINY and 8 made ones\)",
        largest,
    )
    assert re.fullmatch(r"one utterance: onnxruntime [\d.]+ ms, PyTorch [\d.]+ ms \(median, CPU\)", latency)
    assert re.match(r"holds README.md [\d.]+ kB, labels.json \d+ bytes, model.onnx [\d.]+ [kM]B, run.py", holds)
    assert last == f"next: python {out / 'run.py'} --text 'good morning'"
    table = json.loads((tmp_path / "result.json").read_text())
    assert set(table["bytes"]) == {path.name for path in out.iterdir()}
    assert table["checks"][0]["differing_decisions"] == 0
    assert table["int8"] is None
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bundle", "result.json"]


def test_settings_and_labels_say_what_a_server_needs(shop, tmp_path):
    run(shop, "--out", str(tmp_path / "b"), "--index", "2")
    settings_ = json.loads((tmp_path / "b/settings.json").read_text())
    assert {
        key: settings_[key] for key in ("format", "name", "max_text_length", "max_audio_length", "temperature")
    } == {
        "format": "sertool-bundle/1",
        "name": "tiny",
        "max_text_length": 5,
        "max_audio_length": 8,
        "temperature": 1.0,
    }
    assert len(settings_["members"]) == 2
    assert settings_["frontend"]["hop_length"] == 275
    assert settings_["files"] == {
        path.name: sha256(path) for path in sorted((tmp_path / "b").iterdir()) if path.name != "settings.json"
    }
    labels = json.loads((tmp_path / "b/labels.json").read_text())
    assert labels == {"kind": "single", "classes": list(CLASSES)}
    (index,) = json.loads((tmp_path / "b/vocabulary.json").read_text())
    assert index["UNK"] == 1


def test_two_exports_are_the_same_bytes(shop, tmp_path):
    for name in ("one", "two"):
        assert run(shop, "--out", str(tmp_path / name), "--int8", "--force").exit_code == 0
    files = sorted(path.name for path in (tmp_path / "one").iterdir())
    assert "model.int8.onnx" in files
    for name in files:
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes(), name


def test_the_temperature_of_these_members_is_used_and_no_other(shop, tmp_path):
    folder = tmp_path / "ckpt"
    shutil.copytree(shop / "ckpt", folder)
    opened = open_trained("tiny", folder, shop / "data", None)
    names = tuple(member.name for member in opened.members)
    write_calibration(folder / "tiny", Calibration(names, 1.75, "valid", 12, 0.2, 0.1, 1.0, 0.9))
    here = ["--output", str(folder)]
    result = run(shop, *here, "--out", str(tmp_path / "all"))
    assert result.stdout.splitlines()[0].endswith("3 members, all that were trained, temperature 1.75")
    card = (tmp_path / "all/README.md").read_text()
    assert (
        "temperature 1.75, fitted on 12 valid utterances; calibration error there 20.0 % before, 10.0 % after" in card
    )
    assert json.loads((tmp_path / "all/settings.json").read_text())["temperature"] == 1.75
    result = run(shop, *here, "--out", str(tmp_path / "one"), "--index", "1")
    assert result.stdout.splitlines()[0].endswith("1 member, chosen by the user, uncalibrated")
    assert "uncalibrated (temperature 1)" in (tmp_path / "one/README.md").read_text()


@pytest.mark.parametrize("case", ["mosei6-mat", "mosi-mnt"])
def test_checkpoints_of_the_reference_become_bundles_with_its_logits(case, tmp_path):
    folder = copy_case(case, tmp_path)
    done = exporting.export("ref", tmp_path / "b", output=folder / "ckpt", data=folder / "data")
    assert done.compared[0].largest < 1e-5
    numbers = json.loads((REFERENCE / case / "expected.json").read_text())["sets"]["test"]
    opened = open_trained("ref", folder / "ckpt", folder / "data", None)
    corpus = opened.experiment.corpus.select(list(opened.experiment.folds[0].sets["test"]))
    assert [utterance.id for utterance in corpus.utterances] == numbers["keys"]
    trial = bundle_check.Trial(corpus, (None,) * len(numbers["keys"]), "")
    session = bundle_check.open_session(tmp_path / "b/model.onnx")
    found = bundle_check.onnx_logits(session, feeds_of(opened.trained, trial))
    np.testing.assert_allclose(found, np.array(numbers["ensemble_logits"]), rtol=0, atol=1e-5)
    settings_ = json.loads((tmp_path / "b/settings.json").read_text())
    assert settings_["protocol"] == "paper"
    selected = "**selected on test**" in (tmp_path / "b/README.md").read_text()
    assert selected == opened.experiment.selected_on_test == (case == "mosi-mnt")


def test_cross_validation_exports_every_fold(tmp_path):
    splits = {"scheme": "folds", "folds": 3, "group": "speaker"}
    train_tiny(tmp_path, audio_width=5, splits=splits)
    result = run(tmp_path, "--out", str(tmp_path / "b"), "--index", "1")
    assert result.exit_code == 0, result.stderr
    assert result.stdout.splitlines()[0].endswith("tiny, 1 member of each of 3 folds, chosen by the user, uncalibrated")
    session = bundle_check.open_session(tmp_path / "b/model.onnx")
    assert {own.name: own.shape for own in session.get_inputs()} == {
        "tokens": [3, "batch", "words"],
        "mels": ["batch", "frames", 5],
    }
    card = (tmp_path / "b/README.md").read_text()
    assert "3 folds by speaker; every fold's members are in this ensemble" in card
    assert "each by the members of its own fold" in card
    # Frames of this width come from another program; run.py takes them from a file.
    np.save(tmp_path / "frames.npy", np.ones((4, 5), np.float32))
    done = run_alone(tmp_path / "b", str(tmp_path / "frames.npy"), "--text", "word1")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines()[0] in CLASSES


def test_a_model_of_text_alone_asks_for_text(tmp_path):
    train_tiny(tmp_path, audio_width=80, dataset={"modalities": ["text"]})
    result = run(tmp_path, "--out", str(tmp_path / "b"))
    assert result.exit_code == 0, result.stderr
    session = bundle_check.open_session(tmp_path / "b/model.onnx")
    assert [own.name for own in session.get_inputs()] == ["tokens"]
    done = run_alone(tmp_path / "b", "--text", "word1 word2")
    assert (done.returncode, done.stderr) == (0, "")
    done = run_alone(tmp_path / "b", str(next(CLIPS.glob("*.flac"))))
    assert done.returncode == 2
    assert done.stderr == "error: give the input of the model: text\n"
    done = run_alone(tmp_path / "b", "gone.wav", "--text", "word1")
    assert (done.returncode, done.stderr) == (0, "warning: the model does not use audio, so gone.wav is ignored\n")
    card = (tmp_path / "b/README.md").read_text()
    assert "| input | words |" in card
    assert "It reads at most 5 words of an utterance" in card
    result = run(tmp_path, "--out", str(tmp_path / "c"), "--with-frontend")
    assert (result.exit_code, message(result)) == (
        2,
        "error: --with-frontend: tiny has none, it reads text alone\n  try: leave --with-frontend out\n",
    )


def test_only_a_bundle_is_replaced_and_only_with_force(shop, tmp_path):
    out = tmp_path / "b"
    assert run(shop, "--out", str(out)).exit_code == 0
    (out / "mine.txt").write_text("x")
    result = run(shop, "--out", str(out))
    assert (result.exit_code, message(result)) == (
        2,
        f"error: --out {out}: already exists\n  try: --force replaces it\n",
    )
    assert run(shop, "--out", str(out), "--force").exit_code == 0
    assert not (out / "mine.txt").exists()
    other = tmp_path / "other"
    other.mkdir()
    (other / "settings.json").write_text('{"format": "something else"}')
    result = run(shop, "--out", str(other), "--force")
    text = f"error: --out {other}: exists and is not a bundle; only a bundle is replaced\n"
    assert (result.exit_code, message(result)) == (2, text)
    own = shop / "ckpt" / "tiny"
    result = run(shop, "--out", str(own), "--force")
    text = f"error: --out {own}: this command reads it as {own}, and would replace it\n"
    assert (result.exit_code, message(result)) == (2, text + "  try: give the output another name\n")
    link = tmp_path / "link"
    link.symlink_to(out)
    assert run(shop, "--out", str(link), "--force").exit_code == 2
    assert sorted(path.name for path in tmp_path.iterdir()) == ["b", "link", "other"]


def test_without_onnx_the_message_names_the_extra(shop, tmp_path, monkeypatch):
    monkeypatch.setattr(exporting, "find_spec", lambda name: None)
    result = run(shop, "--out", str(tmp_path / "b"))
    assert (result.exit_code, message(result)) == (
        2,
        "error: export: needs onnx and onnxruntime, which are not installed\n  try: pip install 'sertool[export]'\n",
    )


@pytest.mark.parametrize(
    ("kind", "why"),
    [
        ({"modalities": ["text"], "audio_width": 80}, "it reads text alone"),
        (
            {"audio_width": 5},
            "it takes audio frames of 5 values, and the recipe's frontend makes 80 of a recording",
        ),
        (
            {"audio_width": 80, "text_width": 3},
            "it takes text as frames of 3 values, which another program makes",
        ),
    ],
)
def test_a_frontend_that_does_not_fit_is_refused(kind, why):
    with pytest.raises(SertoolError) as caught:
        exporting._check_frontend(make_trained(**kind))
    assert str(caught.value) == f"--with-frontend: made has none, {why}"
    assert caught.value.hint == "leave --with-frontend out"


def test_unknown_names_and_sizes_are_told(shop, tmp_path):
    result = CliRunner().invoke(
        app, ["export", "--name", "tinny", "--output", str(shop / "ckpt"), "--out", str(tmp_path / "b")]
    )
    assert result.exit_code == 2
    assert "did you mean" in message(result)
    result = run(shop, "--out", str(tmp_path / "b"), "--index", "4")
    assert (result.exit_code, message(result)) == (2, "error: --members 4: there are 3 members to average\n")


def test_weights_too_large_for_a_file_lie_beside_it(shop, tmp_path, monkeypatch):
    monkeypatch.setattr(onnx_file, "LARGEST_FILE", 1000)
    result = run(shop, "--out", str(tmp_path / "b"), "--int8", "--force")
    assert result.exit_code == 0, result.stderr
    assert (tmp_path / "b/model.onnx.data").stat().st_size > 10_000 > (tmp_path / "b/labels.json").stat().st_size
    assert {"model.onnx.data", "model.int8.onnx"} <= set(
        json.loads((tmp_path / "b/settings.json").read_text())["files"]
    )
    done = run_alone(tmp_path / "b", "--text", "word1")
    assert (done.returncode, done.stderr) == (0, "")


def test_a_full_disk_leaves_nothing(shop, tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(exporting, "save", full)
    result = run(shop, "--out", str(tmp_path / "b"))
    assert (result.exit_code, message(result).splitlines()[0]) == (
        1,
        f"error: {tmp_path / 'b'}: no space left on the disk; nothing was half-written",
    )
    assert list(tmp_path.iterdir()) == []

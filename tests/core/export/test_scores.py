"""Bundles of models that predict scores: they say what `sertool predict` says, in the same units and intervals."""

import json
import shutil
from pathlib import Path

import numpy as np
import onnx
import pytest
import soundfile
from bundle_running import load_script, run_alone
from export_runs import CLIPS, message, run
from hypothesis import given, settings
from hypothesis import strategies as st
from scored_corpora import scored_corpus
from scored_runs import FOLDS, train_scored

import sertool
from sertool.core.export import check as bundle_check

CLIP = sorted(CLIPS.glob("*.flac"))[0]
KINDS = {
    "one score": {"corpus": scored_corpus(scores=("valence",))},
    "two scores": {},
    "folds": {"splits": FOLDS},
    "clipped": {"dataset": {"clip": True}, "steeper": 8.0},
}
# Recording (True: the demo's, None: silence), text, and what is lacking.
CASES = [
    (True, "great table nice", []),
    (True, None, ["no text"]),
    (False, "awful poor", ["no audio"]),
    (None, "nice", ["no sound"]),
    (True, "nice zebra yak", ["most words unknown"]),
    (False, "zebra", ["no known word", "no audio"]),
    (None, "zebra", ["no known word", "no sound"]),
]


@pytest.fixture(scope="module")
def make(tmp_path_factory):
    """A function from a kind of run to the folder of such a run with its bundle, and what the export printed."""
    made = {}

    def one(kind: str):
        if kind not in made:
            folder = tmp_path_factory.mktemp("scored")
            train_scored(folder, **KINDS[kind])
            done = run(folder, "--out", str(folder / "b"), "--int8", "--force")
            assert done.exit_code == 0, done.output
            soundfile.write(folder / "silence.wav", np.zeros(22050), 22050)
            made[kind] = folder, done.stdout
        return made[kind]

    return one


@pytest.fixture(scope="module", params=KINDS)
def scored(request, make):
    """A folder with a run of scores and its bundle, and what the export printed."""
    return make(request.param)


@pytest.mark.filterwarnings("ignore:.*contains no sound")
def test_run_py_says_what_predict_says(scored):
    folder, _ = scored
    model, script = sertool.load(folder / "ckpt/tiny"), load_script(folder / "b")
    session = script["open_session"]()
    for audio, text, lacking in CASES:
        recording = {True: CLIP, None: folder / "silence.wav", False: None}[audio]
        wanted, found = model.predict(audio=recording, text=text), script["answer"](session, recording, text)
        assert list(wanted.lacking) == found["lacking"] == lacking
        assert found["scores"] == pytest.approx(wanted.scores, abs=1e-4), (audio, text)
        assert set(found["intervals"]) == set(wanted.intervals) == (set() if lacking else set(model.classes))
        for name, ends in wanted.intervals.items():
            assert found["intervals"][name] == pytest.approx(ends, abs=1e-4)
            assert ends[0] <= found["scores"][name] <= ends[1]
        for name in ("calibrated", "uncalibrated"):
            assert found[name] == getattr(wanted, name)
        assert found["unsure"] == wanted.uninformed == (not found["scores"])


@pytest.mark.parametrize("clip", [True, False])
def test_predictions_beyond_the_range_are_cut_where_the_recipe_says_so_alone(tmp_path, clip):
    train_scored(tmp_path, dataset={"clip": clip}, steeper=30.0)
    assert run(tmp_path, "--out", str(tmp_path / "b")).exit_code == 0
    model, script = sertool.load(tmp_path / "ckpt/tiny"), load_script(tmp_path / "b")
    texts = ["great great great", "awful awful awful", "great nice", "poor awful"]
    scores = [(script["answer"](script["open_session"](), CLIP, text), model.predict(CLIP, text)) for text in texts]
    beyond = 0
    for found, wanted in scores:
        for name, (low, high) in wanted.ranges.items():
            assert found["scores"][name] == pytest.approx(wanted.scores[name], abs=1e-3)
            raw = wanted.logits[model.classes.index(name)]
            beyond += not low <= raw <= high
            assert wanted.scores[name] == pytest.approx(min(max(raw, low), high) if clip else raw, abs=1e-6)
            ends = (*wanted.intervals[name], *found["intervals"][name])
            assert not clip or all(low <= end <= high for end in ends)
    assert beyond, "no prediction left its range, so the test says nothing"


def test_the_graph_is_compared_and_its_output_is_named(scored):
    folder, told = scored
    graph = onnx.load(folder / "b/model.onnx")
    assert [own.name for own in graph.graph.output] == ["scores"]
    names = json.loads((folder / "b/labels.json").read_text())["classes"]
    assert graph.graph.output[0].type.tensor_type.shape.dim[1].dim_value == len(names)
    assert "tiny, 2 members" in told
    assert ", chosen by the user, intervals of 90 %\nlargest difference of scores to PyTorch " in told
    assert " validation utterances of TINY and 8 made ones)\n" in told.partition(" of their range (")[2]


def test_eight_bits_are_told_by_ccc_and_mae(scored):
    folder, told = scored
    assert "change by int8: CCC " in told
    assert " and MAE " in (folder / "b/README.md").read_text().partition("`model.int8.onnx` has CCC ")[2]
    script = load_script(folder / "b")
    full, int8 = (
        script["answer"](script["open_session"](name), CLIP, "great table nice")
        for name in ("model.onnx", "model.int8.onnx")
    )
    labels = json.loads((folder / "b/labels.json").read_text())
    for name, (low, high) in zip(labels["classes"], labels["ranges"], strict=True):
        assert abs(full["scores"][name] - int8["scores"][name]) < 0.1 * (high - low)


def test_run_py_alone(scored, tmp_path):
    folder, _ = scored
    own = sertool.load(folder / "ckpt/tiny").predict(CLIP, "great table nice")
    done = run_alone(folder / "b", str(CLIP), "--text", "great table nice")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == [f"{name} {own.written_with_interval(name)}" for name in own.scores]
    done = run_alone(folder / "b", str(CLIP), str(CLIP), "--json", str(tmp_path / "r.json"))
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    each = 2 + len(own.scores)
    assert lines[0] == lines[each] == f"{CLIP}:"
    assert lines[each - 1] == "  without intervals: outside what the intervals were fitted on: no text"
    content = json.loads((tmp_path / "r.json").read_text())
    assert content["ranges"] == {name: list(ends) for name, ends in own.ranges.items()}
    first, second = content["predictions"]
    assert first == second
    assert set(first["scores"]) == set(own.scores)
    done = run_alone(folder / "b", "--text", "zebra")
    assert (done.returncode, done.stdout, done.stderr) == (0, "unsure (no known word and no audio)\n", "")


@pytest.fixture
def bundle(make, tmp_path):
    """A copy that a test may change."""
    return Path(shutil.copytree(make("two scores")[0] / "b", tmp_path / "b"))


DAMAGED = [
    {"half_widths": [float("nan"), 1.0]},
    {"half_widths": [float("inf"), 1.0]},
    {"half_widths": [-0.1, 1.0]},
    {"half_widths": [True, 1.0]},
    {"half_widths": [1.0]},
    {"half_widths": None},
    {"ranges": [[5.0, 1.0], [0.0, 10.0]]},
    {"ranges": [[1.0, 1.0], [0.0, 10.0]]},
    {"ranges": [[1.0, float("nan")], [0.0, 10.0]]},
    {"ranges": [[1.0], [0.0, 10.0]]},
    {"ranges": [[10**400, 1], [0.0, 10.0]]},
    {"clip": "no"},
    {"kind": "single"},
    {"classes": ["valence"]},
    {"classes": ["valence", 1]},
]


@pytest.mark.parametrize("change", DAMAGED, ids=str)
def test_damaged_ranges_and_widths_are_refused(bundle, change):
    content = json.loads((bundle / "labels.json").read_text())
    (bundle / "labels.json").write_text(json.dumps({**content, **change}))
    with pytest.raises(ValueError, match=r"labels\.json: damaged, expected names of scores, each with its range"):
        load_script(bundle)


@pytest.mark.filterwarnings("ignore:.*was changed after the export")
def test_names_of_another_number_are_refused(bundle):
    content = json.loads((bundle / "labels.json").read_text())
    for names in (["valence", "valence"], ["a", "b", "c"]):
        ranges, widths = [[1.0, 5.0]] * len(names), [None] * len(names)
        changed = {**content, "classes": names, "ranges": ranges, "half_widths": widths}
        (bundle / "labels.json").write_text(json.dumps(changed))
        script = load_script(bundle)
        with pytest.raises(ValueError, match=r"labels\.json: expected 2 different names"):
            script["answer"](script["open_session"](), None, "nice")


NUMBERS = st.integers() | st.floats() | st.booleans() | st.none()
LISTS = st.lists(NUMBERS, max_size=3)
ANY = NUMBERS | st.text(max_size=3) | LISTS | st.lists(LISTS, max_size=3)


@settings(max_examples=300, deadline=None)
@given(data=st.data())
def test_any_altered_label_is_refused_or_can_be_reckoned_with(make, data):
    folder, _ = make("two scores")
    script = _script(folder / "b")
    content = json.loads((folder / "b/labels.json").read_text())
    content[data.draw(st.sampled_from(sorted(content)))] = data.draw(ANY)
    if not script["are_labels"](content):
        return
    for own, (low, high) in zip(content["half_widths"], content["ranges"], strict=True):
        assert own is None or 0 <= own < np.inf
        assert -np.inf < low < high < np.inf


def _script(bundle: Path, cache: dict = {}) -> dict:  # noqa: B006
    if bundle not in cache:
        cache[bundle] = load_script(bundle)
    return cache[bundle]


def test_a_graph_with_other_scores_is_not_written(make, tmp_path, monkeypatch):
    folder, _ = make("two scores")
    real = bundle_check.onnx_logits
    monkeypatch.setattr(bundle_check, "onnx_logits", lambda *given: real(*given) + np.float32(1e-2))
    done = run(folder, "--out", str(tmp_path / "b"))
    assert done.exit_code == 1
    text = message(done)
    assert text.startswith("error: export: the graph's scores differ from PyTorch's by ")
    assert " of their range, at most 1e-04 is accepted (" in text
    assert list(tmp_path.iterdir()) == []


def test_without_intervals_a_bundle_says_so(tmp_path):
    train_scored(tmp_path, evaluated=False)
    done = run(tmp_path, "--out", str(tmp_path / "b"), "--json", str(tmp_path / "x.json"))
    assert done.exit_code == 0, done.output
    assert "all that were trained, without intervals\n" in done.stdout
    table = json.loads((tmp_path / "x.json").read_text())
    why = "no intervals were fitted for these members"
    assert (table["kind"], table["temperature"], table["intervals"]) == ("scores", None, None)
    assert table["uncalibrated"] == why
    script = load_script(tmp_path / "b")
    found = script["answer"](script["open_session"](), CLIP, "nice great")
    assert (found["intervals"], found["calibrated"], found["uncalibrated"]) == ({}, False, why)
    assert script["written"](found)[0].count("(") == 0
    assert "| intervals | none; `sertool ensemble` fits them" in (tmp_path / "b/README.md").read_text()
    assert sertool.load(tmp_path / "ckpt/tiny").predict(CLIP, "nice great").uncalibrated == why

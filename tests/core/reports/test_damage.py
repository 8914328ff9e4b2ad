"""Reports on folders that are half-written, damaged, of another version or not there: said, and the rest reported."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from stored_sets import changed, make_origin, make_set, only, report, shuffled, write_run

from sertool.core.errors import UsageError
from sertool.core.files import artifacts
from sertool.core.runs.folder import runs_below
from sertool.core.runs.prediction_files import set_path, write_probes, write_set
from sertool.core.runs.predictions import MemberScore


def test_names_that_are_not_there(clean):
    with pytest.raises(UsageError) as caught:
        report(clean, "tinny")
    assert str(caught.value) == f"{clean}/tinny: no such folder, did you mean 'tiny'?"
    assert caught.value.hint == f"{clean} holds: tiny"
    made = report(clean, "tinny", "tiny")
    assert [run.name for run in made.runs] == ["tiny"]
    assert made.problems == (f"{clean}/tinny: no such folder, did you mean 'tiny'?",)
    with pytest.raises(UsageError) as caught:
        report(clean / "tiny", "x")
    assert caught.value.hint == f"{clean}/tiny holds no runs; `sertool train` makes one"


def test_a_recipe_that_is_expected_and_unknown(clean):
    with pytest.raises(UsageError, match="did you mean 'iemocap'"):
        report(clean, expect=["iemocpa"])


def test_runs_without_predictions_are_found_and_told(clean):
    (clean / "new/run-1").mkdir(parents=True)
    (clean / "new/recipe.yaml").write_text("")
    (clean / "notes").mkdir()
    (clean / ".hidden").mkdir()
    assert runs_below(clean) == ["new", "tiny"]
    made = report(clean)
    assert made.problems == (
        f"new: no stored predictions: sertool ensemble --name new --split valid,test --output {clean}",
    )
    assert len(made.runs) == 1


def test_unlabelled_sets_are_skipped(clean):
    write_set(clean / "tiny", changed(make_set("private"), targets=None))
    assert list(only(clean).sets) == ["test", "valid"]
    for name in ("test", "valid"):
        write_set(clean / "tiny", changed(make_set(name), targets=None))
    assert report(clean).problems == (
        f"tiny: no stored predictions: sertool ensemble --name tiny --split valid,test --output {clean}",
    )


def test_another_format_and_a_recipe_that_no_longer_holds(clean):
    facts_changed(clean / "tiny", "test", format="sertool-predictions/0")
    made = report(clean)
    path = set_path(clean / "tiny", "test")
    assert made.problems == (
        f'{path}: format: expected sertool-predictions/1 (got "sertool-predictions/0"); '
        f"recreate it: sertool ensemble --name tiny --output {clean}",
    )
    assert list(made.runs[0].sets) == ["valid"]
    assert made.tasks[0].ours == ()
    for name in ("test", "valid"):
        old = replace(make_origin(), recipe="name: tiny\nwidth: 3\n")
        write_set(clean / "tiny", make_set(name, origin=old))
    (told,) = report(clean).problems
    assert told.startswith("recipe of tiny: 3 problems; about: is missing; dataset: is missing; width: unknown key")
    assert told.endswith("; the run was made by sertool 0.1.0: use that version, or train it again")


def facts_changed(folder: Path, name: str, **changes) -> None:
    """Rewrite what a stored set says of itself."""
    arrays, _ = artifacts.read_arrays(set_path(folder, name))
    facts = {**json.loads(arrays["facts"].tobytes()), **changes}
    arrays["facts"] = np.frombuffer(json.dumps(facts).encode(), np.uint8)
    artifacts.write_arrays(set_path(folder, name), arrays)


def test_validation_of_other_members_is_left_out(clean):
    valid = make_set("valid", 200)
    write_set(
        clean / "tiny",
        changed(valid, members=(*valid.predictions.members[:2], MemberScore("run-9", 0, 0.5, 0.5))),
    )
    made = report(clean)
    assert made.problems == (
        "tiny: test and valid were evaluated with different members or on different data, so valid is left out: "
        f"sertool ensemble --name tiny --split valid,test --output {clean}",
    )
    assert (list(made.runs[0].sets), made.runs[0].chosen_by) == (["test"], "validation")


def test_members_that_finished_since_are_told(clean):
    for seed in range(1, 6):
        note = {"format": "sertool-run/1", "seed": seed, "fold": 0, "score": 0.4, "epochs": 1}
        artifacts.write_json(clean / f"tiny/run-{seed}/run.json", note)
    assert report(clean).problems == (
        "tiny: 5 members have finished, but the predictions are of 3: "
        f"sertool ensemble --name tiny --split valid,test --output {clean}",
    )


def test_no_finite_member_at_all(clean):
    for name in ("test", "valid"):
        stored = make_set(name)
        write_set(clean / "tiny", changed(stored, logits=stored.predictions.logits * np.float32(np.nan)))
    assert report(clean).problems == ("tiny: all 3 members have logits that are not finite",)


def test_probes_of_other_predictions_logs_and_histories_that_are_damaged(clean):
    folder, stored = clean / "tiny", make_set("test")
    fewer = replace(stored.predictions, logits=stored.predictions.logits[:2], members=stored.predictions.members[:2])
    write_probes(folder, fewer, {"text masked": fewer.logits})
    (folder / "log.jsonl").write_text('{"read": "test labels", "utterances": "many"}\n')
    (folder / "run-1").mkdir()
    (folder / "run-1/history.jsonl").write_text('{"epoch": 1')
    (folder / "calibration.json").write_text("[]")
    made = report(clean)
    assert len(made.problems) == 4
    assert "they belong to other predictions" in made.problems[0]
    assert f'{folder}/log.jsonl: line 1: utterances: expected a whole number (got "many")' in made.problems
    assert any(told.startswith(f"{folder}/run-1/history.jsonl: line 1: not valid JSON") for told in made.problems)
    assert any(
        told.startswith(f"{folder}/calibration.json: expected a table of keys (got [])") for told in made.problems
    )
    run = made.runs[0]
    assert (run.reads, run.histories, run.sets["test"].probes) == ((), {}, ())
    (folder / "log.jsonl").unlink()
    assert f"{folder}/log.jsonl: no such file, so it is unknown who read the test labels" in report(clean).problems


def test_scores_out_of_range_are_left_aside(tmp_path):
    stored = changed(make_set("test"), scores=np.full(400, np.nan))
    write_run(tmp_path / "tiny", stored)
    made = report(tmp_path)
    path = set_path(tmp_path / "tiny", "test")
    assert made.problems == (f"{path}: raw scores outside -3 to 3 are ignored",)
    assert made.runs[0].sets["test"].scores == {}


def test_members_that_are_not_as_many_as_their_logits(clean):
    facts_changed(clean / "tiny", "test", members=[])
    facts_changed(clean / "tiny", "valid", members=[{"name": "a", "fold": 0, "accuracy": None, "validation": 1}])
    (told,) = report(clean).problems
    assert "test.safetensors: damaged (members of 0 folds)" in told
    assert "valid.safetensors: damaged (logits of 3 members)" in told


@pytest.fixture(scope="module")
def small_run(tmp_path_factory):
    """A run of few utterances, for damage."""
    folder = tmp_path_factory.mktemp("small")
    probes = lambda own: {"text masked": shuffled(own), "audio shuffled": own.predictions.logits}  # noqa: E731
    return write_run(folder / "tiny", make_set("test", 12), make_set("valid", 12), probes=probes)


FILES = ("test.safetensors", "valid.safetensors", "test-probes.safetensors")


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    name=st.sampled_from(FILES),
    changes=st.lists(st.tuples(st.integers(0, 2**20), st.integers(0, 255)), min_size=1, max_size=6),
    cut=st.none() | st.integers(0, 2**14),
)
def test_changed_bytes_give_a_problem_or_a_report(small_run, tmp_path, name, changes, cut):
    folder = tmp_path / "run"
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(small_run, folder)
    path = folder / "predictions" / name
    content = bytearray(path.read_bytes())
    for place, value in changes:
        content[place % len(content)] = value
    path.write_bytes(content[:cut])
    made = report(tmp_path, "run")
    assert made.problems or made.runs


FACTS = st.recursive(
    st.none() | st.booleans() | st.integers(-2, 10**20) | st.floats() | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=4,
)


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_other_facts_give_a_problem_or_a_report(small_run, tmp_path, data):
    folder = tmp_path / "run"
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(small_run, folder)
    path = folder / "predictions/test.safetensors"
    arrays, _ = artifacts.read_arrays(path)
    facts = json.loads(arrays["facts"].tobytes())
    section = data.draw(st.sampled_from([facts, facts["origin"], facts["spoken"], facts["members"][0]]))
    section[data.draw(st.sampled_from(sorted(section)))] = data.draw(FACTS)
    arrays["facts"] = np.frombuffer(json.dumps(facts).encode(), np.uint8)
    artifacts.write_arrays(path, arrays)
    made = report(tmp_path, "run")
    assert made.problems or made.runs

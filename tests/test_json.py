"""The files that ``--json`` of the commands writes are as docs/json.md says."""

import copy
import shutil
from collections.abc import Iterator
from pathlib import Path

import jsonschema
import pytest
from builders import spoken
from json_results import ON_CPU, results, schemas, short_demo, written
from scored_corpora import scored_corpus, voted_corpus, write_scored, write_voted

SCHEMAS = schemas()
ELSEWHERE = {"sertool-kernels/1"}  # checked where a card is simulated: commands/test_kernels.py
JUDGED = ("evaluation", "prediction", "report", "comparison")  # results that depend on what a run predicts
TEST = ("runs", 0, "sets", "test")  # of a report


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path_factory.mktemp("json"))
        written = [*results(), short_demo(patch)]
    return {one["format"]: one for one in written}


def test_every_format_has_a_schema(found):
    assert set(SCHEMAS) == set(found) | ELSEWHERE


@pytest.mark.parametrize("name", sorted(set(SCHEMAS) - ELSEWHERE))
def test_a_result_is_as_the_page_says(found, name):
    jsonschema.Draft202012Validator.check_schema(SCHEMAS[name])
    jsonschema.Draft202012Validator(SCHEMAS[name]).validate(found[name])
    assert next(iter(found[name])) == "format"


@pytest.mark.parametrize("name", sorted(set(SCHEMAS) - ELSEWHERE - {"sertool-environment/1"}))
def test_the_page_lists_every_key(found, name):
    """A key that the page does not know is refused, and one that is gone is missed."""
    check = jsonschema.Draft202012Validator(SCHEMAS[name]).is_valid
    assert not check({**found[name], "unlisted": 1})
    for key in SCHEMAS[name]["required"]:
        assert not check({other: value for other, value in found[name].items() if other != key})


def test_the_same_thing_has_the_same_key(found):
    """Run, data set and task stand in the same place in the results of several commands."""
    about_a_run = ("training", "evaluation", "prediction", "export")
    for what in about_a_run:
        own = found[f"sertool-{what}/1"]
        assert (own["name"], own["dataset"], own["task"]) == ("tiny", "TINY", "emotion")
    for what in ("inspection", "comparison", "bench"):
        own = found[f"sertool-{what}/1"]
        assert (own["dataset"], own["task"]) == ("TINY", "emotion")
    [run] = found["sertool-report/1"]["runs"]
    assert (run["name"], run["dataset"], run["task"]) == ("tiny", "TINY", "emotion")
    classes = found["sertool-evaluation/1"]["classes"]
    assert found["sertool-comparison/1"]["classes"] == run["classes"] == classes
    assert (
        found["sertool-evaluation/1"]["sets"]["test"]["accuracy"] == run["sets"]["test"]["metrics"]["accuracy"]["value"]
    )


def judged(
    folder: Path, write, corpus, *, splits: str = "valid,test", runs: int = 2, metrics: str | None = None, **sections
) -> dict[str, dict]:
    """Train a run on scores or votes for two epochs; return what the commands that judge it wrote, by kind of result.

    Two more runs are compared with it, by the usual metrics unless some are named: a copy, and one that averages
    another number of members.
    """
    training = {"runs": runs, "max_epochs": 2}
    with pytest.MonkeyPatch.context() as patch:
        folder.mkdir()
        patch.chdir(folder)
        write(Path(), corpus, training=training, frontend={"mel_bands": 5}, **sections)
        spoken(Path("heard.wav"))
        Path("asked.csv").write_text("audio,text\nheard.wav,great saysangry\n,great saysangry\n,unheard\n")
        written("train", "--recipe", "tiny.yaml", *ON_CPU)
        found = {"evaluation": written("ensemble", "--name", "tiny", "--split", splits, "--probe", *ON_CPU)}
        for name, members in (("same", []), ("other", ["--members", str(runs + 1 - found["evaluation"]["size"]["k"])])):
            shutil.copytree("ckpt/tiny", f"ckpt/{name}")
            written("ensemble", "--name", name, "--split", "valid,test", *members, *ON_CPU)
        found["prediction"] = written("predict", "--name", "tiny", "--table", "asked.csv", *ON_CPU)
        found["report"] = written("report", "--name", "tiny")
        found["comparison"] = written("compare", "tiny", "same", "other", *(["--metric", metrics] if metrics else []))
    return found


@pytest.fixture(scope="module")
def kinds(tmp_path_factory) -> dict[str, dict[str, dict]]:
    """Results by run: of scores with several raters, few utterances with one score, soft labels, and any label."""
    folder = tmp_path_factory.mktemp("kinds")
    three = scored_corpus(scores=("valence", "arousal", "sentiment"), raters=3)
    few = scored_corpus({"train": 24, "valid": 8, "test": 10, "private": 4}, scores=("sentiment",), speakers=8)
    return {
        "scores": judged(folder / "scores", write_scored, three),
        "few": judged(folder / "few", write_scored, few, splits="valid,test,private", runs=1, metrics="r2,acc2,acc7"),
        "soft": judged(folder / "soft", write_voted, voted_corpus(speakers=6), labels="soft"),
        "any": judged(folder / "any", write_voted, voted_corpus(), labels="any"),
    }


@pytest.mark.parametrize("run", ["scores", "few", "soft", "any"])
@pytest.mark.parametrize("what", JUDGED)
def test_results_of_scores_and_votes_are_as_the_page_says(kinds, run, what):
    jsonschema.Draft202012Validator(SCHEMAS[f"sertool-{what}/1"]).validate(kinds[run][what])


def test_these_results_have_what_the_page_says_of_nulls(kinds):
    """So the test above is about scores without intervals, sets without labels, and votes, too."""
    scores, few, soft, any_ = (kinds[run] for run in ("scores", "few", "soft", "any"))
    assert few["evaluation"]["intervals"]["half_widths"] == {"sentiment": None}
    assert set(few["evaluation"]["sets"]["private"]) == {"utterances", "members"}
    own = few["report"]["runs"][0]["sets"]["test"]
    assert [one["accuracy"] for one in own["by_cluster"]] == [None, None]
    assert own["dimensions"][0]["intervals"]["covered"] is own["scored"][0]["spread"] is None
    own = scores["report"]["runs"][0]["sets"]["test"]
    assert any(None in one["true"] for one in own["scored"])
    assert own["dimensions"][0]["intervals"]["covered"]["value"] > 0
    assert own["dimensions"][0]["ceilings"]["ccc"]["value"] > 0.5
    whole, part, nothing = scores["prediction"]["predictions"]
    assert (len(whole["scores"]), len(part["scores"]), len(nothing["scores"])) == (3, 3, 0)
    assert (len(whole["intervals"]), len(part["intervals"])) == (3, 0)
    assert soft["evaluation"]["calibration"]["temperature"] is soft["prediction"]["temperature"] is None
    assert soft["report"]["runs"][0]["sets"]["test"]["votes"]["ties"] > 0
    assert {row["metric"] for row in soft["comparison"]["pairs"][1]["metrics"]} >= {"cross_entropy", "jsd"}
    assert any_["report"]["runs"][0]["kind"] == "multi"
    assert scores["comparison"]["pairs"][1]["metrics"][0]["difference"]["p"] < 1
    rows = {row["metric"]: row for row in few["comparison"]["pairs"][0]["metrics"]}
    assert set(rows) == {"r2", "acc2_with_zeros", "acc2_without_zeros", "acc7"}
    assert all(row["difference"]["p"] is None for row in rows.values())


@pytest.mark.parametrize(
    ("run", "other", "what", "place"),
    [
        ("scores", "soft", "report", (*TEST, "votes")),
        ("scores", "soft", "report", (*TEST, "calibration")),
        ("scores", "soft", "report", (*TEST, "metrics")),
        ("scores", "soft", "report", (*TEST, "dimensions")),
        ("soft", "scores", "report", (*TEST, "dimensions")),
        ("soft", "scores", "report", (*TEST, "calibration")),
        ("soft", "scores", "report", (*TEST, "score_slices")),
        ("any", "soft", "report", (*TEST, "confusion")),
        ("any", "soft", "report", (*TEST, "votes")),
        ("any", "soft", "report", (*TEST, "metrics")),
        ("scores", "soft", "evaluation", ("sets", "test", "accuracy")),
        ("soft", "scores", "evaluation", ("sets", "test", "scores")),
        ("scores", "soft", "prediction", ("predictions", 0, "probability")),
        ("soft", "scores", "prediction", ("predictions", 0, "scores")),
        ("any", "scores", "prediction", ("ranges",)),
        ("scores", "soft", "comparison", ("pairs", 0, "cohens_h")),
        ("soft", "scores", "comparison", ("pairs", 0, "flips")),
        ("soft", "scores", "comparison", ("pairs", 0, "metrics")),
    ],
)
def test_the_page_tells_kinds_of_runs_apart(kinds, run, other, what, place):
    """A result with a part that a run of another kind wrote is refused."""
    content, part = copy.deepcopy(kinds[run][what]), kinds[other][what]
    *way, last = place
    own = content
    for step in way:
        own, part = own[step], part[step]
    own[last] = part[last]
    assert not jsonschema.Draft202012Validator(SCHEMAS[f"sertool-{what}/1"]).is_valid(content)


def undescribed(schema: dict, place: str) -> Iterator[str]:
    """Yield the places of objects and lists of which a schema does not say all that they hold."""
    types = schema.get("type", ())
    if "properties" in schema and schema.get("additionalProperties") is not False:
        yield place
    if "object" in types and not {"properties", "additionalProperties", "maxProperties"} & set(schema):
        yield place
    if "array" in types and not {"items", "maxItems"} & set(schema):
        yield place
    for key in ("properties", "$defs"):
        for name, own in schema.get(key, {}).items():
            yield from undescribed(own, f"{place}/{name}")
    for key in ("items", "additionalProperties"):
        if isinstance(schema.get(key), dict):
            yield from undescribed(schema[key], f"{place}/{key}")


@pytest.mark.parametrize("what", JUDGED)
def test_the_page_says_what_every_object_and_list_holds(what):
    assert list(undescribed(SCHEMAS[f"sertool-{what}/1"], what)) == []

"""The files that ``--json`` of the commands writes are as docs/json.md says."""

import jsonschema
import pytest
from json_results import results, schemas, short_demo

SCHEMAS = schemas()
ELSEWHERE = {"sertool-kernels/1"}  # checked where a card is simulated: commands/test_kernels.py


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

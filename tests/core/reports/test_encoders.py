"""Reports name the pretrained encoders of a run, and say that frames were normalised by speaker."""

from builders import tiny_recipe
from faulty_runs import text
from stored_sets import make_origin, make_set, report, write_run

from sertool.core.reports.compare.pairs import compare
from sertool.core.reports.html.page import render
from sertool.core.reports.text.markdown import to_markdown

ENCODED = tiny_recipe(
    frontend={"model": "openai/whisper-tiny", "layer": [2, 3]},
    text_frontend={"model": "texts", "revision": "v2"},
    dataset={"standardize": "speaker"},
)
AUDIO, TEXT = "openai/whisper-tiny, layers 2, 3", "texts (v2), layer last"
NORMALISED = "the test speakers' own recordings were used to normalise frames, without labels"


def test_a_report_names_encoders_and_normalisation(tmp_path):
    write_run(tmp_path / "tiny", make_set("test", origin=make_origin(ENCODED)))
    made = report(tmp_path)
    (run,) = made.runs
    assert run.encoders == {"text": TEXT, "audio": AUDIO}
    assert made.summary[0].endswith(f", from text ({TEXT}) and audio ({AUDIO}).")
    assert run.provenance["encoders"] == f"text: {TEXT}; audio: {AUDIO}"
    assert text(run, "normalised-by-speaker") == run.provenance["standardised"] == NORMALISED
    for page in (to_markdown(made), render(made)):
        assert AUDIO in page


def test_a_comparison_names_them(tmp_path):
    write_run(tmp_path / "a", make_set("test", origin=make_origin(ENCODED)))
    write_run(tmp_path / "b", make_set("test"))
    compared = compare(["a", "b"], tmp_path, "test", ["accuracy"])
    assert compared.contenders[0].notes[-3:] == (f"text frames of {TEXT}", f"audio frames of {AUDIO}", NORMALISED)


def test_a_modality_that_is_not_used_needs_no_encoder():
    recipe = tiny_recipe(frontend={"model": "speech"}, dataset={"modalities": ["text"]})
    assert (recipe.encoders, tiny_recipe().encoders) == ({}, {})

"""Settings in which two recipes differ."""

from builders import tiny_recipe

from sertool.core.recipe.differences import INPUT, differences

SPEECH, TEXT = {"model": "speech"}, {"model": "texts", "layer": 3}


def test_settings_that_change_a_member_are_listed():
    before = tiny_recipe()
    after = tiny_recipe(dataset={"path": "OTHER", "max_text_length": 6}, training={"seed": 7, "learning_rate": 0.1})
    assert differences(before, after, INPUT) == ["dataset.max_text_length 5 -> 6"]
    assert differences(before, after, ("training",)) == ["training.learning_rate 0.01 -> 0.1"]
    assert differences(before, before, (*INPUT, "splits", "model", "training")) == []


def test_frontends_of_two_kinds_differ_as_a_whole():
    plain, encoded = tiny_recipe(), tiny_recipe(frontend=SPEECH, text_frontend=TEXT)
    there = ["frontend log-mel -> speech, layer last", "text_frontend words -> texts, layer 3"]
    assert differences(plain, encoded, INPUT) == there
    assert differences(encoded, plain, INPUT) == [
        "frontend speech, layer last -> log-mel",
        "text_frontend texts, layer 3 -> words",
    ]
    other = tiny_recipe(frontend={**SPEECH, "layer": [1, 2]}, text_frontend=TEXT)
    assert differences(encoded, other, INPUT) == ["frontend.layer last -> [1, 2]"]

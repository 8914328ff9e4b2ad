"""Refuses trained models whose inputs cannot be made here as those of their training were."""

from collections.abc import Mapping
from typing import Any

from sertool.core.errors import DataError, UsageError
from sertool.core.features.frontend import note_of, open_frontend, open_text_frontend
from sertool.core.features.opensmile import OpenSmileFrames
from sertool.core.recipe.frontends import OpenSmile, SpeechEncoder, TextEncoder
from sertool.core.runs.members import Trained


def check_inputs(trained: Trained) -> None:
    """Refuse a model whose inputs cannot be made from recordings and words.

    Raises:
        UsageError: they came from another program, or a package that makes them is not installed.
        DataError: the encoder here has other weights, or openSMILE another version.
    """
    recipe, modalities = trained.recipe, trained.recipe.dataset.modalities
    if "text" in modalities and trained.text_width is not None and recipe.text_frontend == "words":
        raise UsageError(
            f"{trained.name}: was trained on text as frames of {trained.text_width} values by another program, "
            "which sertool cannot make from words"
        )
    if "audio" in modalities and trained.audio_width != (width := open_frontend(recipe.frontend).width):
        raise UsageError(
            f"{trained.name}: was trained on audio frames of {trained.audio_width} values, and its frontend "
            f"makes {width} of a recording: the frames came from another program"
        )
    if "audio" in modalities and isinstance(recipe.frontend, SpeechEncoder):
        _check_weights(trained, recipe.frontend.model, trained.frontend, open_frontend(recipe.frontend).described())
    if "audio" in modalities and isinstance(recipe.frontend, OpenSmile):
        OpenSmileFrames.from_note(trained.frontend or note_of(recipe.frontend)).check()
    if "text" in modalities and isinstance(recipe.text_frontend, TextEncoder):
        found = open_text_frontend(recipe.text_frontend).described()
        _check_weights(trained, recipe.text_frontend.model, trained.text_frontend, found)


def _check_weights(trained: Trained, model: str, expected: Mapping[str, Any] | None, found: Mapping[str, Any]) -> None:
    """Refuse an encoder with other weights than those whose frames the model was trained on."""
    if expected is not None and expected["weights"] != found["weights"]:
        raise DataError(
            f"{trained.name}: was trained on frames of {model} with weights {expected['weights']:.12}, and the {model} "
            f"here has {found['weights']:.12}",
            hint="use the encoder of that time, or train again with frames of this one",
        )

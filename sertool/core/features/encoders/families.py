"""The families of speech encoders: which engine runs a model, and the facts of its states."""

import math
from typing import TYPE_CHECKING, NamedTuple

from sertool.core.errors import DataError
from sertool.core.features.encoders.layers import check_layers
from sertool.core.features.encoders.source import ModelFiles
from sertool.core.recipe.frontends import SpeechEncoder

if TYPE_CHECKING:
    from sertool.core.features.encoders.engine import Engine


class States(NamedTuple):
    """Facts of an encoder's states.

    Attributes:
        width: D, values of a state.
        sample_rate: Hz.
        seconds: time from one state to the next.
    """

    width: int
    sample_rate: int
    seconds: float


def is_whisper(files: ModelFiles) -> bool:
    """Check whether a model is a Whisper."""
    return files.library == "ctranslate2" or files.config["model_type"] == "whisper"


def check_speech_model(files: ModelFiles, settings: SpeechEncoder) -> None:
    """Refuse a model that is no speech encoder, or does not have the layers that a recipe asks for.

    Raises:
        DataError: no engine runs the architecture.
        UsageError: there is no such layer.
    """
    config, layers = files.config, settings.layers or []
    if files.library == "ctranslate2":
        if not of_last_layer(settings):
            from sertool.core.features.encoders.ctranslate2_weights import depth_of

            check_layers(files.name, layers, depth_of(files))
        return
    if not is_whisper(files) and not _is_convolutional(files):
        raise DataError(
            f"{files.name}: {config['model_type']} is no speech encoder that sertool can run",
            hint="expected Whisper, or an encoder on raw samples: wav2vec2, HuBERT, WavLM, data2vec-audio and the like",
        )
    depth = config["encoder_layers"] if is_whisper(files) else config["num_hidden_layers"]
    check_layers(files.name, layers, depth)


def of_last_layer(settings: SpeechEncoder) -> bool:
    """Check whether the frames are states of the last layer alone, the only ones that CTranslate2 gives."""
    return settings.layers in (None, [-1])


def facts_of_states(files: ModelFiles) -> States:
    """Return the facts of a model's states; only CTranslate2 weights, which do not state them, are loaded for it."""
    from sertool.core.features.encoders import convolutional, whisper
    from sertool.core.features.encoders.engine import load_extractor

    if files.library == "ctranslate2":
        return States(*whisper.measure_ctranslate2(files))
    if is_whisper(files):
        extractor = load_extractor(files, whisper.INPUT)
        return States(files.config["d_model"], extractor.sampling_rate, whisper.seconds_per_state(extractor))
    rate = load_extractor(files, convolutional.INPUT).sampling_rate
    return States(files.config["hidden_size"], rate, math.prod(files.config["conv_stride"]) / rate)


def open_engine(files: ModelFiles, settings: SpeechEncoder, device: str) -> "Engine":
    """Load a model that :func:`check_speech_model` has accepted."""
    from sertool.core.features.encoders.convolutional import ConvolutionalEncoder
    from sertool.core.features.encoders.whisper import CTranslate2Whisper, TransformersWhisper

    if files.library == "ctranslate2" and of_last_layer(settings):
        return CTranslate2Whisper(files, device, settings.padding)
    if is_whisper(files):
        return TransformersWhisper(files, settings.layers, device, settings.padding)
    return ConvolutionalEncoder(files, settings.layers, device)


def _is_convolutional(files: ModelFiles) -> bool:
    config = files.config
    return bool(config.get("conv_kernel") and config.get("conv_stride") and not config.get("is_encoder_decoder"))

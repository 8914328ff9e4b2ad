"""The sections of a recipe that say how recordings and texts become the inputs of a model."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, Discriminator, Field, Tag, model_validator

from sertool.core.recipe.sections import Fraction, Length, Section, Width


class Frontend(Section):
    """Settings that turn recordings into log-mel frames; the defaults are the reference's."""

    sample_rate: Annotated[int, Field(ge=100, le=192_000)] = Field(
        22050, description="Hz; recordings of another rate are resampled"
    )
    trim_db: Annotated[float, Field(ge=0.01, le=1000)] | None = Field(
        60.0, description="trim silence this many dB below the peak; null: no trimming"
    )
    preemphasis: Fraction = Field(0.97, description="subtract the previous sample times this factor; 0: off")
    fft_size: Width = Field(2048, description="length of the FFT in samples")
    hop_length: Length = Field(275, description="distance between frames in samples")
    window_length: Width = Field(1102, description="length of the window in samples, at most fft_size")
    mel_bands: Annotated[int, Field(ge=1, le=1024)] = Field(
        80, description="number of mel bands, the values of a frame"
    )
    frame_step: Length = Field(16, description="keep one frame in this many")

    @model_validator(mode="after")
    def _window_fits(self) -> "Frontend":
        if self.window_length > self.fft_size:
            raise ValueError(f"window_length {self.window_length} is longer than fft_size {self.fft_size}")
        return self


Layer = Annotated[int, Field(ge=-200, le=200)]
Layers = Layer | Literal["last"] | Annotated[list[Layer], Field(min_length=2, max_length=200)]


class _Encoder(Section):
    """Keys that speech and text encoders share."""

    model: Annotated[str, Field(min_length=1)] = Field(
        description="pretrained model: a folder, a name on the Hugging Face hub, or package:NAME for a Python package "
        "that carries one"
    )
    revision: Annotated[str, Field(min_length=1)] | None = Field(
        None, description="branch, tag or commit of a model on the hub; null: its main branch"
    )
    layer: Layers = Field(
        "last",
        description="layer whose states are the frames: its number (0: before the first layer, -1: the last), last, or "
        "a list, for which each member learns one weight a layer",
    )

    @model_validator(mode="after")
    def _each_layer_once(self) -> "_Encoder":
        if isinstance(self.layer, list) and len(set(self.layer)) < len(self.layer):
            raise ValueError("layer: a layer is given twice")
        return self

    @property
    def layers(self) -> list[int] | None:
        """Return the numbers of the layers; None for the last one."""
        if self.layer == "last":
            return None
        return [self.layer] if isinstance(self.layer, int) else list(self.layer)

    @property
    def title(self) -> str:
        """Name the model and its layers in a sentence, as ``openai/whisper-tiny, layer last``."""
        revision = "" if self.revision is None else f" ({self.revision})"
        layers = ", ".join(map(str, self.layer)) if isinstance(self.layer, list) else str(self.layer)
        return f"{self.model}{revision}, layer{'s' * isinstance(self.layer, list)} {layers}"


class SpeechEncoder(_Encoder):
    """Settings of a pretrained speech encoder, whose states become the audio frames (docs/encoders.md)."""

    pool: Length | Literal["mean", "mean+std"] = Field(
        1,
        description="number of states that are averaged into a frame; or one frame an utterance, the mean of all its "
        "states, or their mean and standard deviation",
    )
    padding: Literal["none", "full"] = Field(
        "none",
        description="Whisper: compute the recording's own length, or pad it with silence to 30 s as in Whisper's "
        "training, which takes 13 to 50 times longer",
    )


class OpenSmile(Section):
    """Functionals of openSMILE, one frame an utterance: the classical baseline (docs/baselines.md)."""

    opensmile: Literal["eGeMAPSv02", "ComParE_2016"] = Field(
        description="feature set: eGeMAPSv02 has 88 functionals, ComParE_2016 has 6,373; openSMILE's licence is "
        "non-commercial"
    )

    @property
    def title(self) -> str:
        """Name the feature set in a sentence."""
        return f"openSMILE, {self.opensmile}"


class TextEncoder(_Encoder):
    """Settings of a pretrained text encoder, whose states become the text frames (docs/encoders.md)."""

    pool: Literal["tokens", "words", "mean"] = Field(
        "words", description="frames: one a token, one a word (the mean of its tokens), or one a text (the mean of all)"
    )
    prefix: str = Field("", description="text before each text, such as 'query: ' for e5 models")


# Sections of a recipe's audio frames.
AudioSection = Frontend | SpeechEncoder | OpenSmile


def layers_in(frontend: "AudioSection | TextEncoder | Literal['words']") -> int:
    """Return the number of layers that lie side by side in a frame: 1, but for an encoder with a list of layers."""
    return len(frontend.layers or [None]) if isinstance(frontend, _Encoder) else 1


def _kind_of_frontend(value: Any) -> str:
    """Return the tag of a frontend's section: an encoder names a model, and openSMILE a feature set."""
    names = value if isinstance(value, dict) else {}
    if "model" in names or isinstance(value, SpeechEncoder):
        return "encoder"
    return "opensmile" if "opensmile" in names or isinstance(value, OpenSmile) else "log-mel"


def _kind_of_text_frontend(value: Any) -> str:
    return "text-encoder" if isinstance(value, TextEncoder | dict) else "words"


AudioFrontend = Annotated[
    Annotated[Frontend, Tag("log-mel")]
    | Annotated[SpeechEncoder, Tag("encoder")]
    | Annotated[OpenSmile, Tag("opensmile")],
    Discriminator(_kind_of_frontend),
]
TextFrontend = Annotated[
    Annotated[Literal["words"], Tag("words")] | Annotated[TextEncoder, Tag("text-encoder")],
    Discriminator(_kind_of_text_frontend),
]
# Sections by the tags that pydantic puts into the place of an error.
TAGS: dict[str, type[BaseModel] | None] = {
    "log-mel": Frontend,
    "encoder": SpeechEncoder,
    "opensmile": OpenSmile,
    "words": None,
    "text-encoder": TextEncoder,
}

"""Write the pretrained encoders of a model into its bundle, and compare the whole chain with PyTorch."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from sertool.core.corpora.corpus import Corpus, Frames
from sertool.core.corpora.feature_sets import text_of
from sertool.core.corpora.load import corpus_folder, own_folder
from sertool.core.corpora.recordings import read_recordings
from sertool.core.errors import SertoolError
from sertool.core.export import check, speech_encoder, text_encoder
from sertool.core.export.check import Array, BundleComparison, Feeds, Trial
from sertool.core.export.encoder_graphs import speech_graph, speech_settings, text_graph, text_settings
from sertool.core.export.losses import Loss, loss_between, not_measured
from sertool.core.export.onnx_file import MODEL
from sertool.core.export.source import Opened
from sertool.core.export.traced import write
from sertool.core.export.written import Bits, Brought
from sertool.core.features.audio import read_audio
from sertool.core.features.encode import stored
from sertool.core.features.encoders import pieces, text_pooling
from sertool.core.features.encoders.speech import SpeechFrames
from sertool.core.features.encoders.text import TextFrames
from sertool.core.files import artifacts
from sertool.core.inference.frontends import Frontends
from sertool.core.models.build import StackModel
from sertool.core.runs.members import Trained

# Frames are rounded to 16 bits, and rounding doubles a difference in the last bit of 32 a thousandfold.
TOLERANCE = 1e-3
_IMPORT = re.compile(r"^from sertool\.[\w.]+\.(\w+) import", re.MULTILINE)


class _Chain:
    """The graphs of a bundle in onnxruntime, run by the code that it holds."""

    def __init__(self, folder: Path, settings: dict[str, Any]) -> None:
        self.model = check.open_session(folder / MODEL)
        self.speech = self.text = None
        if "audio" in settings:
            session = check.open_session(folder / settings["audio"]["file"])
            self.speech = speech_encoder.SpeechEncoder(session, settings["audio"], folder)
        if "text" in settings:
            session = check.open_session(folder / settings["text"]["file"])
            self.text = text_encoder.TextEncoder(session, settings["text"], folder)

    def encode(self, feeds: Feeds, wave: Tensor | None, text: str) -> Feeds:
        """Return the inputs of the members' graph; ``feeds`` hold those that no encoder makes."""
        given = dict(feeds)
        if self.speech is not None and wave is not None:
            given["mels"] = stored(self.speech.frames(wave.numpy())).astype(np.float32)[None]
        if self.text is not None:
            given["text"] = stored(self.text.frames(text)).astype(np.float32)[None]
        return given

    def logits(self, feeds: Feeds, wave: Tensor | None, text: str) -> Array:
        """Return logits or scores (1, C) of a recording and a text by themselves."""
        return check.onnx_logits(self.model, [self.encode(feeds, wave, text)])

    def all_logits(self, encoded: Sequence[Feeds], trained: Trained, corpus: Corpus) -> Array:
        """Return logits or scores (N, C) of the utterances of a corpus, in their dialogues if the model has context."""
        given = check.in_context(self.model, encoded, check.dialogues_in(trained, corpus))
        return check.onnx_logits(self.model, given)


def bring(
    opened: Opened, stack: StackModel, trial: Trial, plain: Array, folder: Path, bits: Bits, data: Path
) -> Brought:
    """Write the encoders of a model.

    Args:
        opened: the model.
        stack: its members.
        trial: utterances that the graph of the members was compared on.
        plain: the graph's logits of these, by the corpus's own frames.
        folder: folder of the bundle, with the graph of the members.
        bits: precision of the encoders' weights.
        data: folder of the corpora.

    Raises:
        DataError: an encoder is not the one of the training, or is damaged.
        SertoolError: the graphs do not agree with PyTorch.
    """
    trained = opened.trained
    frontends = Frontends(trained.recipe, trained.frontend, trained.text_frontend)
    settings = _write(frontends, folder, bits)
    chain = _Chain(folder, settings)
    found = _compare(opened, stack, trial, frontends, chain)
    if bits == "fp32":
        check.require_equal(found, TOLERANCE)
        return Brought(bits, settings, found, None)
    return Brought(bits, settings, found, _loss(opened, trial, plain, frontends, chain, data))


def _write(frontends: Frontends, folder: Path, bits: Bits) -> dict[str, Any]:
    """Write the graphs and the code that runs them; return the settings."""
    settings: dict[str, Any] = {}
    modules = [pieces]
    if frontends.encodes_audio:
        assert isinstance(frontends.audio, SpeechFrames)
        settings["audio"] = speech_settings(frontends.audio, folder, frontends.recipe.dataset.max_audio_length)
        write(speech_graph(frontends.audio), folder / settings["audio"]["file"], bits)
        modules.append(speech_encoder)
    if frontends.encodes_text:
        assert isinstance(frontends.text, TextFrames)
        settings["text"] = text_settings(frontends.text, folder)
        write(text_graph(frontends.text), folder / settings["text"]["file"], bits)
        modules += [text_encoder, text_pooling]
    for module in modules:  # which import nothing of the package but each other
        path = Path(str(module.__file__))
        artifacts.write_text(folder / path.name, _IMPORT.sub(r"from \1 import", path.read_text(encoding="utf-8")))
    return settings


def _feeds(opened: Opened, corpus: Corpus, waves: Sequence[Tensor | None], frontends: Frontends) -> list[Feeds]:
    """Make the inputs of the members' graph; those that an encoder makes are replaced later."""
    samples = [wave.numpy() for wave in waves if wave is not None]
    in_graph = bool(samples) and not frontends.encodes_audio
    trial = Trial(corpus, (None,) * len(corpus.utterances), "")
    return check.feeds_of(opened.trained, trial, samples if in_graph else None)


def _compare(opened: Opened, stack: StackModel, trial: Trial, frontends: Frontends, chain: _Chain) -> BundleComparison:
    """Predict the demo's recordings with the texts of a trial, each by the graphs and by PyTorch."""
    trained = opened.trained
    heard = check.demo_recordings(frontends.audio.sample_rate) if _hears(frontends) else []
    utterances = trial.corpus.utterances[: 2 * len(heard) or check.TIMED]
    waves = [heard[place % len(heard)] if heard else None for place in range(len(utterances))]
    texts = [text_of(own).strip() for own in utterances]
    frames = [own.frames for own in frontends.hear(heard)]
    nothing = np.zeros((0, trained.audio_width), np.float32)
    audio = [frames[place % len(frames)] if frames else nothing for place in range(len(utterances))]
    read = [own.frames for own in frontends.read(texts)] if frontends.encodes_text else None
    corpus = Corpus(
        name=trial.corpus.name,
        utterances=utterances,
        audio=Frames.join(audio, trained.audio_width),
        text_frames=None if read is None or trained.text_width is None else Frames.join(read, trained.text_width),
    )
    feeds = _feeds(opened, corpus, waves, frontends)
    logits = check.torch_logits(trained, stack, opened.members, Trial(corpus, (None,) * len(utterances), ""))

    def onnx_one(place: int) -> Array:
        return chain.logits(feeds[place], waves[place], texts[place])

    def torch_one(place: int) -> Array:
        wave = waves[place]
        if wave is not None:
            frontends.hear([wave])
        if frontends.encodes_text:
            frontends.read([texts[place]])
        return logits([place])

    places = range(len(utterances))
    reads = "text" in trained.recipe.dataset.modalities
    source = f"{len(heard) - 1} recordings of the demo" if heard else f"{len(utterances)} texts"
    source = f"their words with {source}" if heard and reads else source
    theirs = chain.all_logits(list(map(chain.encode, feeds, waves, texts)), trained, corpus)
    return check.compared(theirs, logits(places), (onnx_one, torch_one), f"{source}, encoded", trained.task)


def _loss(opened: Opened, trial: Trial, plain: Array, frontends: Frontends, chain: _Chain, data: Path) -> Loss:
    """Measure the accuracy that encoders of less precision cost, on validation utterances and their recordings."""
    labelled = trial.labelled
    if not labelled:
        return not_measured()
    # Those without a label are context.
    places = labelled if trial.dialogues is None else list(range(len(trial.rows)))
    corpus = trial.corpus.select(places)
    waves: list[Tensor | None] = [None] * len(places)
    if _hears(frontends):
        try:
            segments = read_recordings(own_folder(corpus_folder(opened.trained.recipe.dataset.path, data)))
            waves = [read_audio(segments[trial.rows[place]], frontends.audio.sample_rate) for place in places]
        except SertoolError as error:
            return not_measured(f"the corpus's recordings are not available ({error})")
    texts = [text_of(own).strip() for own in corpus.utterances]
    feeds = _feeds(opened, corpus, waves, frontends)
    trained = opened.trained
    found = chain.all_logits(list(map(chain.encode, feeds, waves, texts)), trained, corpus)
    kept = [place for place, row in enumerate(places) if trial.targets[row] is not None]
    targets = [trial.targets[place] for place in labelled]
    return loss_between(targets, plain[labelled], found[kept], trained.task, clip=trained.recipe.dataset.clip)


def _hears(frontends: Frontends) -> bool:
    return "audio" in frontends.recipe.dataset.modalities

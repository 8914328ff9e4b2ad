"""Compare the exported graph with PyTorch: both predict the same utterances, one by one."""

import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from sertool.core.compute.device import choose
from sertool.core.corpora.corpus import Corpus, Frames, Utterance
from sertool.core.corpora.dialogues import dialogues_of
from sertool.core.corpora.tasks import Target, Task
from sertool.core.errors import SertoolError
from sertool.core.features.audio import Segment, read_audio
from sertool.core.features.frontend import open_frontend
from sertool.core.inference.mean_logits import mean_logits, tables_for
from sertool.core.metrics.classification import decide
from sertool.core.models.build import StackModel
from sertool.core.models.context import NOBODY, OTHER, SAME, UNKNOWN
from sertool.core.runs.experiment import Experiment
from sertool.core.runs.members import Trained, TrainedMember
from sertool.core.training.dialogues import Dialogues, read_dialogues

# Float32 sums in another order differ by about 1e-6 at these sizes; a wrong layer or mask by far more than 1e-4.
TOLERANCE = 1e-4  # largest accepted difference of a logit, or of a score as a share of its range
MOST = 200  # utterances of a corpus that are compared
TIMED = 20  # utterances among them that are timed
CLIPS = Path(__file__).parent.parent / "corpora" / "demo" / "clips"

Array = NDArray[np.float32]
Feeds = Mapping[str, NDArray[Any]]


@dataclass(frozen=True)
class Trial:
    """Utterances for the comparison: some of a corpus, or random ones, and a few that are awkward on purpose.

    Attributes:
        corpus: the utterances, uncut.
        targets: targets of the utterances; None for one without a label.
        source: description of the utterances in a few words.
        rows: positions in the experiment's corpus of the utterances that come from there, which are the first ones.
        dialogues: places of the utterances in dialogues, for a model with context.
    """

    corpus: Corpus
    targets: tuple[Target | None, ...]
    source: str
    rows: tuple[int, ...] = ()
    dialogues: Dialogues | None = None

    @property
    def labelled(self) -> list[int]:
        """Positions of the utterances that have a target."""
        return [place for place, target in enumerate(self.targets) if target is not None]


@dataclass(frozen=True)
class BundleComparison:
    """The result of comparing a graph with PyTorch.

    Attributes:
        source: description of the utterances.
        largest: largest difference of a logit, or of a score as a share of its range.
        differing: number of utterances with another prediction.
        utterances: number of utterances.
        onnx_ms, torch_ms: median time for one utterance, in ms.
        logits: logits, or predicted scores, (N, C) of the graph.
        scores: scores were compared.
    """

    source: str
    largest: float
    differing: int
    utterances: int
    onnx_ms: float
    torch_ms: float
    logits: Array
    scores: bool = False


def make_trial(trained: Trained, experiment: Experiment | None) -> Trial:
    """Collect validation utterances of the corpus, evenly spread, or seeded random ones; and awkward ones."""
    made = _made(trained, 8 if experiment else 64)
    if experiment is None:
        source = f"{len(made.utterances)} seeded random utterances"
        return Trial(made, (None,) * len(made.utterances), source, dialogues=dialogues_in(trained, made))
    rows = sorted({row for fold in experiment.folds for row in fold.sets["valid"]})
    rows = _spread(rows, experiment.corpus, whole=trained.recipe.context is not None)
    real = experiment.corpus.select(rows)
    text = None
    if real.text_frames is not None and made.text_frames is not None:
        text = _behind(real.text_frames, made.text_frames)
    joined = Corpus(
        name=real.name,
        utterances=real.utterances + made.utterances,
        audio=_behind(real.audio, made.audio),
        text_frames=text,
    )
    targets = (*(experiment.targets[row] for row in rows), *(None for _ in made.utterances))
    source = f"{len(rows)} validation utterances of {real.name} and {len(made.utterances)} made ones"
    return Trial(joined, targets, source, tuple(rows), dialogues_in(trained, joined))


def _spread(rows: list[int], corpus: Corpus, *, whole: bool) -> list[int]:
    """Choose utterances that are evenly spread; for a model with context ``whole`` dialogues."""
    if not whole:
        return [rows[round(place)] for place in np.linspace(0, len(rows) - 1, min(MOST, len(rows)))]
    dialogues = dialogues_of([corpus.utterances[row] for row in rows])
    number = max(1, min(len(dialogues), MOST * len(dialogues) // len(rows)))
    chosen = [dialogues[round(place)] for place in np.linspace(0, len(dialogues) - 1, number)]
    return [rows[place] for dialogue in chosen for place in dialogue][:MOST]


def dialogues_in(trained: Trained, corpus: Corpus) -> Dialogues | None:
    """Return the dialogues of a corpus as a model with context reads them; None for a model without."""
    context = trained.recipe.context
    return None if context is None else read_dialogues(corpus.utterances, context.previous)


def _behind(first: Frames, second: Frames) -> Frames:
    arrays = [frames[row] for frames in (first, second) for row in range(len(frames))]
    return Frames.join(arrays, first.width)


def _made(trained: Trained, count: int) -> Corpus:
    """Make random utterances; some have no words, no audio, silence inside, or more than the model reads."""
    dataset, random = trained.recipe.dataset, np.random.default_rng(1)
    limits = (dataset.max_text_length, dataset.max_audio_length)
    words = [*trained.inputs[0].vocabulary.index, "a-word-that-nobody-said"]
    utterances, frames, texts = [], [], []
    for number in range(count):
        lengths = [int(random.integers(0, 2 * longest + 1)) for longest in limits]
        said, heard = (0 if number % 4 == place else length for place, length in enumerate(lengths))
        own = tuple(random.choice(words, said).tolist())
        utterances.append(
            Utterance(
                f"made-{number}",
                "private",
                " ".join(own),
                own,
                speaker=(None, "made-a", "made-b", "made-a")[number * 5 % 7 % 4],
                dialogue=f"made-{number // 16}" if number != 5 else None,
                order=number,
            )
        )
        own_frames = random.uniform(0, 1, (heard, trained.audio_width)).astype(np.float32)
        if number % 4 == 2:
            own_frames[1::3] = 0
        frames.append(own_frames)
        texts.append(random.normal(size=(said, trained.text_width or 1)).astype(np.float32))
    width = trained.text_width
    return Corpus(
        name="made",
        utterances=tuple(utterances),
        audio=Frames.join(frames, trained.audio_width),
        text_frames=None if width is None else Frames.join(texts, width),
    )


def demo_recordings(rate: int) -> list[torch.Tensor]:
    """Read the recordings of the packaged demo, and add a second without sound."""
    return [*(read_audio(Segment(path), rate) for path in sorted(CLIPS.glob("*.flac"))), torch.zeros(rate)]


def with_recordings(trained: Trained, trial: Trial) -> tuple[Trial, list[Array]]:
    """Pair the words of a trial with the packaged demo's recordings; return the new trial and the samples."""
    frontend = open_frontend(trained.recipe.frontend)
    heard = demo_recordings(frontend.sample_rate)
    frames = [frontend.frames([waveform])[0].numpy() for waveform in heard]
    count = min(len(trial.corpus.utterances), 4 * len(heard))
    corpus = Corpus(
        name=trial.corpus.name,
        utterances=trial.corpus.utterances[:count],
        audio=Frames.join([frames[place % len(heard)] for place in range(count)], trained.audio_width),
    )
    source = f"their words with the {len(heard) - 1} recordings of the packaged demo"
    waveforms = [heard[place % len(heard)].numpy() for place in range(count)]
    return Trial(corpus, (None,) * count, source, dialogues=dialogues_in(trained, corpus)), waveforms


def feeds_of(trained: Trained, trial: Trial, waveforms: Sequence[Array] | None = None) -> list[Feeds]:
    """Make the graph's inputs for each utterance by itself, without padding."""
    corpus, modalities = trial.corpus, trained.recipe.dataset.modalities
    every: list[Feeds] = []
    for row, utterance in enumerate(corpus.utterances):
        feeds: dict[str, NDArray[Any]] = {}
        if "text" in modalities and corpus.text_frames is not None:
            feeds["text"] = corpus.text_frames[row][None].astype(np.float32)
        elif "text" in modalities:
            words = utterance.words
            rows = [own.vocabulary.encode(words, len(words)) for own in trained.inputs]
            ids = np.array(rows, np.int64).reshape(len(rows), 1, len(words))
            feeds["tokens"] = ids if len(rows) > 1 else ids[0]
        if "audio" in modalities and waveforms is not None:
            feeds["waveform"] = waveforms[row]
        elif "audio" in modalities:
            feeds["mels"] = corpus.audio[row][None].astype(np.float32)
        every.append(feeds)
    return every


def torch_logits(
    trained: Trained, stack: StackModel, members: Sequence[TrainedMember], trial: Trial
) -> Callable[[Sequence[int]], Array]:
    """Return a function from positions of utterances to mean logits or scores (N, C), as ``sertool predict`` does."""
    precision = choose("cpu", "fp32")
    tables = tables_for(trained, trial.corpus, precision.device)
    folds = [member.fold for member in members]
    return lambda rows: mean_logits(stack, folds, tables, rows, precision)


def open_session(path: Path) -> Any:
    """Open an onnxruntime session on the CPU, as run.py does."""
    import onnxruntime

    return onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])


def onnx_logits(session: Any, feeds: Sequence[Feeds]) -> Array:
    """Compute logits, or scores, (N, C) with the graph, one utterance at a time."""
    return np.concatenate([_run_one(session, feeds, place) for place in range(len(feeds))])


def in_context(session: Any, feeds: Sequence[Feeds], dialogues: Dialogues | None) -> Sequence[Feeds]:
    """Give each utterance the vectors that the graph computes of its earlier ones; a model without context needs none.

    Args:
        session: the graph.
        feeds: inputs of each utterance of a corpus by itself.
        dialogues: the dialogues of that corpus; None for a model without context.
    """
    inputs = {own.name: own for own in session.get_inputs()}
    if dialogues is None or "earlier" not in inputs:
        return feeds
    nothing = nothing_earlier(session)
    vectors = np.concatenate([session.run(["vectors"], {**own, **nothing})[0] for own in feeds])
    found: list[Feeds] = []
    for own, (dialogue, place) in zip(feeds, dialogues.home.tolist(), strict=True):
        window = slice(max(0, place - dialogues.previous), place)
        before = dialogues.rows[dialogue][window].numpy()
        said = [*dialogues.speakers[dialogue][window].tolist(), int(dialogues.speakers[dialogue][place])]
        relations = [_relation(speaker, said[-1]) for speaker in said]
        given = {"earlier": vectors[before][None], "earlier_count": np.array([len(before)])}
        if "relations" in inputs:
            given["relations"] = np.array([relations])
        found.append({**own, **given})
    return found


def _relation(speaker: int, own: int) -> int:
    """Return the relation of a speaker to the utterance's own."""
    return UNKNOWN if NOBODY in (speaker, own) else SAME if speaker == own else OTHER


def nothing_earlier(session: Any) -> Feeds:
    """Make the inputs of an utterance without context; a graph without context has none of them."""
    inputs = {own.name: own for own in session.get_inputs()}
    if "earlier" not in inputs:
        return {}
    given: dict[str, NDArray[Any]] = {"earlier": np.zeros((1, 0, inputs["earlier"].shape[2]), np.float32)}
    given["earlier_count"] = np.zeros(1, np.int64)
    if "relations" in inputs:
        given["relations"] = np.full((1, 1), UNKNOWN)
    return given


def compare(
    session: Any, feeds: Sequence[Feeds], logits: Callable[[Sequence[int]], Array], trial: Trial, task: Task
) -> BundleComparison:
    """Predict all utterances of a trial with the graph and with PyTorch, whose ``logits`` are given."""
    count = len(feeds)
    feeds = in_context(session, feeds, trial.dialogues)
    theirs, ours = onnx_logits(session, feeds), logits(range(count))
    onnx_one = partial(_run_one, session, feeds)
    return compared(theirs, ours, (onnx_one, lambda place: logits([place])), trial.source, task)


def compared(
    theirs: Array, ours: Array, timed: tuple[Callable[[int], object], Callable[[int], object]], source: str, task: Task
) -> BundleComparison:
    """Compare the logits, or the scores, (N, C) of graphs with those of PyTorch.

    Args:
        theirs: logits of the graphs.
        ours: logits of PyTorch.
        timed: functions that predict the utterance at a position, with the graphs and with PyTorch.
        source: description of the utterances.
        task: the task.
    """
    count = len(theirs)
    places = np.linspace(0, count - 1, min(TIMED, count)).round().astype(int).tolist()
    onnx_ms, torch_ms = ([_milliseconds(partial(call, place)) for place in places] for call in timed)
    scores, units = task.kind == "scores", np.ones(len(task.classes))
    differing = np.zeros(count, bool)
    if scores:
        units = np.array([high - low for low, high in task.ranges])
    else:
        differing = (decide(theirs, task.kind) != decide(ours, task.kind)).reshape(count, -1).any(1)
    # A comparison with NaN is always false, so it would pass as equal.
    largest = float((np.abs(theirs - ours) / units).max()) if np.isfinite(theirs).all() else float("inf")
    return BundleComparison(
        source=source,
        largest=largest,
        differing=int(differing.sum()),
        utterances=count,
        onnx_ms=statistics.median(onnx_ms),
        torch_ms=statistics.median(torch_ms),
        logits=theirs,
        scores=scores,
    )


def _run_one(session: Any, feeds: Sequence[Feeds], place: int) -> Array:
    first = session.get_outputs()[0].name  # logits, or scores
    # An encoder's chain compares utterances alone.
    given = feeds[place] if "earlier_count" in feeds[place] else {**feeds[place], **nothing_earlier(session)}
    found: Array = session.run([first], given)[0]
    return found


def require_equal(found: BundleComparison, tolerance: float | None = None) -> None:
    """Refuse a graph that does not agree with PyTorch.

    Args:
        found: the comparison.
        tolerance: largest accepted difference of a logit, or of a score as a share of its range. Default: 1e-4.

    Raises:
        SertoolError: a logit or a score differs by more, or a predicted class differs.
    """
    accepted = TOLERANCE if tolerance is None else tolerance
    if found.largest > accepted:
        what, unit = ("scores", " of their range") if found.scores else ("logits", "")
        raise SertoolError(
            f"export: the graph's {what} differ from PyTorch's by {found.largest:.1e}{unit}, at most {accepted:.0e} is "
            f"accepted ({found.source}); nothing was written",
            hint="this is a bug in sertool or in the installed onnxruntime; `sertool doctor` shows the versions",
        )
    if found.differing:
        raise SertoolError(
            f"export: the graph and PyTorch predict different classes for {found.differing} of {found.utterances} "
            f"utterances "
            f"({found.source}); nothing was written"
        )


def _milliseconds(call: Callable[[], object]) -> float:
    begun = time.perf_counter()
    call()
    return 1e3 * (time.perf_counter() - begun)

"""Export a trained ensemble as a folder that runs without this toolkit: an ONNX model, a script, a model card."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from sertool.core.errors import DataError, UsageError
from sertool.core.export import check as check
from sertool.core.export.check import BundleComparison
from sertool.core.export.encoder_facts import encoders_of, require_accepted
from sertool.core.export.files import FORMAT, SETTINGS, write_texts
from sertool.core.export.losses import Loss, require_small_loss
from sertool.core.export.onnx_file import MODEL, save
from sertool.core.export.quantise import measure_loss, quantise
from sertool.core.export.source import Opened, log_mel_of, open_trained
from sertool.core.export.written import Bits, Written
from sertool.core.features.frontend import open_frontend
from sertool.core.files import artifacts
from sertool.core.runs.ensemble_size import EnsembleSize
from sertool.core.runs.members import Trained, stack_of

INT8 = "model.int8.onnx"


@dataclass(frozen=True)
class Exported:
    """A bundle that was written.

    Attributes:
        folder: folder of the bundle.
        name: name of the ensemble.
        dataset, task, kind: what it was trained on.
        members: number of members that are averaged, over all folds.
        size: number of members of each fold, and where it comes from.
        temperature: temperature of the probabilities; None for scores.
        intervals: level of the intervals of scores; None without any, and for classes.
        uncalibrated: reason why probabilities are not calibrated, or why no score has an interval; else empty.
        compared: comparisons with PyTorch, on the corpus and, with the frontend, on recordings.
        loss: accuracy, or CCC and MAE, lost by the 8-bit graph; None without one.
        encoder_bits: precision of the pretrained encoders in the bundle; None without any.
        encoder_loss: the same lost by encoders of less precision than 32 bits; None without them.
        sizes: size of each file in bytes.
        words: the bundle predicts from texts, with or without a recording.
    """

    folder: Path
    name: str
    dataset: str
    task: str
    kind: str
    members: int
    size: EnsembleSize
    temperature: float | None
    intervals: float | None
    uncalibrated: str
    compared: tuple[BundleComparison, ...]
    loss: Loss | None
    encoder_bits: Bits | None
    encoder_loss: Loss | None
    sizes: dict[str, int]
    words: bool


def export(
    name: str,
    out: Path,
    *,
    output: Path,
    data: Path,
    index: int | None = None,
    int8: bool = False,
    with_frontend: bool = False,
    encoder: Bits | None = None,
    force: bool = False,
    accept_licence: bool = False,
) -> Exported:
    """Write a bundle, or nothing if its graph does not agree with PyTorch.

    Args:
        name: folder below ``output`` with runs of sertool or checkpoints of the reference.
        out: folder of the bundle.
        output: folder that holds the trained models.
        data: folder that holds the corpora.
        index: number of members of each fold to average, best first; None for the size stored with the run.
        int8: also write an 8-bit graph.
        with_frontend: take recordings and texts instead of frames; a pretrained encoder comes into the bundle.
        encoder: precision of the encoders' weights; brings them, as ``with_frontend`` does with 32 bits.
        force: replace an existing bundle, and write weights of less precision whatever they cost in accuracy.
        accept_licence: write a bundle that a licence of its frames' makers binds to non-commercial use.

    Raises:
        UsageError: onnx is not installed, there is no such model, it has no such frontend, a licence is not accepted,
            or ``out`` exists.
        DataError: a file is damaged.
        SertoolError: the graph disagrees with PyTorch, or the 8-bit graph loses too much accuracy.
    """
    _require("onnx", "onnxruntime")
    _check_target(out, force)
    opened = open_trained(name, output, data, index)
    if not accept_licence:
        require_accepted(opened.trained)
    in_graph, bits = _frontends(opened.trained, encoder) if with_frontend or encoder else (False, None)
    with _new_folder(out) as folder:
        written = _write_models(opened, folder, in_graph, int8, bits, data)
        if written.loss is not None and not force:
            require_small_loss(written.loss)
        if written.brought and written.brought.loss is not None and not force:
            require_small_loss(written.brought.loss, f"--encoder {encoder}")
        write_texts(opened, folder, in_graph, written)
    return _exported(opened, out, written, bits)


def _exported(opened: Opened, folder: Path, written: Written, bits: Bits | None) -> Exported:
    """Describe the bundle in a folder."""
    trained, certainty = opened.trained, opened.certainty
    return Exported(
        folder=folder,
        name=trained.name,
        dataset=trained.corpus,
        task=trained.task.name,
        kind=trained.task.kind,
        members=len(opened.members),
        size=opened.size,
        temperature=None if trained.task.kind == "scores" else opened.temperature,
        intervals=certainty.intervals.level if certainty.intervals else None,
        uncalibrated=certainty.uncalibrated,
        compared=written.compared,
        loss=written.loss,
        encoder_bits=bits,
        encoder_loss=written.brought.loss if written.brought else None,
        sizes={path.name: path.stat().st_size for path in sorted(folder.iterdir())},
        words="text" in trained.recipe.dataset.modalities and (trained.text_width is None or bits is not None),
    )


def _require(*packages: str) -> None:
    missing = [package for package in packages if find_spec(package) is None]
    if missing:
        raise UsageError(
            f"export: needs {' and '.join(missing)}, which {'is' if len(missing) == 1 else 'are'} not installed",
            hint="pip install 'sertool[export]'",
        )


def _check_target(out: Path, force: bool) -> None:
    if not out.exists() and not out.is_symlink():
        return
    if not _is_bundle(out):
        raise UsageError(f"--out {out}: exists and is not a bundle; only a bundle is replaced")
    if not force:
        raise UsageError(f"--out {out}: already exists", hint="--force replaces it")


def _is_bundle(folder: Path) -> bool:
    if folder.is_symlink() or not (folder / SETTINGS).is_file():
        return False
    try:
        settings = artifacts.read_json(folder / SETTINGS)
    except DataError:
        return False
    return isinstance(settings, dict) and settings.get("format") == FORMAT


def _frontends(trained: Trained, encoder: Bits | None) -> tuple[bool, Bits | None]:
    """Return whether the graph makes log-mel frames, and the precision of pretrained encoders, None without any."""
    _check_frontend(trained)
    encoders = encoders_of(trained)
    if encoder and not encoders:
        raise UsageError(f"--encoder {encoder}: {trained.name} has no pretrained encoder", hint="leave --encoder out")
    if encoders:
        _require("onnxscript")
    in_graph = "audio" in trained.recipe.dataset.modalities and "audio" not in encoders
    return in_graph, (encoder or "fp32") if encoders else None


def _check_frontend(trained: Trained) -> None:
    """Refuse a model whose inputs no graph can make of recordings and texts."""
    recipe, encoders = trained.recipe, encoders_of(trained)
    why = None
    if "audio" not in recipe.dataset.modalities and "text" not in encoders:
        why = "it reads text alone"
    elif "audio" not in recipe.dataset.modalities or "audio" in encoders:
        pass
    elif trained.audio_width != (made := open_frontend(recipe.frontend)).width:
        why = (
            f"it takes audio frames of {trained.audio_width} values, and the recipe's frontend makes "
            f"{made.width} of a recording"
        )
    elif not log_mel_of(trained):
        why = f"a graph cannot hold the frontend {made.name}"
    if why is None and "text" in recipe.dataset.modalities and trained.text_width and "text" not in encoders:
        why = f"it takes text as frames of {trained.text_width} values, which another program makes"
    if why:
        raise UsageError(f"--with-frontend: {trained.name} has none, {why}", hint="leave --with-frontend out")


@contextmanager
def _new_folder(target: Path) -> Iterator[Path]:
    """Yield a new folder that replaces ``target`` when the block ends well, and is removed otherwise."""
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        beside = Path(tempfile.mkdtemp(prefix=f".{target.name}.", suffix=".part", dir=target.parent))
    except OSError as error:
        raise artifacts.write_error(target, error) from error
    try:
        new = beside / "new"
        new.mkdir()
        yield new
        if target.exists():
            target.rename(beside / "old")
        new.rename(target)
    except OSError as error:
        raise artifacts.write_error(target, error) from error
    finally:
        shutil.rmtree(beside, ignore_errors=True)


def _write_models(opened: Opened, folder: Path, in_graph: bool, int8: bool, bits: Bits | None, data: Path) -> Written:
    """Write the graphs and compare each with PyTorch.

    Args:
        opened: the model.
        folder: folder of the bundle.
        in_graph: the graph makes log-mel frames of a waveform.
        int8: also write an 8-bit graph of the members.
        bits: precision of the pretrained encoders; None leaves them out.
        data: folder of the corpora.
    """
    from sertool.core.export.onnx_ensemble import ensemble_model  # onnx is an extra

    trained, members, task = opened.trained, opened.members, opened.trained.task
    stack = stack_of(trained, members)
    trial = check.make_trial(trained, opened.experiment)
    feeds = check.feeds_of(trained, trial)
    model = folder / MODEL
    external = save(ensemble_model(trained, members, opened.temperature, with_frontend=False), model)
    logits = check.torch_logits(trained, stack, members, trial)
    compared = [check.compare(check.open_session(model), feeds, logits, trial, task)]
    check.require_equal(compared[0])
    loss = None
    if int8:
        quantise(model, folder / INT8, external=external)
        clip = trained.recipe.dataset.clip
        loss = measure_loss(folder / INT8, compared[0].logits, trial, feeds, task, clip=clip)
    if in_graph:
        # The graph without the frontend has been compared on the corpus; the bundle holds the other one alone.
        for path in folder.iterdir():
            path.unlink()
        save(ensemble_model(trained, members, opened.temperature, with_frontend=True), model)
        if int8:
            quantise(model, folder / INT8, external=external)
    brought = None
    if bits:
        from sertool.core.export.bring import bring

        brought = bring(opened, stack, trial, compared[0].logits, folder, bits, data)
        compared.append(brought.compared)
    elif in_graph:
        heard, waveforms = check.with_recordings(trained, trial)
        logits = check.torch_logits(trained, stack, members, heard)
        feeds = check.feeds_of(trained, heard, waveforms)
        compared.append(check.compare(check.open_session(model), feeds, logits, heard, task))
        check.require_equal(compared[1])
    return Written(tuple(compared), loss, brought)

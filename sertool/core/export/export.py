"""Export a trained ensemble as a folder that runs without this toolkit: an ONNX model, a script, a model card."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from sertool.core.errors import DataError, UsageError
from sertool.core.export import check as check
from sertool.core.export.check import BundleComparison
from sertool.core.export.files import FORMAT, SETTINGS, write_texts
from sertool.core.export.quantise import Loss, measure_loss, quantise, require_small_loss
from sertool.core.export.source import Opened, log_mel_of, open_trained
from sertool.core.features.frontend import open_frontend
from sertool.core.files import artifacts
from sertool.core.runs.ensemble_size import EnsembleSize
from sertool.core.runs.members import Trained, stack_of

if TYPE_CHECKING:
    import onnx

MODEL, INT8 = "model.onnx", "model.int8.onnx"
# A protobuf message, which a model file is, ends at 2 GiB; above 1.5 GiB the weights go into a file of their own.
LARGEST_FILE = 3 << 29  # bytes


@dataclass(frozen=True)
class Exported:
    """A bundle that was written.

    Attributes:
        folder: folder of the bundle.
        name: name of the ensemble.
        dataset, task: what it was trained on.
        members: number of members that are averaged, over all folds.
        size: number of members of each fold, and where it comes from.
        temperature: temperature of the probabilities.
        uncalibrated: reason why they are not calibrated; empty if they are.
        compared: comparisons with PyTorch, on the corpus and, with the frontend, on recordings.
        loss: accuracy lost by the 8-bit graph; None without one.
        sizes: size of each file in bytes.
        words: the bundle predicts from words, with or without a recording.
    """

    folder: Path
    name: str
    dataset: str
    task: str
    members: int
    size: EnsembleSize
    temperature: float
    uncalibrated: str
    compared: tuple[BundleComparison, ...]
    loss: Loss | None
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
    force: bool = False,
) -> Exported:
    """Write a bundle, or nothing if its graph does not agree with PyTorch.

    Args:
        name: folder below ``output`` with runs of sertool or checkpoints of the reference.
        out: folder of the bundle.
        output: folder that holds the trained models.
        data: folder that holds the corpora.
        index: number of members of each fold to average, best first; None for the size stored with the run.
        int8: also write an 8-bit graph.
        with_frontend: take a waveform instead of mel frames.
        force: replace an existing bundle, and write the 8-bit graph whatever it costs in accuracy.

    Raises:
        UsageError: onnx is not installed, there is no such model, it has no such frontend, or ``out`` exists.
        DataError: a file is damaged.
        SertoolError: the graph disagrees with PyTorch, or the 8-bit graph loses too much accuracy.
    """
    _require_onnx()
    _check_target(out, force)
    opened = open_trained(name, output, data, index)
    if with_frontend:
        _check_frontend(opened.trained)
    with _new_folder(out) as folder:
        compared, loss = _write_models(opened, folder, with_frontend, int8)
        if loss is not None and not force:
            require_small_loss(loss)
        write_texts(opened, folder, with_frontend, compared, loss)
    sizes = {path.name: path.stat().st_size for path in sorted(out.iterdir())}
    return Exported(
        folder=out,
        name=opened.trained.name,
        dataset=opened.trained.corpus,
        task=opened.trained.task.name,
        members=len(opened.members),
        size=opened.size,
        temperature=opened.temperature,
        uncalibrated=opened.uncalibrated,
        compared=compared,
        loss=loss,
        sizes=sizes,
        words="text" in opened.trained.recipe.dataset.modalities and opened.trained.text_width is None,
    )


def _require_onnx() -> None:
    missing = [package for package in ("onnx", "onnxruntime") if find_spec(package) is None]
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


def _check_frontend(trained: Trained) -> None:
    recipe = trained.recipe
    why = None
    if "audio" not in recipe.dataset.modalities:
        why = "it reads text alone"
    elif trained.audio_width != (made := open_frontend(recipe.frontend)).width:
        why = (
            f"it takes audio frames of {trained.audio_width} values, and the recipe's frontend makes "
            f"{made.width} of a recording"
        )
    elif not log_mel_of(trained):
        why = f"a graph cannot hold the frontend {made.name}"
    elif trained.text_width is not None and "text" in recipe.dataset.modalities:
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


def _write_models(
    opened: Opened, folder: Path, with_frontend: bool, int8: bool
) -> tuple[tuple[BundleComparison, ...], Loss | None]:
    """Write the graphs and compare each with PyTorch."""
    from sertool.core.export.onnx_ensemble import ensemble_model  # onnx is an extra

    trained, members, kind = opened.trained, opened.members, opened.trained.task.kind
    stack = stack_of(trained, members)
    trial = check.make_trial(trained, opened.experiment)
    feeds = check.feeds_of(trained, trial)
    model = folder / MODEL
    external = save(ensemble_model(trained, members, opened.temperature, with_frontend=False), model)
    logits = check.torch_logits(trained, stack, members, trial)
    compared = [check.compare(check.open_session(model), feeds, logits, trial, kind)]
    check.require_equal(compared[0])
    loss = None
    if int8:
        quantise(model, folder / INT8, external=external)
        classes = len(trained.task.classes)
        loss = measure_loss(folder / INT8, compared[0].logits, trial, feeds, kind, classes)
    if with_frontend:
        # The graph without the frontend has been compared on the corpus; the bundle holds the other one alone.
        for path in folder.iterdir():
            path.unlink()
        save(ensemble_model(trained, members, opened.temperature, with_frontend=True), model)
        heard, waveforms = check.with_recordings(trained, trial)
        logits = check.torch_logits(trained, stack, members, heard)
        feeds = check.feeds_of(trained, heard, waveforms)
        compared.append(check.compare(check.open_session(model), feeds, logits, heard, kind))
        check.require_equal(compared[1])
        if int8:
            quantise(model, folder / INT8, external=external)
    return tuple(compared), loss


def save(model: "onnx.ModelProto", path: Path) -> bool:
    """Write a model, with its weights in a second file if they are too large for one; return whether they are."""
    import onnx

    from sertool.core.export.onnx_ensemble import weight_bytes

    external = weight_bytes(model) > LARGEST_FILE
    if external:
        onnx.save_model(model, path, save_as_external_data=True, location=f"{path.name}.data", size_threshold=1024)
    else:
        artifacts.write_bytes(path, model.SerializeToString(deterministic=True))
    return external

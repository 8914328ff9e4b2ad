"""A trained ensemble as a folder that runs without this toolkit: an ONNX model, a script, a model card."""

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
from sertool.core.export.check import Comparison
from sertool.core.export.files import FORMAT, SETTINGS, write_texts
from sertool.core.export.quantise import Loss, measure_loss, quantise, require_small_loss
from sertool.core.export.source import Opened, open_trained
from sertool.core.files import artifacts
from sertool.core.runs.members import Trained, stack_of

if TYPE_CHECKING:
    import onnx

MODEL, INT8 = "model.onnx", "model.int8.onnx"
LARGEST_FILE = 3 << 29  # bytes; a model file ends at 2 GiB, beyond this its weights lie in a file beside it


@dataclass(frozen=True)
class Exported:
    """A bundle that was written.

    Attributes:
        folder: where it lies.
        name: of the ensemble.
        members: how many are averaged.
        temperature: in its probabilities.
        compared: graph against PyTorch; on the corpus, and with the frontend on recordings.
        loss: of the graph in 8 bits.
        sizes: bytes of each file.
    """

    folder: Path
    name: str
    members: int
    temperature: float
    compared: tuple[Comparison, ...]
    loss: Loss | None
    sizes: dict[str, int]


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
    """Write a bundle, or nothing where its graph does not say what PyTorch says.

    Args:
        name: folder below ``output``: runs of sertool, or checkpoints of the reference.
        out: the bundle's folder.
        output: folder that holds the trained models.
        data: folder that holds the corpora.
        index: members of each fold that are averaged, best first; all.
        int8: write the graph in 8 bits too.
        with_frontend: take a waveform instead of mel frames.
        force: replace a bundle that is there, and write 8 bits whatever they cost.

    Raises:
        UsageError: onnx is not installed, there is no such model, or it has no such frontend; or ``out`` is taken.
        DataError: a file is damaged.
        SertoolError: the graph disagrees with PyTorch, or 8 bits cost too much accuracy.
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
    trained = opened.trained
    return Exported(out, trained.name, len(opened.members), opened.temperature, compared, loss, sizes)


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
        raise UsageError(f"--out {out}: is there already and is no bundle; only a bundle is replaced")
    if not force:
        raise UsageError(f"--out {out}: is there already", hint="--force replaces it")


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
        why = "it judges text alone"
    elif trained.audio_width != recipe.frontend.mel_bands:
        why = (
            f"it takes audio frames of {trained.audio_width} values, and the recipe's frontend makes "
            f"{recipe.frontend.mel_bands} of a recording"
        )
    elif trained.text_width is not None and "text" in recipe.dataset.modalities:
        why = f"it takes text as frames of {trained.text_width} values, which another program makes"
    if why:
        raise UsageError(f"--with-frontend: {trained.name} has none, {why}", hint="leave --with-frontend out")


@contextmanager
def _new_folder(target: Path) -> Iterator[Path]:
    """A folder that takes the place of ``target``, and of what is there, when all is well; or is gone."""
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
) -> tuple[tuple[Comparison, ...], Loss | None]:
    """Write the graphs, each compared with PyTorch before it stays."""
    from sertool.core.export.onnx_ensemble import ensemble_model  # onnx is an extra

    trained, members, kind = opened.trained, opened.members, opened.trained.task.kind
    stack = stack_of(trained, members)
    trial = check.make_trial(trained, opened.experiment)
    feeds = check.feeds_of(trained, trial)
    model = folder / MODEL
    external = save(ensemble_model(trained, members, opened.temperature, with_frontend=False), model)
    judge = check.torch_judge(trained, stack, members, trial)
    compared = [check.compare(check.open_session(model), feeds, judge, trial, kind)]
    check.require_equal(compared[0])
    loss = None
    if int8:
        quantise(model, folder / INT8, external=external)
        classes = len(trained.task.classes)
        loss = measure_loss(folder / INT8, compared[0].logits, trial, feeds, kind, classes)
    if with_frontend:
        for path in folder.iterdir():
            path.unlink()
        save(ensemble_model(trained, members, opened.temperature, with_frontend=True), model)
        heard, waveforms = check.with_recordings(trained, trial)
        judge = check.torch_judge(trained, stack, members, heard)
        feeds = check.feeds_of(trained, heard, waveforms)
        compared.append(check.compare(check.open_session(model), feeds, judge, heard, kind))
        check.require_equal(compared[1])
        if int8:
            quantise(model, folder / INT8, external=external)
    return tuple(compared), loss


def save(model: "onnx.ModelProto", path: Path) -> bool:
    """Write a model, its weights beside it where they are too large for one file; whether they are."""
    import onnx

    from sertool.core.export.onnx_ensemble import weight_bytes

    external = weight_bytes(model) > LARGEST_FILE
    if external:
        onnx.save_model(
            model, path, save_as_external_data=True, location=f"{path.name}.data", size_threshold=1024
        )
    else:
        artifacts.write_bytes(path, model.SerializeToString(deterministic=True))
    return external

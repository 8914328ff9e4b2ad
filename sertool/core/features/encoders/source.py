"""Find a pretrained model: a folder, a name on the Hugging Face hub, or a Python package that carries one.

Only safetensors weights for transformers and CTranslate2 weights of Whisper are taken, because a pickle may run code;
a model that brings code of its own is refused for the same reason. Nothing is loaded here.
"""

import hashlib
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

from sertool.core.errors import DataError, UsageError
from sertool.core.features.encoders import hub, packages
from sertool.core.features.encoders.libraries import check_installed, quiet
from sertool.core.files import artifacts
from sertool.core.formatting import first_few

Kind = Literal["speech", "text"]
Library = Literal["transformers", "ctranslate2"]

_CONFIG = "config.json"
_SAFETENSORS = ("model.safetensors", "model.safetensors.index.json")
_PICKLED = ("*.bin", "*.pt", "*.pth", "*.ckpt", "*.pkl", "*.h5", "*.msgpack")
# The files that prepare an encoder's input, any of which a model of this kind must have; all count into its hash.
_PREPARING: dict[Kind, tuple[str, ...]] = {
    "speech": ("preprocessor_config.json", "processor_config.json"),
    "text": ("tokenizer.json", "tokenizer_config.json", "vocab.txt", "vocab.json", "merges.txt", "*.model"),
}
_PREPARED_BY: dict[Kind, str] = {"speech": "feature extractor", "text": "tokenizer"}


@dataclass(frozen=True)
class ModelFiles:
    """A pretrained model on this machine.

    Attributes:
        folder: folder of its files.
        name: the recipe's ``model``.
        revision: commit of a model of the hub, else None.
        library: the one that loads it.
        config: its settings; for transformers with the defaults of its architecture.
        weights: SHA-256 (hexadecimal) of its weights, its settings, and what prepares its input.
        licence: as its hub card states it, or the package that carries it; None if nothing does.
    """

    folder: Path
    name: str
    revision: str | None
    library: Library
    config: Mapping[str, Any]
    weights: str
    licence: str | None


def find_model(name: str, revision: str | None, kind: Kind) -> ModelFiles:
    """Find a pretrained model, which the hub's client downloads if need be.

    Args:
        name: folder, name on the hub, or ``package:NAME``.
        revision: branch, tag or commit of a model on the hub; None for its main branch.
        kind: what the model is to encode.

    Raises:
        UsageError: the libraries are not installed, or the name stands for nothing.
        DataError: the model cannot be used; the message says why.
        SertoolError: the hub cannot be reached, or the disk is full.
    """
    check_installed(name, "transformers", "huggingface_hub")
    folder, commit = locate(name, revision)
    settings = read_settings(name, folder)
    library = _library(name, folder, kind)
    if library == "ctranslate2":
        check_installed(name, "ctranslate2")
        config: Mapping[str, Any] = settings
    else:
        _check_preparing(name, folder, kind)
        config = _full_settings(name, folder, settings)
    weights = _hash(_used_files(folder, kind, library))
    return ModelFiles(folder, name, commit, library, config, weights, _licence(name, folder))


def locate(name: str, revision: str | None) -> tuple[Path, str | None]:
    """Return the folder of a model, and its commit if it is one of the hub; arguments and errors of find_model."""
    in_package = name.startswith(packages.PREFIX)
    folder = Path(name).expanduser()
    if not in_package and not folder.is_dir() and not is_path(name):
        found = hub.download(name, revision)
        return found, found.name  # the client names the folder of a revision after its commit
    if revision is not None:
        raise UsageError(f"{name}: revision {revision} is given, which only a model on the hub has")
    if in_package:
        return packages.find_in_package(name.removeprefix(packages.PREFIX)), None
    if not folder.is_dir():
        raise UsageError(
            f"{name}: no such folder",
            hint="expected a folder with a model, a name on the Hugging Face hub, or package:NAME",
        )
    return folder, None


def is_path(name: str) -> bool:
    """Check whether a name is meant as a path: a name on the hub has one slash at most."""
    return name.startswith((".", "/", "~")) or name.count("/") > 1


def read_settings(name: str, folder: Path) -> dict[str, Any]:
    """Return what ``config.json`` in a model's folder says.

    Raises:
        DataError: the file is missing, or holds no table.
    """
    path = folder / _CONFIG
    if not path.is_file():
        raise DataError(f"{name}: holds no model ({path} is missing)")
    found = artifacts.read_json(path)
    if not isinstance(found, dict):
        raise DataError(f"{path}: not the settings of a model, expected a JSON object")
    return found


def _library(name: str, folder: Path, kind: Kind) -> Library:
    """Return the library for a model's weights."""
    if any((folder / file).is_file() for file in _SAFETENSORS):
        return "transformers"
    if (folder / packages.WEIGHTS).is_file():
        if kind == "text":
            raise DataError(
                f"{name}: CTranslate2 weights, which sertool takes for Whisper alone; expected a text encoder",
                hint="use the same model in transformers' form, with model.safetensors",
            )
        return "ctranslate2"
    pickled = sorted(file.name for pattern in _PICKLED for file in folder.glob(pattern))
    held = f"pickled weights only ({first_few(pickled, 20)}), which may run code" if pickled else "no weights"
    raise DataError(
        f"{name}: {held}; expected {' or '.join(_SAFETENSORS)}, or CTranslate2's {packages.WEIGHTS}",
        hint="look for a revision with safetensors (on the hub often a pull request: revision refs/pr/NUMBER), or save "
        "the model with transformers' save_pretrained",
    )


def _check_preparing(name: str, folder: Path, kind: Kind) -> None:
    if not any(any(folder.glob(pattern)) for pattern in _PREPARING[kind]):
        raise DataError(
            f"{name}: has no {_PREPARED_BY[kind]} ({first_few(_PREPARING[kind], 20)}), so it is no {kind} encoder",
            hint=f"expected a {kind} encoder; after fine-tuning, save its {_PREPARED_BY[kind]} into the folder, too",
        )


def _full_settings(name: str, folder: Path, settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return a model's settings with the defaults of its architecture, which the file leaves out."""
    import transformers
    from transformers.models.auto.configuration_auto import CONFIG_MAPPING

    architecture = settings.get("model_type")
    if not isinstance(architecture, str) or architecture not in CONFIG_MAPPING:
        if "auto_map" in settings:
            raise DataError(
                f"{name}: brings code of its own, which sertool does not run",
                hint="choose a model whose architecture transformers has itself",
            )
        raise DataError(
            f"{name}: unknown architecture (model_type {architecture!r} in {_CONFIG}), transformers "
            f"{transformers.__version__} does not have it",
            hint="pip install --upgrade transformers, or choose another model",
        )
    try:
        with quiet():
            config = transformers.AutoConfig.from_pretrained(folder, trust_remote_code=False, local_files_only=True)
        return dict(config.to_dict())
    except Exception as error:  # transformers checks settings with errors of many kinds
        raise DataError(f"{folder / _CONFIG}: not the settings of a {architecture} ({error!s:.200})") from error


def _used_files(folder: Path, kind: Kind, library: Library) -> list[Path]:
    weights = (*_SAFETENSORS, "model-*.safetensors") if library == "transformers" else (packages.WEIGHTS,)
    return sorted({file for name in (_CONFIG, *weights, *_PREPARING[kind]) for file in folder.glob(name)})


def _hash(files: Sequence[Path]) -> str:
    digest = hashlib.sha256()
    for file in files:
        try:
            status = file.stat()
        except OSError as error:
            raise artifacts.read_error(file, error) from error
        digest.update(f"{file.name} {_file_hash(file, status.st_size, status.st_mtime_ns)}\n".encode())
    return digest.hexdigest()


# Weights have gigabytes, and each command asks for their hash several times.
@lru_cache(maxsize=256)
def _file_hash(path: Path, size: int, changed: int) -> str:
    return artifacts.sha256(path)


def _licence(name: str, folder: Path) -> str | None:
    """Return what the card in a model's folder states, else what its package does."""
    from huggingface_hub import ModelCard

    card = folder / "README.md"
    if card.is_file():
        # A damaged header is none; the YAML parser and the hub's client have errors of many kinds.
        with suppress(Exception), quiet():
            data = ModelCard.load(card).data
            stated = (data.license == "other" and data.license_name) or data.license
            if stated:
                return ", ".join(stated) if isinstance(stated, list) else str(stated)
    return packages.package_licence(name.removeprefix(packages.PREFIX)) if name.startswith(packages.PREFIX) else None

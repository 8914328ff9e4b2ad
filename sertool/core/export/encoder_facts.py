"""Sentences of the model card on the pretrained encoders, or openSMILE, that a model's frames come from."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sertool.core.errors import UsageError
from sertool.core.features.encoders.source import is_path
from sertool.core.formatting import in_markdown
from sertool.core.runs.members import Trained

Note = Mapping[str, Any]  # described note of a frontend, see features.frontend

_NON_COMMERCIAL = re.compile(r"(^|[^a-z])nc([^a-z]|$)|non-?commercial", re.IGNORECASE)


def sources_of(trained: Trained) -> dict[str, Note]:
    """Return the described notes of what makes a model's frames, other than log-mels, by modality.

    A folder is named without its place here; openSMILE has its name as ``model``.
    """
    notes = {"audio": trained.frontend, "text": trained.text_frontend}
    return {
        name: {**note, "model": _name(note)}
        for name in trained.recipe.dataset.modalities
        if (note := notes[name]) is not None
    }


def _name(note: Note) -> str:
    if "opensmile" in note:
        return f"openSMILE ({note['opensmile']})"
    return Path(note["model"]).name if is_path(note["model"]) else str(note["model"])


def encoders_of(trained: Trained) -> dict[str, Note]:
    """Return the described notes of a model's pretrained encoders, by modality; see :func:`sources_of`."""
    return {name: note for name, note in sources_of(trained).items() if "opensmile" not in note}


def require_accepted(trained: Trained) -> None:
    """Refuse a model on frames of something that may not be used commercially.

    Raises:
        UsageError: a licence is non-commercial.
    """
    for note in sources_of(trained).values():
        if _NON_COMMERCIAL.search(note.get("licence") or ""):
            raise UsageError(
                f"export: {trained.name} takes frames of {note['model']}, whose licence is non-commercial "
                f"({note['licence']}), and so is the bundle",
                hint="--accept-licence exports it; the model card states the licence",
            )


def encoder_rows(trained: Trained) -> str:
    """Write a row of the card's table for each encoder, and for openSMILE."""
    return "".join(
        f"\n| {_kind(name, note)} | {_identity(note)}; licence: {_licence(note)} |"
        for name, note in sources_of(trained).items()
    )


def _kind(modality: str, note: Note) -> str:
    if "opensmile" in note:
        return "functionals"
    return "speech encoder" if modality == "audio" else "text encoder"


def encoder_licences(trained: Trained, *, brought: bool) -> str:
    """Say what the licences of encoders and of openSMILE mean for the folder.

    Args:
        trained: the model.
        brought: the folder holds the encoders.
    """
    lines = []
    for note in sources_of(trained).values():
        name, licence = in_markdown(note["model"]), note.get("licence")
        holds = "This folder holds" if brought else "The model takes frames of"
        if licence is None:
            lines.append(f"{holds} {name}, whose card states no licence: ask its makers before you share or sell it.")
        elif _NON_COMMERCIAL.search(licence):
            binds = f"**{in_markdown(licence)} is non-commercial, and it binds this folder as a whole.**"
            lines.append(f"{holds} {name}. {binds}")
        else:
            lines.append(f"{holds} {name}, under {in_markdown(licence)}, which binds this folder too.")
    return "".join(f"\n\n{line}" for line in lines)


def _identity(note: Note) -> str:
    """Name a model with its revision, layer and pooling, and the beginning of its weights' hash."""
    if "opensmile" in note:
        return in_markdown(f"{note['model']}, package {note['weights']}")
    revision = f", revision {note['revision']}" if note.get("revision") else ""
    layer = note["layer"]
    layers = f"layers {', '.join(map(str, layer))}" if isinstance(layer, list | tuple) else f"layer {layer}"
    return in_markdown(f"{note['model']}{revision}, {layers}, pool {note['pool']}, weights {note['weights'][:12]}")


def _licence(note: Note) -> str:
    licence = note.get("licence")
    return "not stated" if licence is None else f"{in_markdown(licence)}, as its card or package states it"

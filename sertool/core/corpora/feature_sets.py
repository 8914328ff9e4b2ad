"""Feature sets of a corpus: frames of further frontends beside those of ``audio.safetensors``, and of text encoders.

Each has two files in the folder ``features`` of the corpus::

    NAME.safetensors   "frames" and "offsets", as in audio.safetensors
    NAME.json          frontend with the facts of its model, hashes, silent utterances; see SetNote

A recipe gets the set whose frontend has its settings. A set of other utterances, texts or recordings than those of the
corpus counts as absent, so a corpus that was replaced does not get frames of the old one.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from sertool.core.command_line import command_line
from sertool.core.corpora.corpus import Corpus, Frames, Utterance
from sertool.core.corpora.corpus_content import Digest, FrontendNote
from sertool.core.corpora.corpus_files import read_frames
from sertool.core.corpora.reading_errors import Report, refuse, reporting
from sertool.core.errors import DataError
from sertool.core.features.frontend import note_of, open_frontend
from sertool.core.files import artifacts
from sertool.core.files.typed_json import Content, Count, Text, read_typed
from sertool.core.formatting import cut
from sertool.core.recipe import load as recipes
from sertool.core.recipe.frontends import AudioSection, Frontend, OpenSmile, SpeechEncoder, TextEncoder
from sertool.core.recipe.schema import Recipe
from sertool.core.recipe.sections import Section

FEATURES = "features"
FORMAT = "sertool-features/1"
Kind = Literal["audio", "text"]
_SHOWN = 60  # characters of a value in a message, since a damaged file may hold any
_FACTS = ("weights", "width", "sample_rate", "seconds_per_frame", "licence")  # of an encoder's model, not settings
_PREPARED = ("dataset.reader", "dataset.modalities", "frontend", "text_frontend")  # settings that decide on the sets


class SetNote(Content):
    """Content of a set's JSON file.

    Attributes:
        frontend: settings that made the frames, for an encoder with the facts of its model.
        utterances: number of utterances.
        source: hash of the utterances and their texts or lengths, see :func:`source_hash`.
        sha256: hash of the file with the frames.
        silent: positions of utterances whose recording holds no sound.
    """

    format: Literal["sertool-features/1"]
    name: Text
    kind: Kind
    frontend: FrontendNote
    utterances: Count
    source: Digest
    sha256: Digest
    silent: list[Count] = Field(default_factory=list)


@dataclass(frozen=True)
class Missing:
    """Frames that a recipe asks for and a corpus lacks.

    Attributes:
        kind: ``audio`` or ``text``.
        text: sentence whose subject is the corpus.
        details: settings that differ from those that the corpus has; empty for an encoder.
        hint: next step, with the command that adds the frames.
    """

    kind: Kind
    text: str
    details: tuple[str, ...]
    hint: str


def text_of(utterance: Utterance) -> str:
    """Return the text that an encoder reads: the transcript, or the words where only they are known."""
    return utterance.text or " ".join(utterance.words)


def has_texts(corpus: Corpus) -> bool:
    """Check whether any utterance has a text or words."""
    return any(map(text_of, corpus.utterances))


def source_hash(corpus: Corpus, kind: Kind) -> str:
    """Hash the ids and splits of the utterances in order, and their texts or the lengths of their recordings."""
    digest = hashlib.sha256()
    for utterance in corpus.utterances:
        content = text_of(utterance) if kind == "text" else utterance.seconds
        digest.update(json.dumps([utterance.split, utterance.id, content]).encode())
    return digest.hexdigest()


def write_set(
    corpus: Corpus, folder: Path, kind: Kind, frontend: Mapping[str, Any], frames: Frames, silent: Sequence[int] = ()
) -> str:
    """Write a set, in the place of an older one with the same settings; return its name.

    Args:
        corpus: the corpus.
        folder: folder of its ``corpus.json``.
        kind: ``audio`` or ``text``.
        frontend: what made the frames, as its ``described()`` gives it.
        frames: frames of all utterances.
        silent: positions of utterances whose recording holds no sound.

    Raises:
        SertoolError: a file cannot be written.
        DataError: the note of another set cannot be read.
    """
    taken = {note.name: note.frontend for note in notes_in(folder)}
    name = _name(frontend, taken)
    note, arrays = (folder / FEATURES / f"{name}.{ending}" for ending in ("json", "safetensors"))
    with artifacts.writing(note):
        note.unlink(missing_ok=True)  # first, so that no old one vouches for new frames
    artifacts.write_arrays(arrays, {"frames": frames.flat, "offsets": frames.offsets})
    content = {
        "format": FORMAT,
        "name": name,
        "kind": kind,
        "frontend": dict(frontend),
        "utterances": len(corpus.utterances),
        "source": source_hash(corpus, kind),
        "sha256": artifacts.sha256(arrays),
        "silent": list(silent),
    }
    artifacts.write_json(note, content)
    return name


def _name(frontend: Mapping[str, Any], taken: Mapping[str, Mapping[str, Any]]) -> str:
    """Name a set by model, layer and pooling, with a number where another set has that name."""
    model = str(frontend.get("model", frontend.get("opensmile", "log-mel")))
    layer, pool = frontend.get("layer", ""), frontend.get("pool", "")
    parts = [model.rstrip("/").rpartition("/")[2].removeprefix("package:")]
    parts.append("layers" if isinstance(layer, list) else str(layer))
    parts.append("" if pool in (1, "words") else str(pool))
    stem = "-".join(filter(None, parts))
    stem = "".join(sign if sign.isalnum() or sign in "-_+" else "_" for sign in stem.lower())[:100]
    names = (stem if number == 1 else f"{stem}-{number}" for number in range(1, len(taken) + 2))
    settings = {key: value for key, value in frontend.items() if "weights" not in frontend or key not in _FACTS}
    return next(name for name in names if name not in taken or not frontend_differences(taken[name], settings))


def notes_in(folder: Path, report: Report = refuse) -> Iterator[SetNote]:
    """Yield the notes of all sets of a corpus by name; ``folder`` is that of its ``corpus.json``.

    Raises:
        DataError: raised by ``report``; by default for the first note that cannot be read.
    """
    for path in sorted((folder / FEATURES).glob("*.json")):
        with reporting(report):
            note = read_typed(path, SetNote, hint="delete it; `sertool prepare` makes the set again")
            if note.name != path.stem:
                raise DataError(f"{path}: holds the note of {note.name}", hint="rename or delete it")
            yield note


def find_set(corpus: Corpus, folder: Path, kind: Kind, wanted: Mapping[str, Any], report: Report) -> SetNote | None:
    """Find the set of a corpus whose frontend has the wanted settings; None if there is none."""
    for note in notes_in(folder, report):
        if note.kind == kind and not frontend_differences(note.frontend, wanted):
            return note if note.source == source_hash(corpus, kind) else None
    return None


def with_sets(corpus: Corpus, recipe: Recipe, folder: Path, report: Report = refuse) -> Corpus:
    """Return a corpus with the frames that a recipe's frontends ask for, as far as it has sets of them.

    Args:
        corpus: the corpus.
        recipe: names modalities and frontends.
        folder: folder of its ``corpus.json``.
        report: called with every error in the files of a set; by default it raises the first.

    Raises:
        DataError: raised by ``report``.
    """
    for kind, wanted in _wanted(recipe).items():
        made = corpus.frontend if kind == "audio" else corpus.text_frontend
        if (made is not None and not frontend_differences(made, wanted)) or not (folder / FEATURES).is_dir():
            continue
        note = find_set(corpus, folder, kind, wanted, report)
        if note is None:
            continue
        frames = read_set(corpus, folder, note, report)
        if kind == "text":
            corpus = replace(corpus, text_frames=frames, text_frontend=note.frontend)
        else:
            corpus = replace(_silenced(corpus, note.silent), audio=frames, frontend=note.frontend)
    return corpus


def read_set(corpus: Corpus, folder: Path, note: SetNote, report: Report = refuse) -> Frames:
    """Read the frames of a set of a corpus.

    Args:
        corpus: the corpus.
        folder: folder of its ``corpus.json``.
        note: the set, from :func:`find_set`.
        report: called with every error in its file.

    Raises:
        DataError: raised by ``report``.
    """
    path = folder / FEATURES / f"{note.name}.safetensors"
    frames = read_frames(path, corpus.utterances, report)
    with reporting(report):
        if artifacts.sha256(path) != note.sha256:
            hint = "it is damaged: delete it and its JSON file; `sertool prepare` makes the set again"
            raise DataError(f"{path}: not the file that its JSON file was written with", hint=hint)
    return frames


def wanted_sections(recipe: Recipe) -> dict[Kind, AudioSection | TextEncoder]:
    """Return a recipe's sections of the frames that it asks for, by kind; words are none."""
    wanted: dict[Kind, AudioSection | TextEncoder] = {}
    if "audio" in recipe.dataset.modalities:
        wanted["audio"] = recipe.frontend
    if "text" in recipe.dataset.modalities and isinstance(recipe.text_frontend, TextEncoder):
        wanted["text"] = recipe.text_frontend
    return wanted


def _wanted(recipe: Recipe) -> dict[Kind, Mapping[str, Any]]:
    """Return the notes of the frontends that a recipe asks for, by kind; no encoder's model is looked for."""
    return {
        kind: open_frontend(section).note if isinstance(section, Frontend) else note_of(section)
        for kind, section in wanted_sections(recipe).items()
    }


def _silenced(corpus: Corpus, silent: Sequence[int]) -> Corpus:
    """Mark the utterances whose recording holds no sound."""
    utterances = list(corpus.utterances)
    for row in silent:
        if row < len(utterances):
            utterances[row] = replace(utterances[row], silent=True)
    return replace(corpus, utterances=tuple(utterances))


def missing_frames(recipe: Recipe, corpus: Corpus, folder: Path) -> list[Missing]:
    """List what a recipe's frontends ask for and a corpus lacks, after :func:`with_sets`.

    Frames of unknown origin, such as those of pickles, count as those of any log-mel frontend.

    Args:
        recipe: names reader, modalities and frontends.
        corpus: the corpus.
        folder: folder of the corpus, for the commands in hints.
    """
    found = []
    for kind, wanted in _wanted(recipe).items():
        if kind == "audio" and corpus.texts_alone and recipe.dataset.reader == "corpus":
            hint = "--set 'dataset.modalities=[text]' trains on its texts alone"
            text = "holds texts without recordings, and the recipe asks for audio"
            found.append(Missing(kind, text, (), hint))
            continue
        if kind == "text" and not has_texts(corpus):
            hint = "--set 'dataset.modalities=[audio]' trains on its recordings alone"
            found.append(Missing(kind, "holds no texts, and the recipe asks for them", (), hint))
            continue
        made = corpus.frontend if kind == "audio" else corpus.text_frontend
        encoder = recipe.frontend if kind == "audio" else recipe.text_frontend
        if isinstance(encoder, SpeechEncoder | OpenSmile | TextEncoder):
            if made is None or frontend_differences(made, wanted):
                one = encoder.title if isinstance(encoder, OpenSmile) else _named(encoder)
                text = f"has no {kind} frames of {one}"
                found.append(Missing(kind, text, (), f"`{prepare_command(recipe, folder)}` adds them"))
        elif recipe.dataset.reader == "corpus" and (differing := frontend_differences(made or wanted, wanted)):
            details = tuple(f"{key} {own} (recipe: {value})" for key, (own, value) in differing.items())
            text = f"was prepared with another frontend: {', '.join(details)}"
            if made and ("model" in made or "opensmile" in made):
                maker = f"the encoder {made['model']}" if "model" in made else f"openSMILE, {made['opensmile']}"
                text, details = f"has frames of {maker}, and the recipe asks for others", ()
            hint = f"`{prepare_command(recipe, folder)}` adds its frames"
            if made and set(differing) <= set(made):
                own = " ".join(f"--set frontend.{key}={value}" for key, (value, _) in differing.items())
                hint += f", if the corpus's recordings are there; or use its own settings: {own}"
            found.append(Missing(kind, text, details, hint))
    return found


def _named(encoder: SpeechEncoder | TextEncoder) -> str:
    return f"the encoder {encoder.model}, layer {encoder.layer}"


def frontend_differences(made: Mapping[str, Any], wanted: Mapping[str, Any]) -> dict[str, tuple[str, str]]:
    """Find the settings in which a corpus's frontend differs from the wanted one, as (made, wanted) by name."""
    differing = [(key, made.get(key), value) for key, value in wanted.items() if made.get(key) != value]
    return {key: (cut(str(own), _SHOWN), str(value)) for key, own, value in differing}


def prepare_command(recipe: Recipe, folder: Path) -> str:
    """Return the command that adds to a prepared corpus the feature sets that a recipe asks for."""
    name = recipe.name if recipe.name in recipes.names() else "custom"
    base = recipes.load(name, users_path=str(folder))
    settings = []
    for key in _PREPARED:
        ours, theirs = (_value(one, key) for one in (recipe, base))
        if ours != theirs:
            settings += ["--set", f"{key}={ours if isinstance(ours, str) else json.dumps(ours)}"]
    return command_line("prepare", folder, "--recipe", name, *settings)


def _value(recipe: Recipe, key: str) -> Any:
    """Return a recipe's value as ``--set`` takes it; of a section the keys that are not the defaults."""
    value: Any = recipe
    for part in key.split("."):
        value = getattr(value, part)
    return value.model_dump(mode="json", exclude_defaults=True) if isinstance(value, Section) else value

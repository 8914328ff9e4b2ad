"""The utterances that a run was trained or selected on, as far as they are still there."""

from dataclasses import dataclass
from pathlib import Path

from sertool.core.corpora.corpus import Corpus
from sertool.core.corpora.fingerprints import content_hashes, unpack
from sertool.core.corpora.load import corpus_folder, load_for, own_folder
from sertool.core.errors import DataError, SertoolError
from sertool.core.files.typed_json import read_typed
from sertool.core.formatting import plural
from sertool.core.recipe.load import load
from sertool.core.runs.contents import CORPUS, StartContent, read_note

START = "state/start.json"  # see runs/transfer_weights.py, which imports torch


@dataclass(frozen=True)
class TrainedOn:
    """Utterances that a run was trained or selected on.

    Attributes:
        name: name of the run.
        seen: content hash of each of the utterances.
        corpus: those of them that the run's corpus still holds; None without any.
        folder: folder of that corpus's ``corpus.json``.
        note: sentence on what is not there any more; empty where all is.
    """

    name: str
    seen: frozenset[bytes]
    corpus: Corpus | None = None
    folder: Path | None = None
    note: str = ""


def holds_run(folder: Path) -> bool:
    """Check whether a folder is that of a run."""
    return (folder / "recipe.yaml").is_file() and (folder / CORPUS).is_file()


def trained_on(run: Path, data: Path) -> TrainedOn:
    """Find the utterances that a run was trained or selected on, in any fold.

    Args:
        run: folder of the run.
        data: folder that holds the corpora.

    Raises:
        DataError: a file of the run is missing or damaged, or it does not say which utterances it has seen.
    """
    note = read_note(run)
    if note.seen is None:
        raise DataError(
            f"{run / CORPUS}: does not say which utterances its members have seen",
            hint="it was trained elsewhere or by an older sertool: compare with its corpus instead: --against data/SET",
        )
    seen = frozenset[bytes]().union(*(unpack(text) for text in note.seen)) | _earlier(run)
    recipe = load(str(run / "recipe.yaml"))
    try:
        folder = corpus_folder(recipe.dataset.path, data)
        corpus = load_for(recipe, folder)
    except SertoolError as error:
        return TrainedOn(run.name, seen, note=f"{note.name}, which it was trained on, cannot be read: {error}")
    rows = [row for row, key in enumerate(content_hashes(corpus)) if key in seen]
    if not rows:
        return TrainedOn(run.name, seen, note=f"{folder} holds none of the utterances that it was trained on")
    gone = len(seen) - len(set(content_hashes(corpus)) & seen)
    text = f"{plural(gone, 'utterance')} that it was trained on {'is' if gone == 1 else 'are'} not in {folder} any more"
    return TrainedOn(run.name, seen, corpus.select(rows), own_folder(folder), text if gone else "")


def _earlier(run: Path) -> frozenset[bytes]:
    """Return the hashes of what the run that it started from has seen."""
    path = run / START
    return unpack(read_typed(path, StartContent).seen) if path.is_file() else frozenset()

"""Several corpora become one on the disk: ``sertool prepare --join``."""

import shutil
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from sertool.core.corpora.corpus import Frames
from sertool.core.corpora.corpus_files import is_corpus, read_corpus, write_corpus
from sertool.core.corpora.feature_sets import FEATURES, SetNote, find_set, notes_in, read_set, write_set
from sertool.core.corpora.label_maps import ClassMap
from sertool.core.corpora.load import PACKAGED, corpus_folder
from sertool.core.corpora.reading_errors import refuse
from sertool.core.corpora.recordings import RECORDINGS, read_recordings, write_recordings
from sertool.core.corpora.sound_codes import read_sounds, write_sounds
from sertool.core.errors import DataError, UsageError
from sertool.core.features.audio import Segment
from sertool.core.features.sound_fingerprint import Codes
from sertool.core.prepare.joined import Joined, Part, join_frames, join_parts


def join_corpora(
    folders: Sequence[Path],
    output: Path,
    *,
    label_map: ClassMap | None = None,
    task: str = "emotion",
    staging: Path | None = None,
    replace_old: bool = True,
) -> Joined:
    """Join corpora and write the result, with the feature sets that all of them have.

    Args:
        folders: folders of the corpora.
        output: folder of the new corpus, whose last part is its name.
        label_map: brings the classes of a task under common ones.
        task: the task.
        staging: folder on the same disk for the files until all are written. Default: a temporary one.
        replace_old: replace another corpus in ``output``.

    Raises:
        UsageError: the corpora do not go together, or ``output`` lies in one of them or holds another corpus that may
            not be replaced.
        DataError: one cannot be read.
        SertoolError: a file cannot be written.
    """
    for folder in folders:
        if folder.resolve() in (output.resolve(), *output.resolve().parents):
            raise UsageError(f"{output}: lies in {folder}, which is read", hint="give the joined corpus another folder")
    joined = join_parts(read_parts(folders, label_map, task), output.resolve().name, label_map)
    write_corpus(joined.corpus, output, staging=staging, replace=replace_old)
    shutil.rmtree(output / FEATURES, ignore_errors=True)  # of a corpus that was replaced
    _join_sounds(joined, output)
    place = output if staging is None else staging.parent
    warnings = [*_join_sets(joined, output), *_join_recordings(joined, output, place)]
    return replace(joined, warnings=(*joined.warnings, *warnings))


def _join_sets(joined: Joined, output: Path) -> Iterator[str]:
    """Write the feature sets that all corpora have, and tell which are of some alone."""
    used = set[tuple[Path, str]]()
    for note in notes_in(joined.parts[0].folder):
        sets = [one for part in joined.parts if (one := _set_in(part, note)) is not None]
        if len(sets) < len(joined.parts):
            continue
        silent, before = list[int](), 0
        for part, (own, _) in zip(joined.parts, sets, strict=True):
            used.add((part.folder, own.name))
            silent += [before + row for row in own.silent]
            before += len(part.corpus.utterances)
        write_set(joined.corpus, output, note.kind, note.frontend, join_frames([one for _, one in sets]), silent)
    for part in joined.parts:
        for note in notes_in(part.folder):
            if (part.folder, note.name) not in used:
                yield f"the feature set {note.name} of {part.corpus.name} is left out, as not all corpora have it"


def _join_sounds(joined: Joined, output: Path) -> None:
    """Write the fingerprints of the sounds of all corpora, as far as they have any."""
    each = list[Codes | None]()
    for part in joined.parts:
        own = read_sounds(part.folder, part.corpus.utterances)
        each += [None] * len(part.corpus.utterances) if own is None else [own[row] for row in range(len(own))]
    write_sounds(output, joined.corpus.utterances, each)


def _set_in(part: Part, wanted: SetNote) -> tuple[SetNote, Frames] | None:
    """Return a corpus's own feature set of the wanted settings and facts; None if it has none."""
    note = find_set(part.corpus, part.folder, wanted.kind, wanted.frontend, refuse)
    if note is None or note.frontend != wanted.frontend:
        return None
    return note, read_set(part.corpus, part.folder, note, refuse)


def _join_recordings(joined: Joined, output: Path, place: Path) -> Iterator[str]:
    """Note where the recordings of all corpora lie; tell if one does not say it."""
    segments = list[Segment]()
    (output / RECORDINGS).unlink(missing_ok=True)
    if joined.corpus.texts_alone:
        return
    for part in joined.parts:
        try:
            own = read_recordings(part.folder)
        except DataError:
            own = []
        if len(own) != len(part.corpus.utterances):
            yield (
                f"{part.folder} does not say where all its recordings lie, so that frames of further frontends cannot "
                "be added to the joined corpus"
            )
            return
        segments += own
    with tempfile.TemporaryDirectory(prefix=".new.", dir=place) as staging:
        write_recordings(output, segments, Path(staging))


def read_parts(folders: Sequence[Path], label_map: ClassMap | None = None, task: str = "emotion") -> list[Part]:
    """Read the corpora that are to be joined, through a label map if there is one.

    Args:
        folders: their folders; ``packaged:NAME`` is a corpus that comes with sertool.
        label_map: brings the classes of a task under common ones.
        task: the task.

    Raises:
        UsageError: there are fewer than two, one is given twice, or the map does not fit one of them.
        DataError: one cannot be read.
    """
    if len(folders) < 2:
        got = str(folders[0]) if folders else "none"
        raise UsageError(f"--join: needs at least two corpora, and got {got}", hint="give the folders of all of them")
    found: dict[Path, Path] = {}
    parts = []
    for given in folders:
        folder = corpus_folder(str(given), Path()) if str(given).startswith(PACKAGED) else given
        if folder.resolve() in found:
            raise UsageError(f"--join: {given} is given twice", hint="each corpus is joined once")
        found[folder.resolve()] = folder
        if not is_corpus(folder):
            raise DataError(
                f"{folder}: no corpus there (it lacks corpus.json)",
                hint="`sertool prepare` makes one; of a published corpus from its owner's copy (docs/corpora.md)",
            )
        corpus, note = read_corpus(folder), None
        if label_map is not None:
            corpus, note = label_map.map_labels(corpus, task)
        parts.append(Part(folder, corpus, note))
    return parts

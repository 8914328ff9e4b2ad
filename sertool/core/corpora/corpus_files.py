"""Read and write a corpus on the disk.

Files in its folder::

    corpus.json          format version, name, tasks, feature widths, frontend, left-out utterances and why
    utterances.jsonl     one utterance per line: id, split, text, words, labels, speaker, session, dialogue, ...
    audio.safetensors    "frames" (sum of lengths, D) and "offsets" (N + 1,); see Frames
    text.safetensors     the same for text given as frames (encoder states) instead of words; usually absent
    vocabulary.json      a vocabulary that came with the corpus, with vectors.safetensors; usually absent
    numbering.json       word -> index over all sentences of the source's training split; usually absent

``prepare`` puts recordings.json and sounds.safetensors beside them (:mod:`.recordings`, :mod:`.sound_codes`).
"""

import json
import shutil
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sertool.core.corpora.corpus import CachedVocabulary, Corpus, Frames, Utterance
from sertool.core.corpora.corpus_content import FORMAT, Header, Line, Words
from sertool.core.corpora.corpus_hashes import verifying
from sertool.core.corpora.reading_errors import Report, UtteranceError, refuse, reporting
from sertool.core.corpora.splitting import check_splitting
from sertool.core.errors import DataError, SertoolError, UsageError
from sertool.core.files import artifacts
from sertool.core.files.artifacts import read_text, writing
from sertool.core.files.typed_json import parse_typed, read_typed
from sertool.core.formatting import names_of

_LARGEST = 1 << 30  # bytes of utterances.jsonl; the largest published sets have some MB


def is_corpus(folder: Path) -> bool:
    """Check whether a folder holds a corpus in this format; reading it judges whether its file is a file."""
    return (folder / "corpus.json").exists()


def already_there(folder: Path) -> UsageError:
    """Make the error for a folder whose corpus may not be replaced."""
    return UsageError(f"{folder}: already holds a corpus", hint="add --force to replace it")


def write_corpus(
    corpus: Corpus,
    folder: Path,
    *,
    staging: Path | None = None,
    replace: bool = True,
    beside: Callable[[Path], Sequence[str]] = lambda stage: (),
) -> None:
    """Write a corpus: all its files beside the old ones first, then each is moved to its place.

    So an error, such as a full disk, leaves an old corpus as it was. ``corpus.json`` comes last and holds the hashes
    of the others: an interrupted move leaves no corpus.

    Args:
        corpus: the corpus.
        folder: its folder.
        staging: folder on the same disk for the files until all are written. Default: a temporary one in ``folder``.
        replace: replace an old corpus even if its ``corpus.json`` is another.
        beside: writes further files into the folder that it is given, which holds the corpus's own, and returns their
            names; ``corpus.json`` does not vouch for them.

    Raises:
        UsageError: there is another corpus, and ``replace`` is false.
        SertoolError: a file cannot be written.
    """
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
        if staging is not None and staging.exists():
            shutil.rmtree(staging)  # an interrupted command left it
        stage = staging or Path(tempfile.mkdtemp(prefix=".new.", dir=folder))
    try:
        files = [*_write_files(corpus, stage), *beside(stage)]
        header = folder / "corpus.json"
        if not replace and is_corpus(folder) and read_text(header) != read_text(stage / "corpus.json"):
            raise already_there(folder)
        if blocked := [str(folder / name) for name in (*files, header.name) if (folder / name).is_dir()]:
            raise SertoolError(f"{', '.join(blocked)}: a folder in the place of a file", hint="rename or remove it")
        with writing(folder):
            header.unlink(missing_ok=True)  # first, so that no old one vouches for new files
            for name in (*files, header.name):
                (stage / name).replace(folder / name)
    finally:
        shutil.rmtree(stage, ignore_errors=True)


def _write_files(corpus: Corpus, folder: Path) -> list[str]:
    """Write all files of a corpus; return their names, without that of ``corpus.json``, which holds their hashes."""
    artifacts.write_json_lines(
        folder / "utterances.jsonl",
        [{key: value for key, value in asdict(u).items() if value is not None} for u in corpus.utterances],
    )
    for name, frames in (("audio", corpus.audio), ("text", corpus.text_frames)):
        if frames is not None:
            artifacts.write_arrays(folder / f"{name}.safetensors", {"frames": frames.flat, "offsets": frames.offsets})
    if corpus.vocabulary is not None:
        artifacts.write_json(folder / "vocabulary.json", dict(corpus.vocabulary.index))
        artifacts.write_arrays(folder / "vectors.safetensors", {"vectors": corpus.vocabulary.vectors})
    if corpus.numbering is not None:
        artifacts.write_json(folder / "numbering.json", dict(corpus.numbering))
    files = sorted(path.name for path in folder.iterdir())
    artifacts.write_json(
        folder / "corpus.json",
        {
            "format": FORMAT,
            "name": corpus.name,
            "utterances": len(corpus.utterances),
            "classes": {task: list(names) for task, names in corpus.classes.items()},
            "audio_width": corpus.audio.width,
            "text_frames": corpus.text_frames is not None,
            "vocabulary": corpus.vocabulary is not None,
            "numbering": corpus.numbering is not None,
            "frontend": dict(corpus.frontend) if corpus.frontend is not None else None,
            "source": corpus.source,
            "synthetic": corpus.synthetic,
            # Left out where they are None, as in corpora of earlier versions.
            **({"word_splitting": corpus.word_splitting} if corpus.word_splitting is not None else {}),
            **({"choices": dict(corpus.choices)} if corpus.choices is not None else {}),
            **({"layout": corpus.layout} if corpus.layout is not None else {}),
            **({"ranges": {task: list(ends) for task, ends in corpus.ranges.items()}} if corpus.ranges else {}),
            "left_out": [asdict(item) for item in corpus.left_out],
            "sha256": {name: artifacts.sha256(folder / name) for name in files},
        },
    )
    return files


def read_corpus(folder: Path, report: Report = refuse) -> Corpus:
    """Read a corpus that :func:`write_corpus` wrote.

    Args:
        folder: folder of the corpus.
        report: called with every error in the data; by default it raises the first. If it returns, a line that is
            not an utterance is left out, NaN frames stay, and a file that cannot be read counts as empty.

    Raises:
        DataError: ``corpus.json`` or ``utterances.jsonl`` is missing or damaged, or ``report`` raises; the message
            names the file, and the utterance if it is about one.
    """
    header_path = folder / "corpus.json"
    header = read_typed(header_path, Header)
    with verifying(folder, header, report):
        path = folder / "utterances.jsonl"
        lines = _read_utterances(path, report)
        if len(lines) != header.utterances:  # a line was lost or added by hand
            report(DataError(f"{path}: {len(lines)} utterances, corpus.json says {header.utterances}"))
        vocabulary = numbering = text_frames = None
        if header.vocabulary:
            with reporting(report):
                vocabulary = _read_vocabulary(folder)
        audio = read_frames(folder / "audio.safetensors", lines, report, header.audio_width)
        if header.text_frames:
            text_frames = read_frames(folder / "text.safetensors", lines, report)
        if header.numbering:
            with reporting(report):
                numbering = _read_numbering(folder / "numbering.json")
    return Corpus(
        name=header.name,
        utterances=tuple(utterance for utterance in lines if utterance is not None),
        audio=audio,
        classes=header.classes,
        left_out=header.left_out_utterances(),
        text_frames=text_frames,
        vocabulary=vocabulary,
        numbering=numbering,
        frontend=header.frontend,
        source=header.source,
        synthetic=header.synthetic,
        word_splitting=check_splitting(header.word_splitting, header_path),
        choices=header.choices,
        layout=header.layout,
        ranges=header.ranges,
    )


def _read_utterances(path: Path, report: Report) -> list[Utterance | None]:
    """Read the utterance of each line; None takes the place of a reported one."""
    utterances: list[Utterance | None] = []
    seen: set[tuple[str, str]] = set()
    # splitlines() would also split at characters that JSON allows inside a text.
    for number, line in enumerate(artifacts.read_bytes(path, _LARGEST).split(b"\n"), start=1):
        if not line.strip():
            continue
        try:
            utterance = _parse(line, f"{path}: line {number}").utterance()
            if (utterance.split, utterance.id) in seen:
                raise DataError(
                    f"{path}: line {number}: utterance {utterance.id!r} is there twice in split {utterance.split}"
                )
            seen.add((utterance.split, utterance.id))
            utterances.append(utterance)
        except DataError as error:
            report(error)
            utterances.append(None)
    return utterances


def _parse(line: bytes, origin: str) -> Line:
    try:
        return Line.model_validate_json(line)
    except (ValueError, RecursionError, OverflowError):
        return parse_typed(line, Line, origin)  # slower, and says what is wrong


def read_frames(path: Path, lines: Sequence[Utterance | None], report: Report, width: int | None = None) -> Frames:
    """Read the frames of the lines that hold an utterance; they are empty if the file was reported.

    Args:
        path: file with the arrays "frames" and "offsets".
        lines: utterances; None for a line that was reported.
        report: called with every error.
        width: that of a frame, where ``corpus.json`` states it.

    Raises:
        DataError: raised by ``report``.
    """
    kept = [index for index, utterance in enumerate(lines) if utterance is not None]
    frames = Frames(np.zeros((0, 1), np.float32), np.zeros(len(kept) + 1, np.int64))
    with reporting(report):
        stored = _check_frames(path, len(lines))
        if width not in (None, stored.width):
            raise DataError(f"{path}: frames of {stored.width} values, corpus.json says {width}")
        frames = stored if len(kept) == len(lines) else stored.take(kept)
    finite = np.isfinite(frames.flat)
    # All at once first, which takes half the time; searched from the right, since an utterance may have no frames.
    bad = np.zeros(0, np.int64) if finite.all() else np.flatnonzero(~finite.all(axis=1))
    for owner in np.unique(np.searchsorted(frames.offsets, bad, side="right") - 1):
        utterance = lines[kept[owner]]
        assert utterance is not None
        report(
            UtteranceError(
                f"{path}: utterance {utterance.id!r} holds NaN or infinite values",
                kind="non-finite",
                split=utterance.split,
                id=utterance.id,
            )
        )
    return frames


def _check_frames(path: Path, number: int) -> Frames:
    """Read the frames of ``number`` utterances and check their types and offsets."""
    flat, offsets = _read_named(path, "frames", "offsets")
    if flat.ndim != 2 or flat.dtype not in (np.float16, np.float32):
        raise DataError(f"{path}: frames are {flat.dtype} of rank {flat.ndim}, expected float16 or float32 of rank 2")
    if offsets.shape != (number + 1,) or offsets.dtype != np.int64:
        raise DataError(f"{path}: {offsets.size} offsets, expected {number + 1}")
    # Offsets that do not rise from 0 to the end would give utterances foreign frames.
    if offsets[0] != 0 or offsets[-1] != len(flat) or (np.diff(offsets) < 0).any():
        raise DataError(f"{path}: offsets do not divide the {len(flat)} frames")
    return Frames(flat, offsets)


def _read_named(path: Path, *names: str) -> list[NDArray[Any]]:
    arrays, _ = artifacts.read_arrays(path)
    if set(arrays) != set(names):
        raise DataError(f"{path}: holds {names_of(sorted(arrays))}, expected {' and '.join(names)}")
    return [arrays[name] for name in names]


def _read_vocabulary(folder: Path) -> CachedVocabulary:
    index = read_typed(folder / "vocabulary.json", Words).root
    (vectors,) = _read_named(folder / "vectors.safetensors", "vectors")
    check_vocabulary(index, vectors, folder / "vocabulary.json")
    return CachedVocabulary(index, vectors)


def _read_numbering(path: Path) -> dict[str, int]:
    index = read_typed(path, Words).root
    if not index or not all(0 < row <= len(index) for row in index.values()):
        raise DataError(f"{path}: not a table of words with indices from 1")
    return index


def check_vocabulary(index: Any, vectors: NDArray[Any], path: Path) -> None:
    """Refuse a vocabulary whose indices do not fit its vectors.

    Raises:
        DataError: the indices do not fit; the message names the file and the word.
    """
    if not isinstance(index, dict) or not index:
        raise DataError(f"{path}: not a table of words")
    if vectors.ndim != 2 or not np.issubdtype(vectors.dtype, np.floating) or not np.isfinite(vectors).all():
        raise DataError(f"{path}: its word vectors are not a finite table of rank 2")
    for word, position in index.items():
        if not isinstance(word, str) or isinstance(position, bool) or not isinstance(position, int):
            raise DataError(f"{path}: {json.dumps(word, default=str)} has index {position!r}, expected a number")
        if not 0 < position < len(vectors):
            raise DataError(f"{path}: {word!r} has index {position}, but there are {len(vectors)} vectors")

"""Feature sets that a recipe asks for are added to a prepared corpus, without touching the rest of it."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sertool.core.corpora.corpus import Corpus, Frames
from sertool.core.corpora.feature_sets import (
    Kind,
    find_set,
    frontend_differences,
    has_texts,
    text_of,
    wanted_sections,
    write_set,
)
from sertool.core.corpora.reading_errors import refuse
from sertool.core.corpora.recordings import read_recordings
from sertool.core.corpora.sound_codes import SOUNDS, write_sounds
from sertool.core.errors import DataError
from sertool.core.features.frontend import Extract, FrameMaker, is_silent, open_frontend, open_text_frontend
from sertool.core.features.unknown_texts import unknown_warnings
from sertool.core.formatting import first_lines
from sertool.core.prepare.extraction import Extraction
from sertool.core.recipe.frontends import Frontend, TextEncoder
from sertool.core.recipe.schema import Recipe

_CLOSE = 0.02  # seconds by which a recording's length may differ from the corpus's, at another sampling rate


@dataclass(frozen=True)
class AddedSet:
    """A feature set of a corpus.

    Attributes:
        name: its name; empty for the frames that the corpus was prepared with.
        kind: ``audio`` or ``text``.
        frontend: settings that made it, for an encoder with the facts of its model.
        frames: number of frames.
        width: values of a frame.
        added: False if the corpus had it.
        warnings: warnings about texts and frontend.
    """

    name: str
    kind: Kind
    frontend: Mapping[str, Any]
    frames: int = 0
    width: int = 0
    added: bool = False
    warnings: tuple[str, ...] = ()


def add_sets(recipe: Recipe, corpus: Corpus, folder: Path, extraction: Extraction) -> list[AddedSet]:
    """Add the frames that a recipe asks for and a corpus lacks, or has of other weights.

    Args:
        recipe: names modalities and frontends.
        corpus: the corpus, as it was prepared.
        folder: folder of its ``corpus.json``.
        extraction: how frames are computed.

    Raises:
        DataError: the corpus does not say where its recordings lie, they cannot be used or are others by now, or a
            model cannot be used.
        SertoolError: a file cannot be written.
    """
    results = []
    for kind, section in wanted_sections(recipe).items():
        if isinstance(section, Frontend) and corpus.frontend is None:
            continue  # frames of unknown origin count as log-mels
        if corpus.texts_alone if kind == "audio" else not has_texts(corpus):
            continue  # there is nothing to compute frames of
        maker = open_text_frontend(section) if isinstance(section, TextEncoder) else open_frontend(section)
        made, described = corpus.frontend if kind == "audio" else corpus.text_frontend, maker.described()
        if made is not None and not frontend_differences(made, described):
            results.append(AddedSet("", kind, described))
            continue
        known = find_set(corpus, folder, kind, described, refuse)
        if known is not None:
            results.append(AddedSet(known.name, kind, described))
            continue
        silent: list[int] = []
        if isinstance(maker, FrameMaker):
            found = _audio(corpus, folder, maker, extraction)
            if not (folder / SOUNDS).exists():  # in corpora of earlier versions
                write_sounds(folder, corpus.utterances, [one.codes for one in found])
            frames = Frames.join([one.frames for one in found], maker.width)
            silent = [row for row, one in enumerate(found) if one.silent or is_silent(one.frames, maker)]
            warnings = maker.warnings()
        else:
            texts = [text_of(utterance) for utterance in corpus.utterances]
            frames = Frames.join(extraction.text_frames(texts, maker), maker.width)
            names = [utterance.id for utterance in corpus.utterances]
            warnings = unknown_warnings(maker, names, texts)
        name = write_set(corpus, folder, kind, described, frames, silent)
        results.append(AddedSet(name, kind, described, len(frames.flat), frames.width, True, tuple(warnings)))
    return results


def _audio(corpus: Corpus, folder: Path, maker: FrameMaker, extraction: Extraction) -> list[Extract]:
    """Compute the frames of each utterance's recording."""
    segments = read_recordings(folder)
    if len(segments) != len(corpus.utterances):
        raise DataError(f"{folder}: {len(corpus.utterances)} utterances, and recordings of {len(segments)}")
    found: list[Extract] = []
    bad: list[str] = []
    for utterance, segment, one in zip(corpus.utterances, segments, extraction.frames(segments, maker), strict=True):
        if isinstance(one, str):
            bad.append(f"{utterance.id}: {one}")
        elif utterance.seconds is not None and abs(one.seconds - utterance.seconds) > _CLOSE:
            lengths = f"lasts {one.seconds:.3f} s, the corpus says {utterance.seconds} s"
            bad.append(f"{utterance.id}: {segment.path}: {lengths}")
        else:
            found.append(one)
    if bad:
        count = f"{folder}: {len(bad)} of {len(segments)} recordings cannot be used, or are others than the corpus's"
        raise DataError(
            "\n  ".join([count, *first_lines(bad)]),
            hint="put the recordings back where they were, or prepare their table again with --force",
        )
    return found

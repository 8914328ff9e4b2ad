"""A table of recordings becomes a corpus: decode, transcribe, clean words, report failures."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import compress

import numpy as np

from sertool.core.corpora.corpus import SPLITS, Corpus, Frames, LeftOut, Utterance, is_generated
from sertool.core.corpora.splitting import AUTO, choose_splitting
from sertool.core.corpora.words import split_words
from sertool.core.features.audio import Segment
from sertool.core.features.frontend import Extract, FrameMaker, is_silent, open_frontend
from sertool.core.features.transcribe import Transcriber, Word, words_within
from sertool.core.formatting import first_few, first_lines, plural, row_numbers
from sertool.core.prepare.extraction import NOWHERE, Extraction, Progress
from sertool.core.prepare.labels import classes_of, stored
from sertool.core.prepare.rows import Row, Table
from sertool.core.prepare.unusable import place_of, refusal
from sertool.core.recipe.frontends import AudioSection, Frontend

LONG = 600  # seconds; a longer recording is hardly one utterance


@dataclass(frozen=True)
class Decoded:
    """The usable rows of a table with their frames, and the rows left out.

    Attributes:
        rows, extracts: usable rows and their frames, in the order of the table; a text alone has none.
        transcriber: for each usable row, the program that wrote its text, or None.
        left_out: rows left out, with the reason.
    """

    rows: tuple[Row, ...]
    extracts: tuple[Extract, ...]
    transcriber: tuple[str | None, ...]
    left_out: tuple[LeftOut, ...]


@dataclass(frozen=True)
class Preparation:
    """A corpus made from a table.

    Attributes:
        corpus: the corpus; its ``left_out`` lists utterances that could not be used.
        warnings: warnings about recordings and frontend; the table's own are not included.
        silent: ids of utterances whose recording contains no sound; they are in the corpus.
        drawn: group that splits were drawn by, see :class:`~sertool.core.prepare.rows.Table`.
    """

    corpus: Corpus
    warnings: tuple[str, ...]
    silent: tuple[str, ...]
    drawn: str


def decode(
    table: Table, frontend: AudioSection, extraction: Extraction = NOWHERE, *, skip_bad: bool = False
) -> Decoded:
    """Decode the recordings of a table; a table of texts has none.

    Args:
        table: table that names the recordings.
        frontend: settings of the frontend.
        extraction: how frames are computed, and where finished ones are kept.
        skip_bad: leave out recordings that cannot be used.

    Raises:
        DataError: a recording, or a text without one, cannot be used, or with ``skip_bad`` none can; all are named,
            with their rows.
        SertoolError: the cache cannot be written.
    """
    maker = _maker(table, frontend)
    segments = [row.segment for row in table.rows if row.segment is not None]
    found = list(extraction.frames(segments, maker) if segments else _without_frames(table.rows, maker))
    bad = [(row, one) for row, one in zip(table.rows, found, strict=True) if isinstance(one, str)]
    if bad and (not skip_bad or len(bad) == len(found)):
        raise refusal(f"{table.path}: {len(bad)} of {len(found)} {'recordings' if segments else 'texts'}", bad)
    usable = [isinstance(one, Extract) for one in found]
    rows = tuple(compress(table.rows, usable))
    return Decoded(
        rows=rows,
        extracts=tuple(one for one in found if isinstance(one, Extract)),
        transcriber=(None,) * len(rows),
        left_out=(*table.left_out, *(LeftOut(row.id, row.split, place_of(row) + reason) for row, reason in bad)),
    )


def _has_recordings(table: Table) -> bool:
    return any(row.segment for row in table.rows)


def _maker(table: Table, frontend: AudioSection) -> FrameMaker:
    """Open the frontend; texts alone need none, so that no encoder is looked for."""
    return open_frontend(frontend if _has_recordings(table) else Frontend())


def _without_frames(rows: Sequence[Row], maker: FrameMaker) -> Iterator[Extract | str]:
    """Yield the frames that came with each row, none for a text, or the reason why it cannot be used."""
    for row in rows:
        if row.frames is not None:
            yield Extract(row.frames, 0.0)
        else:
            yield Extract(np.zeros((0, maker.width), np.float32), 0.0) if row.text else "text is empty"


def _width(extracts: Sequence[Extract], maker: FrameMaker) -> int:
    """Return the width of frames, which is not the frontend's where frames came with the corpus."""
    return int(extracts[0].frames.shape[1]) if extracts else maker.width


def transcribe(decoded: Decoded, transcriber: Transcriber, progress: Progress | None = None) -> Decoded:
    """Transcribe the recordings of rows without text, and note the transcriber.

    A recording that was cut is transcribed as a whole, once, and each segment has the words whose middle it holds.

    Raises:
        SertoolError: the model failed, or its transcripts cannot be stored.
    """
    rows, marks = list(decoded.rows), list(decoded.transcriber)
    empty = [place for place, row in enumerate(rows) if not row.text]
    words: dict[Segment, list[Word]] = {}
    for done, place in enumerate(empty, start=1):
        row = rows[place]
        assert row.segment is not None  # a table without recordings cannot be transcribed
        if row.cut_from is None:
            text = transcriber.text_of(row.segment)
        else:
            if row.cut_from not in words:
                words[row.cut_from] = transcriber.words_of(row.cut_from)
            text = words_within(words[row.cut_from], row.segment)
        rows[place] = replace(row, text=text)
        marks[place] = transcriber.name
        if progress is not None:
            progress(done, len(empty))
    return replace(decoded, rows=tuple(rows), transcriber=tuple(marks))


def assemble(table: Table, decoded: Decoded, frontend: AudioSection, name: str, words: str = AUTO) -> Preparation:
    """Make the corpus of decoded rows.

    Args:
        table: table of the rows.
        decoded: usable rows and their frames.
        frontend: settings of the frontend that computed the frames; stored with the corpus, if it has recordings.
        name: name of the corpus.
        words: the recipe's ``dataset.words``, which decides how texts are split into words.
    """
    maker = _maker(table, frontend)
    classes = classes_of([row.labels for row in decoded.rows], table.classes)
    splitting = choose_splitting([row.text for row in decoded.rows], words)
    columns = zip(decoded.rows, decoded.extracts, decoded.transcriber, strict=True)
    corpus = Corpus(
        name=name,
        utterances=tuple(
            Utterance(
                id=row.id,
                split=row.split,
                text=row.text,
                words=split_words(row.text, splitting),
                labels=stored(row.labels, classes),
                seconds=round(extract.seconds, 3) if row.segment else None,  # the length before trimming
                transcriber=transcriber,
                silent=extract.silent or None,
                ratings=row.ratings,
                fold=row.fold,
                order=row.order,
                start=row.start,
                end=row.end,
                **row.groups,
            )
            for row, extract, transcriber in columns
        ),
        audio=Frames.join([extract.frames for extract in decoded.extracts], _width(decoded.extracts, maker)),
        classes=classes,
        left_out=decoded.left_out,
        frontend=maker.described() if _has_recordings(table) else None,
        source=table.path.resolve().name,
        word_splitting=splitting,
        choices=table.choices or None,
        layout=table.layout or None,
        ranges=table.ranges,
        synthetic=is_generated(table.path if table.path.is_dir() else table.path.parent),
    )
    silent = [
        row
        for row, extract in zip(decoded.rows, decoded.extracts, strict=True)
        if row.segment and (extract.silent or is_silent(extract.frames, maker))
    ]
    return Preparation(
        corpus,
        tuple(_warnings(table, corpus, decoded, silent, maker)),
        tuple(row.id for row in silent),
        table.drawn,
    )


def _warnings(table: Table, corpus: Corpus, decoded: Decoded, silent: Sequence[Row], maker: FrameMaker) -> list[str]:
    warnings = []
    if corpus.left_out:
        total = len(table.rows) + len(table.left_out)
        count = f"left out {len(corpus.left_out):,} of {total:,} utterances"
        warnings.append("\n  ".join([count, *first_lines(_reasons(corpus.left_out))]))
    for split in SPLITS:
        if split not in corpus.counts() and any(row.split == split for row in table.rows):
            warnings.append(f"no utterance of {split} could be used")
    remarks = [f"{row.id}: {one.remark}" for row, one in zip(decoded.rows, decoded.extracts, strict=True) if one.remark]
    if remarks:
        count = f"{plural(len(remarks), 'recording')} whose file has a fault, read as far as it goes"
        warnings.append("\n  ".join([count, *first_lines(remarks)]))
    if silent:
        warnings.append(f"{plural(len(silent), 'silent recording')} kept ({_listed(silent)})")
    long = [row for row, one in zip(decoded.rows, decoded.extracts, strict=True) if one.seconds > LONG]
    if long:
        warnings.append(
            f"{plural(len(long), 'recording')} of more than {LONG // 60} minutes ({_listed(long)}): "
            "a row should be one utterance; cut it out with the columns start and end"
        )
    return warnings + maker.warnings()


def _reasons(left_out: Sequence[LeftOut]) -> list[str]:
    """Return a line for each reason: with its utterance, or where several share it, with their count."""
    ids: dict[str, list[str]] = defaultdict(list)
    for item in left_out:
        ids[item.reason].append(f"{item.id} ({item.split})")
    return [
        f"{own[0]}: {reason}" if len(own) == 1 else f"{reason}: {len(own):,}, such as {first_few(own)}"
        for reason, own in ids.items()
    ]


def _listed(rows: Sequence[Row]) -> str:
    """List rows by number and id, such as ``rows 3, 9: u3, u9``."""
    places = [row.number for row in rows]
    return ("" if None in places else f"{row_numbers(places)}: ") + first_few(row.id for row in rows)

"""A folder of recordings as a table: its subfolders name classes, splits or speakers, and a file the utterance."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from sertool.core.corpora.corpus import KNOWN_OF_SPEECH
from sertool.core.corpora.names import normal, visible
from sertool.core.errors import DataError, UsageError
from sertool.core.features.audio import Segment
from sertool.core.files import artifacts
from sertool.core.formatting import first_few, printable, problem_list
from sertool.core.prepare.audio_paths import file_ids, is_audio_name
from sertool.core.prepare.cells import plain_cells
from sertool.core.prepare.choices import AS_IT_STANDS, Choices
from sertool.core.prepare.draw_splits import Draw
from sertool.core.prepare.emobox import Division
from sertool.core.prepare.findings import Findings
from sertool.core.prepare.label_columns import SENTIMENT
from sertool.core.prepare.labels import SCORE, TASKS, list_columns, parse_labels
from sertool.core.prepare.layout import CLASS, GENDER, SPEAKER, SPLIT, UNUSED, guess_layout, same_emotions
from sertool.core.prepare.pattern import Pattern
from sertool.core.prepare.rows import Row, Table, divided
from sertool.core.prepare.scores import ScoreColumn, own_ranges, read_scores
from sertool.core.prepare.split_names import read_splits, split_word
from sertool.core.prepare.table import is_unicode


def read_folder(
    folder: Path,
    draw: Division | None = None,
    layout: tuple[str, ...] | None = None,
    *,
    transcribe: bool = False,
    choices: Choices = AS_IT_STANDS,
) -> Table:
    """Make the table of a folder: ``folder/happy/u1.wav`` is the utterance ``u1`` of the class ``happy``.

    If two files have the same name, their ids are ``happy/u1.wav`` and ``sad/u1.wav``. Recordings are the files
    with a suffix of audio, at any depth in a class's folder, or in any folder if their names give the class.

    Args:
        folder: folder with one subfolder per class, or with subfolders of splits, speakers, ... around or inside them.
        draw: settings of the random splits.
        layout: what each level of folders is, see :mod:`~sertool.core.prepare.layout`. Default: read from the names.
        transcribe: texts are added later, so missing ones are not reported.
        choices: facts in the names of recordings, and classes renamed.

    Raises:
        UsageError: a choice does not fit the folder.
        DataError: the subfolders contain no recordings, or do not tell which of them are the classes.
    """
    files = _files(folder)
    roles = _roles(folder, files, layout, choices.pattern)
    depth = roles.index(CLASS) + 1 if CLASS in roles else 0
    taken = [path for path in files if is_audio_name(path.name) and len(path.parts) > depth]
    if not taken and not depth:
        raise DataError(f"{folder}: no recordings in this folder or its subfolders")
    if not taken:
        where = f"inside {depth} levels of folders ({'/'.join(roles)})" if layout else "in its subfolders"
        raise DataError(
            f"{folder}: no recordings {where}, which are the classes",
            hint="folder/happy/u1.wav, folder/angry/u2.wav, ... or a table of the recordings",
        )
    records, cell_notes = plain_cells([(None, _record(path, roles)) for path in taken])
    findings = Findings()
    given = ["audio", *("label" if role == CLASS else role for role in roles if role != UNUSED)]
    header, records, chosen = choices.apply(given, records, findings)
    if findings:
        option = "--pattern or --map-texts" if choices.text_map else "--pattern"
        raise DataError(problem_list(folder, findings.lines()), hint=f"rename the files, or give another {option}")
    scores, ranges = _scores(folder, records, choices)
    rows = _rows(folder, taken, [record for _, record in records], scores)
    table = divided(folder, header, rows, draw or Draw(), transcribe=transcribe, ranges=ranges)
    others = [printable(str(path)) for path in sorted(set(files) - set(taken))]
    notes = [*_layout_notes(taken, roles), *cell_notes, *chosen]
    if others:
        kind = "recording in a folder of a class" if roles else "recording"
        notes.append(f"ignored, no {kind}: {first_few(others)}")
    warnings = (*notes, *table.warnings)
    return replace(table, warnings=warnings, choices=choices.to_json(), ranges=own_ranges(ranges))


def _files(folder: Path) -> list[Path]:
    """List the files below a folder, relative to it."""
    try:
        below = sorted(path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
    except OSError as error:
        raise artifacts.read_error(folder, error) from error
    # Hidden files and folders belong to the system or to an editor, also if they are named like recordings.
    files = [path for path in below if not any(part.startswith(".") for part in path.parts)]
    wrong = next((path for path in files if is_audio_name(path.name) and not is_unicode(str(path))), None)
    if wrong is not None:
        raise DataError(f"{folder}: the file name {str(wrong)!a} is not Unicode text", hint="rename it")
    return files


def _roles(
    folder: Path, files: Sequence[Path], layout: tuple[str, ...] | None, pattern: Pattern | None
) -> tuple[str, ...]:
    """Return what each level of folders is; nothing where a pattern gives the labels, so that folders may be any."""
    if pattern is not None:
        if set(pattern.columns) & set(TASKS):
            if layout is not None:
                raise UsageError("--layout: --pattern gives the label already", hint="leave out one of them")
            return ()
        if "/" in pattern.text:
            raise UsageError(
                f"--pattern {pattern.text}: names folders, but none that holds the label",
                hint="add {label}, as in --pattern '{label}/{speaker}_{utterance}.wav'",
            )
    audio = [path.parts[:-1] for path in files if is_audio_name(path.name) and len(path.parts) > 1]
    return layout or (guess_layout(folder, audio) if audio else (CLASS,))


def _record(path: Path, roles: Sequence[str]) -> dict[str, str]:
    """Return the cells that a file's folders give, and its path."""
    levels = {role: name for role, name in zip(roles, path.parts[:-1], strict=False) if role != UNUSED}
    label = {"label": levels.pop(CLASS)} if CLASS in levels else {}
    return {"audio": path.as_posix(), **label, **levels}


def _scores(
    folder: Path, records: Sequence[tuple[None, Mapping[str, str]]], choices: Choices
) -> tuple[list[float | None], dict[str, tuple[float, float]]]:
    """Return the score in the name of each recording, and the range of scores where the user states it.

    Raises:
        DataError: a name holds no score.
    """
    findings = Findings()
    column = ScoreColumn(SCORE, SENTIMENT, choices.scale_of(SENTIMENT))
    found = read_scores([column], records, findings)[SCORE]
    if findings:
        raise DataError(problem_list(folder, findings.lines()), hint="--range 1:5 is for scores from 1 to 5")
    stated = choices.ranges.of(SENTIMENT)
    ranges = {SENTIMENT: (stated.low, stated.high)} if stated else {}
    return [None if score is None else choices.stored(SENTIMENT, score) for score in found], ranges


def _rows(
    folder: Path, paths: Sequence[Path], records: Sequence[Mapping[str, str]], scores: Sequence[float | None]
) -> list[Row]:
    """Make the rows of recordings.

    Raises:
        DataError: a folder is no split or no class, or two recordings have the same id.
    """
    splits = _splits(folder, paths, records)
    speakers = _speakers(records)
    lists = list_columns(records)
    rows, first = [], dict[tuple[str, str], Path]()
    for path, record, split, speaker, own_id, score in zip(
        paths, records, splits, speakers, file_ids(paths), scores, strict=True
    ):
        labels = {**parse_labels(record, lists), **({} if score is None else {SENTIMENT: score})}
        if not labels:
            raise DataError(
                f"{folder}: {printable(str(path))}: the name of its class stands for a missing label",
                hint="rename it, or move the recording elsewhere",
            )
        id_ = record.get("utterance") or record.get("id") or own_id
        if (other := first.setdefault((split, id_), path)) != path:
            raise DataError(
                f"{folder}: {visible(str(other))} and {visible(str(path))} look alike, and give one id",
                hint="rename one of them",
            )
        groups = {name: record[name] for name in KNOWN_OF_SPEECH if record.get(name)}
        if speaker:
            groups["speaker"] = speaker
        rows.append(Row(None, id_, split, record.get("text", ""), labels, groups, Segment(folder / path)))
    return rows


def _splits(folder: Path, paths: Sequence[Path], records: Sequence[Mapping[str, str]]) -> list[str]:
    """Return the split of each recording; train without folders of splits, which are drawn from train later."""
    if not any(SPLIT in record for record in records):
        return ["train"] * len(records)
    words = [split_word(record.get(SPLIT, "")) for record in records]
    known = read_splits(words)
    for path, word in zip(paths, words, strict=True):
        if word not in known:
            why = f"{word!r} may be valid or test" if word else "its folders name no split"
            raise DataError(
                f"{folder}: {printable(str(path))}: {why}",
                hint="rename the folders of splits train, valid and test, or give --layout class if they are classes",
            )
    return [known[word] for word in words]


def _speakers(records: Sequence[Mapping[str, str]]) -> list[str]:
    """Return the speaker of each recording: ``male/1`` and ``female/1`` where both genders have a speaker ``1``."""
    pairs = [(record.get(GENDER, ""), record.get(SPEAKER, "")) for record in records]
    genders: dict[str, set[str]] = defaultdict(set)
    for gender, name in pairs:
        genders[name].add(gender)
    return [f"{gender}/{name}" if name and gender and len(genders[name]) > 1 else name for gender, name in pairs]


def _layout_notes(paths: Sequence[Path], roles: Sequence[str]) -> Iterator[str]:
    """Say what the levels of folders were read as, and which of those inside a class's are not used."""
    if not roles:
        return
    named = [
        sorted({normal(path.parts[level]) for path in paths if len(path.parts) > level + 1})
        for level in range(len(roles))
    ]
    used = []
    for names, role in zip(named, roles, strict=True):
        if role == SPLIT:
            known = read_splits(map(split_word, names))
            names = [f"{name} as {split}" if (split := known[split_word(name)]) != name else name for name in names]
        if role not in (CLASS, UNUSED):
            used.append(f"{role} {first_few(map(printable, names))}")
    if used:
        yield f"folders are read as {'/'.join(roles).rstrip(f'/{UNUSED}')}: {'; '.join(used)}"
    inside = roles.index(CLASS) + 1
    if len(alike := same_emotions(named[inside - 1])) > 1:
        shown = first_few(printable(" and ".join(names)) for names in alike)
        yield f"folders of one emotion count as different classes: {shown} (a table can name the speakers apart)"
    for names, role in zip(named[inside:], roles[inside:], strict=True):
        if role == UNUSED and len(names) > 1:
            yield (
                f"folders inside those of the classes are not used: {first_few(map(printable, names))} "
                "(if they are speakers: --layout class/speaker)"
            )

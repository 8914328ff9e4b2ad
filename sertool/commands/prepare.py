"""``sertool prepare``: turn a table or a folder of recordings into a corpus, add frames to corpora, or join them."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from sertool.commands import _options as options
from sertool.commands import _prepare_options as own_options
from sertool.commands._console import counting
from sertool.commands._dry_run import show_dry_run
from sertool.commands._feature_sets import Computing, add_frames, is_prepared
from sertool.commands._join import given_folder, join_prepared
from sertool.commands._outputs import Outputs
from sertool.commands._prepared import warn
from sertool.commands._prepared_shown import show_prepared

if TYPE_CHECKING:
    from sertool.core.features.segmentation import Cutting
    from sertool.core.features.transcribe import Transcriber
    from sertool.core.prepare.add_sets import AddedSet
    from sertool.core.prepare.assemble import Decoded, Preparation
    from sertool.core.prepare.extraction import Extraction
    from sertool.core.prepare.rows import Table
    from sertool.core.prepare.source import Source
    from sertool.core.recipe.frontends import AudioSection
    from sertool.core.recipe.schema import Recipe


def prepare(
    context: typer.Context,
    tables: own_options.Tables,
    out: own_options.Out = None,
    join: own_options.Join = False,
    recipe: own_options.Frontend = "custom",
    overrides: options.Set = None,
    audio_root: own_options.AudioRoot = None,
    layout: own_options.Layout = None,
    pattern: own_options.Pattern = None,
    map_labels: own_options.MapLabels = None,
    map_texts: own_options.MapTexts = None,
    label_map: options.LabelMap = None,
    ranges: own_options.Range = None,
    rescale: own_options.Rescale = None,
    splits: own_options.Splits = "0.7,0.15,0.15",
    seed: own_options.Seed = 1,
    transcribe: own_options.Transcribe = None,
    language: own_options.Language = None,
    workers: own_options.Workers = None,
    stream: options.Stream = None,
    segment: options.Cut = False,
    shortest: options.Shortest = None,
    longest: options.Longest = None,
    padding: options.Padding = None,
    merge: options.Merge = None,
    channel: options.Channel = None,
    skip_bad: own_options.Skip = False,
    dry_run: own_options.DryRun = False,
    device: options.Device = "auto",
    launcher: options.Launcher = "local",
    address: options.Address = None,
    json_file: options.Json = None,
    force: own_options.Force = False,
) -> None:
    """Turn a table or a folder of recordings into a corpus.

    Columns of a table: audio or text, and label (or emotion, sentiment, score), scores (arousal, valence, dominance,
    score_NAME) or what raters said (rater_1, ... or votes). Optional columns: utterance (or id), speaker, session,
    dialogue, order in it, split (train, valid, test, private), start and end in seconds, channel (1, 2, ... or left or
    right). Missing splits are drawn at random. A folder is read by the names in it, by --pattern, or as the published
    corpus that it holds; --dry-run shows how. Run the same command again to resume an interrupted one. With --segment,
    each stretch of speech in a long recording becomes an utterance, and the recording their dialogue.

    Given a prepared corpus, adds the frames that the recipe asks for and it lacks. --join makes one corpus of several.
    """
    files, opened = _open(recipe, overrides, tables, out, json_file)
    if join or len(tables) > 1:
        return join_prepared(context, tables, out, label_map, recipe, overrides or [], files)
    computing = Computing(opened, device, workers, launcher, address)
    cutting = options.cutting_of(segment, shortest, longest, padding, merge, channel)
    if is_prepared(table := tables[0], opened):
        return add_frames(context, table, recipe, overrides or [], computing, json_file)
    choices = (pattern, map_labels, rescale, map_texts, ranges)
    read = (skip_bad, transcribe is not None, stream)
    source = _source((table, audio_root, layout), (splits, seed), choices, label_map, opened, read)
    if dry_run:
        return show_dry_run(source, files)
    wanted = _Wanted(given_folder(out), recipe, overrides or [], transcribe, language, cutting, (splits, seed), force)
    _prepare(source, computing, wanted, files)


def _source(
    places: tuple[Path, Path | None, str | None],
    drawn: tuple[str, int],
    chosen: tuple[str | None, ...],
    label_map: str | None,
    recipe: "Recipe",
    read: tuple[bool, bool, int | None],
) -> "Source":
    """Return the source by the options on its place, its division, what is changed in it, and its reading."""
    from sertool.core.corpora.label_maps import load_label_map
    from sertool.core.prepare.choices import parse_choices
    from sertool.core.prepare.emobox import parse_splits
    from sertool.core.prepare.source import Source

    draw, choices = parse_splits(*drawn), parse_choices(*chosen)
    mapping = None if label_map is None else load_label_map(label_map)
    return Source(*places, draw, choices, recipe.dataset.reader, *read, mapping, recipe.dataset.task)


def _open(
    recipe: str, overrides: list[str] | None, tables: list[Path], out: Path | None, json_file: Path | None
) -> "tuple[Outputs, Recipe]":
    """Return the results of the command and the recipe."""
    from sertool.core.recipe import load as recipes

    inputs = [*recipes.sources(recipe), *(table for table in tables if table.is_file())]
    files = Outputs({"--json": json_file}, inputs, {"--out": out} if out else {})
    return files, recipes.load(recipe, overrides, users_path=str(out or tables[0]))


@dataclass(frozen=True)
class _Wanted:
    """The corpus that is asked for.

    Attributes:
        out: its folder.
        recipe, overrides: name of the recipe, and ``section.key=value`` each.
        transcribe, language: model that transcribes, and the language of the recordings.
        cutting: how recordings are cut at pauses, if they are.
        drawn: shares and seed of splits that are drawn.
        force: replace a corpus that is there.
    """

    out: Path
    recipe: str
    overrides: list[str]
    transcribe: str | None
    language: str | None
    cutting: "Cutting | None"
    drawn: tuple[str, int]
    force: bool

    @property
    def settings(self) -> tuple[object, ...]:
        """Return what must be the same where an interrupted command goes on."""
        own = (*self.drawn, self.transcribe, self.language)
        return own if self.cutting is None else (*own, self.cutting)


def _prepare(source: "Source", computing: Computing, wanted: _Wanted, files: Outputs) -> None:
    """Read the source, make the corpus, and say what it holds."""
    from sertool.core.corpora.splitting import check_installed
    from sertool.core.prepare.source import read_source
    from sertool.core.prepare.target import NEW, Command, check_target, target

    command = Command((*source.settings, *computing.settings, *wanted.settings), wanted.force)
    out, opened = wanted.out, computing.recipe
    check_installed(opened.dataset.words)
    check_target(out, command)  # first: decoding may take an hour
    checked = read_source(source)
    files.spare([*source.files, *(row.segment.path for row in checked.rows if row.segment)])
    warnings = checked.warnings
    warn(warnings)
    transcriber = _transcriber(checked, wanted)
    with computing.cluster() as cluster, target(out, command) as cache:
        checked, counts = _cut(checked, wanted.cutting, cache, source.skip_bad)
        warnings += checked.warnings if counts else ()
        extraction = computing.extraction(cache, cluster)
        staging, skip_bad = cache / NEW, source.skip_bad
        preparation, sets = _make(opened, checked, extraction, out, staging, transcriber, skip_bad, command.force)
        # Before the unfinished work is deleted, so that a command killed here is repeated with its result.
        show_prepared(preparation, out, wanted.recipe, wanted.overrides, files, warnings, sets, counts)


def _cut(table: "Table", cutting: "Cutting | None", cache: Path, skip_bad: bool) -> "tuple[Table, dict[str, Any]]":
    """Cut the recordings at pauses if that is asked for, and return the counts, too."""
    from sertool.core.prepare.segments import cut_rows

    if cutting is None:
        return table, {}
    with counting("recordings cut") as progress:
        cut = cut_rows(table, cutting, cache / "spans", skip_bad=skip_bad, progress=progress)
    warn(cut.table.warnings)
    return cut.table, {"segmentation": cut.to_json()}


def _transcriber(table: "Table", wanted: _Wanted) -> "Transcriber | None":
    """Open the transcriber, but only if it is needed, since its model may have to be downloaded."""
    from sertool.core.features.transcribe import open_transcriber
    from sertool.core.prepare.target import CACHE

    # Texts of recordings that are cut are of no use to their segments.
    if wanted.transcribe is None or (wanted.cutting is None and all(row.text for row in table.rows)):
        return None
    return open_transcriber(wanted.transcribe, wanted.language, wanted.out / CACHE / "texts")


def _decode(
    table: "Table",
    frontend: "AudioSection",
    extraction: "Extraction",
    skip_bad: bool,
    transcriber: "Transcriber | None",
) -> "Decoded":
    """Compute the frames, and missing texts if there is a transcriber, and show the progress."""
    from sertool.core.prepare import assemble as preparing

    decoded = preparing.decode(table, frontend, extraction, skip_bad=skip_bad)
    if transcriber is not None:
        with counting("transcripts") as progress:
            decoded = preparing.transcribe(decoded, transcriber, progress)
    return decoded


def _make(
    recipe: "Recipe",
    table: "Table",
    extraction: "Extraction",
    out: Path,
    staging: Path,
    transcriber: "Transcriber | None",
    skip_bad: bool,
    force: bool,
) -> "tuple[Preparation, list[AddedSet]]":
    """Make and write the corpus, where its recordings lie, and the frames of its texts."""
    import shutil

    from sertool.core.corpora.corpus_files import write_corpus
    from sertool.core.corpora.feature_sets import FEATURES
    from sertool.core.corpora.recordings import RECORDINGS, write_recordings
    from sertool.core.corpora.sound_codes import SOUNDS, write_sounds
    from sertool.core.prepare.add_sets import add_sets
    from sertool.core.prepare.assemble import assemble

    decoded = _decode(table, recipe.frontend, extraction, skip_bad, transcriber)
    preparation = assemble(table, decoded, recipe.frontend, out.resolve().name, recipe.dataset.words)
    segments = [row.segment for row in decoded.rows if row.segment is not None]

    def write_beside(stage: Path) -> list[str]:
        if segments:
            write_recordings(stage, segments, stage)
        write_sounds(stage, preparation.corpus.utterances, [one.codes for one in decoded.extracts])
        return [name for name in (RECORDINGS, SOUNDS) if (stage / name).exists()]

    write_corpus(preparation.corpus, out, staging=staging, replace=force, beside=write_beside)
    shutil.rmtree(out / FEATURES, ignore_errors=True)  # of a corpus that was replaced
    sets = [one for one in add_sets(recipe, preparation.corpus, out, extraction) if one.added]
    warn(preparation.warnings)
    return preparation, sets

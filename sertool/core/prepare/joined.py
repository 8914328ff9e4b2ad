"""Several corpora as one, in memory.

Each utterance remembers its corpus. Its id and the names of its groups begin with the name of the corpus, as in
``EMODB/03``, so that speaker 03 of one corpus is not taken for speaker 03 of another. Splits stay as they are.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np

from sertool.core.corpora.corpus import Corpus, Frames, LeftOut, Utterance
from sertool.core.corpora.fingerprints import content_hashes
from sertool.core.corpora.label_maps import ClassMap, MapNote
from sertool.core.corpora.names import likely_spellings
from sertool.core.errors import UsageError
from sertool.core.formatting import cut, first_few, names_of, plural
from sertool.core.prepare.join_tasks import join_tasks

NAMED = ("speaker", "session", "dialogue", "video")  # names that count within their corpus alone
_SHOWN = 60  # characters of a setting in a message
JOIN = "join"  # key of the choices of a joined corpus


@dataclass(frozen=True)
class Part:
    """A corpus that is joined with others.

    Attributes:
        folder: its folder.
        corpus: what it holds, with the labels of the label map if there is one.
        map_note: facts on the label map.
    """

    folder: Path
    corpus: Corpus
    map_note: MapNote | None = None


@dataclass(frozen=True)
class Joined:
    """Corpora as one.

    Attributes:
        corpus: the utterances of all, corpus by corpus in the given order.
        parts: the corpora that were given.
        warnings: what a user should know of.
    """

    corpus: Corpus
    parts: tuple[Part, ...]
    warnings: tuple[str, ...]

    def counts(self) -> dict[str, dict[str, int]]:
        """Count the utterances of each corpus by split."""
        utterances = self.corpus.utterances
        return {
            name: replace(self.corpus, utterances=tuple(one for one in utterances if one.corpus == name)).counts()
            for name in self.corpus.joined
        }


def join_parts(parts: Sequence[Part], name: str, label_map: ClassMap | None = None) -> Joined:
    """Join corpora in memory.

    Args:
        parts: the corpora; one that was joined itself counts as the corpora that it holds.
        name: name of the new corpus.
        label_map: the map that the parts were read through; its order of classes holds.

    Raises:
        UsageError: two have the same name, or frontends, scores, words or kinds of labels do not agree.
    """
    _check_names(parts)
    for own, other in combinations(parts, 2):
        _check_frames(own.corpus, other.corpus)
    corpora = [part.corpus for part in parts]
    texts = [corpus.text_frames for corpus in corpora if corpus.text_frames is not None]
    order = label_map.classes if label_map is not None else ()
    tasks = join_tasks(corpora, order)
    utterances = [tuple(_renamed(one, corpus) for one in corpus.utterances) for corpus in corpora]
    joined = Corpus(
        name=name,
        utterances=tuple(tasks.relabelled(one, of) for of, own in enumerate(utterances) for one in own),
        audio=join_frames([corpus.audio for corpus in corpora]),
        classes=tasks.classes,
        left_out=tuple(_left_out(one, corpus) for corpus in corpora for one in corpus.left_out),
        text_frames=join_frames(texts) if texts else None,
        frontend=corpora[0].frontend,
        text_frontend=corpora[0].text_frontend,
        source="; ".join(_source(corpus) for corpus in corpora),
        synthetic=any(corpus.synthetic for corpus in corpora),
        word_splitting=_splitting(corpora),
        choices=_choices(parts),
        ranges=tasks.ranges,
    )
    return Joined(joined, tuple(parts), tuple(_warnings(parts, joined)))


def _check_names(parts: Sequence[Part]) -> None:
    """Refuse corpora whose names are not their own, since utterances get them."""
    taken: dict[str, Path] = {}
    for part in parts:
        for name in part.corpus.joined or (part.corpus.name,):
            if name in taken:
                raise UsageError(
                    f"--join: {taken[name]} and {part.folder} both hold a corpus named {name!r}",
                    hint="join each corpus once; two of one name are told apart if one of them is prepared again into "
                    "a folder of another name",
                )
            if not name or "/" in name:
                raise UsageError(
                    f"{part.folder}: a corpus named {name!r}, expected a name without a slash, as ids begin with it",
                    hint="prepare it again, into a folder of another name",
                )
            taken[name] = part.folder


def _check_frames(own: Corpus, other: Corpus) -> None:
    """Refuse corpora whose frames mean different things."""
    pair = f"--join: {own.name} and {other.name}"
    again = "prepare one of them again, with the recipe of the other"
    if own.texts_alone != other.texts_alone:
        alone, heard = (own, other) if own.texts_alone else (other, own)
        raise UsageError(f"{pair}: {alone.name} holds texts alone, and {heard.name} recordings", hint=again)
    for kind, made in (("frontend", "frontend"), ("text frontend", "text_frontend")):
        ours, theirs = (getattr(corpus, made) for corpus in (own, other))
        if (ours is None) != (theirs is None):
            unknown, known = (own, other) if ours is None else (other, own)
            raise UsageError(
                f"{pair}: the {kind} of {known.name} is known, and that of {unknown.name} is not", hint=again
            )
        if ours is not None and (differing := _differences(ours, theirs)):
            told = ", ".join(f"{key} {one} and {two}" for key, (one, two) in differing.items())
            raise UsageError(f"{pair} were prepared with different settings of the {kind}: {told}", hint=again)
    if own.audio.width != other.audio.width:
        widths = f"{own.audio.width} and {other.audio.width}"
        raise UsageError(f"{pair}: their audio frames have {widths} values", hint=again)
    text = [None if corpus.text_frames is None else corpus.text_frames.width for corpus in (own, other)]
    if text[0] != text[1]:
        said = " and ".join("words" if width is None else f"text frames of {width} values" for width in text)
        raise UsageError(f"{pair}: they hold {said}", hint=again)


def _differences(one: Mapping[str, Any], two: Mapping[str, Any]) -> dict[str, tuple[str, str]]:
    keys = dict.fromkeys([*one, *two])
    return {
        key: (cut(str(one.get(key)), _SHOWN), cut(str(two.get(key)), _SHOWN))
        for key in keys
        if one.get(key) != two.get(key)
    }


def _splitting(corpora: Sequence[Corpus]) -> str | None:
    """Return the way in which texts are split into words; that of the spaces fits beside another script."""
    found = {corpus.word_splitting: corpus.name for corpus in corpora}
    special = [splitting for splitting in found if splitting not in (None, "spaces")]
    if len(special) > 1:
        told = " and ".join(f"{found[one]} by {one!r}" for one in special)
        raise UsageError(
            f"--join: the texts were split into words in different ways: {told}",
            hint="prepare all of them with --set dataset.words=characters",
        )
    return special[0] if special else "spaces" if "spaces" in found else None


def _renamed(utterance: Utterance, corpus: Corpus) -> Utterance:
    """Put the name of the corpus before the names that count in it alone."""
    if utterance.corpus is not None:  # of a corpus that was joined already
        return utterance
    names: dict[str, Any] = {
        key: f"{corpus.name}/{own}" for key in NAMED if (own := getattr(utterance, key)) is not None
    }
    return replace(utterance, id=f"{corpus.name}/{utterance.id}", corpus=corpus.name, **names)


def _left_out(one: LeftOut, corpus: Corpus) -> LeftOut:
    return one if corpus.joined else replace(one, id=f"{corpus.name}/{one.id}")


def _source(corpus: Corpus) -> str:
    return corpus.source if corpus.joined else f"{corpus.name}: {corpus.source or 'unknown'}"


def join_frames(parts: Sequence[Frames]) -> Frames:
    """Concatenate the frames of corpora; they are float32 unless those of all are float16."""
    lengths = np.concatenate([np.diff(part.offsets) for part in parts])
    flat = np.concatenate([part.flat for part in parts])
    return Frames(flat, np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64))


def _choices(parts: Sequence[Part]) -> dict[str, Any]:
    """Keep the facts on each corpus that are not its utterances': source, layout, choices when it was prepared."""
    join: dict[str, Any] = {}
    for part in parts:
        own = part.corpus
        if own.joined:
            join |= (own.choices or {}).get(JOIN, {})
            continue
        facts = {"source": own.source, "layout": own.layout, "synthetic": own.synthetic, "choices": own.choices}
        join[own.name] = {key: value for key, value in facts.items() if value}
    notes = {part.corpus.name: part.map_note.to_json() for part in parts if part.map_note is not None}
    return {JOIN: join, **({"map": notes} if notes else {})}


def _warnings(parts: Sequence[Part], joined: Corpus) -> Iterator[str]:
    for part in parts:
        if part.map_note is not None:
            yield "\n  ".join([f"{part.corpus.name}: {part.map_note.lines[0]}", *part.map_note.lines[1:]])
    dropped = [part.corpus.name for part in parts if part.corpus.vocabulary or part.corpus.numbering]
    if dropped:
        yield (
            f"the vocabulary that came with {names_of(dropped)} is left out: that of the joined corpus is built from "
            "its training words"
        )
    for task, classes in joined.classes.items():
        if alike := likely_spellings(classes, classes=True):
            shown = first_few(" and ".join(map(repr, own)) for own in alike)
            yield f"{task}: {shown} count as different classes; --map brings them under one name (docs/cross.md)"
        for corpus in (part.corpus for part in parts):
            lacking = [name for name in classes if name not in corpus.classes.get(task, ())]
            if task not in corpus.classes:
                yield f"{task}: {corpus.name} has no labels of this task"
            elif lacking:
                yield f"{task}: {corpus.name} has no {names_of(lacking)}"
    if joined.frontend is None and not joined.texts_alone:
        yield "what made the frames of these corpora is not known; joining them takes them for those of one frontend"
    yield from _repeated(parts)


def _repeated(parts: Sequence[Part]) -> Iterator[str]:
    """Tell which utterances are in two corpora, by their content."""
    hashes = [_contents(part.corpus) for part in parts]
    for one, two in combinations(range(len(parts)), 2):
        both = [key for key in hashes[one] if key in hashes[two]]
        if not both:
            continue
        own, other = (parts[number].corpus for number in (one, two))
        pairs = [(own.utterances[hashes[one][key]], other.utterances[hashes[two][key]]) for key in both]
        named = first_few(f"{_renamed(a, own).id} = {_renamed(b, other).id}" for a, b in pairs)
        leaks = sum("train" in (a.split, b.split) and a.split != b.split for a, b in pairs)
        of = f" (all of {other.name})" if len(both) == len(other.utterances) else ""
        told = f"in both {own.name} and {other.name}, by their content: {plural(len(both), 'utterance')}{of}: {named}"
        if leaks:
            told += f"; {leaks:,} of them in training in one, and in validation or test in the other"
        yield told


def _contents(corpus: Corpus) -> dict[bytes, int]:
    """Return the position of each content; an utterance without words and sound has none."""
    rows = enumerate(zip(content_hashes(corpus), corpus.utterances, strict=True))
    return {key: row for row, (key, one) in rows if one.words or corpus.audio[row].any()}

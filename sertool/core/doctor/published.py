"""Published counts of corpora in their owner's layout, and the counts of a prepared corpus that differ from them."""

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Annotated, Any, NamedTuple

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, TypeAdapter

from sertool.core.corpora.corpus import SPLITS, Corpus
from sertool.core.doctor.findings import Finding, found
from sertool.core.doctor.subject import Subject
from sertool.core.files.yaml_file import read_yaml
from sertool.core.formatting import first_few, plural

WHOLE = "all"  # stands for the name of a split where a count is of the whole corpus
HOURS_TOLERANCE = 0.05  # share by which hours may differ: owners round them, and some trim silence
SHOWN = 5  # differences that a finding names
_FILE = Path(__file__).resolve().parent / "published.yaml"


def _by_split(count: object) -> object:
    return {WHOLE: count} if isinstance(count, int) else count


Count = Annotated[dict[str, int], BeforeValidator(_by_split)]


class Published(BaseModel):
    """Published counts of a corpus, or of one of its releases or parts.

    Attributes:
        of: name of the corpus, with the release or part.
        source: publication or page that the numbers come from.
        utterances: number of utterances, by split or of the whole corpus.
        speakers: number of speakers; None where the layout does not know them.
        hours: hours of all recordings; None where unknown.
        classes: utterances of each class, by task.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    of: str
    source: str
    utterances: Count
    speakers: Count | None = None
    hours: float | None = None
    classes: Mapping[str, Mapping[str, Count]] = Field(default_factory=dict)


@dataclass(frozen=True)
class Comparison:
    """A corpus compared with its published counts.

    Attributes:
        of: name of the published corpus, with the release or part.
        source: publication or page that the numbers come from.
        agrees: the kinds of count that are as published, such as ``10,039 utterances``.
        differs: the counts that are not, such as ``speakers: 8, published 10``.
    """

    of: str
    source: str
    agrees: tuple[str, ...]
    differs: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """Return the comparison as plain data for a JSON file."""
        return asdict(self)


class _Pair(NamedTuple):
    """A count of the corpus beside the published one; fewer by no more than ``missing`` is no difference."""

    name: str
    own: int
    published: int
    missing: int

    @property
    def agrees(self) -> bool:
        return self.published - self.missing <= self.own <= self.published


@cache
def published() -> Mapping[str, list[Published]]:
    """Read the published counts by name of the layout."""
    # As JSON, for which pydantic's strict mode allows exactly the types that a file can hold.
    return TypeAdapter(dict[str, list[Published]]).validate_json(json.dumps(read_yaml(_FILE)))


def compare(corpus: Corpus) -> Comparison | None:
    """Compare a corpus with its published counts; return None where none are known.

    Utterances that were left out are known to be missing, so a count that is lower by no more than their number agrees.
    Splits are compared where the corpus has the published ones, and the whole corpus otherwise.
    """
    known = published().get(corpus.layout or "")
    if not known:
        return None
    own = len(corpus.utterances) + len(corpus.left_out)
    nearest = min(known, key=lambda one: abs(sum(one.utterances.values()) - own))
    return _compared(corpus, nearest)


def check(subject: Subject) -> Iterator[Finding]:
    """Report counts of a published corpus that differ from those of its owner."""
    comparison = compare(subject.corpus)
    if comparison is not None and comparison.differs:
        number = len(comparison.differs)
        verb = "differs from the one" if number == 1 else "differ from those"
        text = f"{plural(number, 'count')} {verb} published for {comparison.of}"
        yield found("published", number, f"{text}: {first_few(comparison.differs, SHOWN)}")


def _compared(corpus: Corpus, known: Published) -> Comparison:
    agrees, differs = [], []
    for kind, pairs in _pairs(corpus, known):
        wrong = [f"{one.name}: {one.own:,}, published {one.published:,}" for one in pairs if not one.agrees]
        differs += wrong
        agrees += [kind] if pairs and not wrong else []
    hours = sum(utterance.seconds or 0.0 for utterance in corpus.utterances) / 3600
    complete = len(corpus.left_out) <= HOURS_TOLERANCE * len(corpus.utterances)
    if known.hours is not None and complete and all(one.seconds is not None for one in corpus.utterances):
        if abs(hours - known.hours) <= HOURS_TOLERANCE * known.hours:
            agrees.append(f"{hours:.1f} hours")
        else:
            differs.append(f"hours: {hours:.1f}, published about {known.hours:g}")
    return Comparison(known.of, known.source, tuple(agrees), tuple(differs))


def _pairs(corpus: Corpus, known: Published) -> Iterator[tuple[str, list[_Pair]]]:
    """Yield the counts to compare by kind."""
    utterances = Counter(utterance.split for utterance in corpus.utterances)
    # With other splits, such as drawn ones or EmoBox's, only the whole corpus can be compared.
    official = utterances.keys() == known.utterances.keys() and "splits" not in (corpus.choices or {})
    splits = [split for split in SPLITS if official and split in utterances]
    left_out = Counter(item.split for item in corpus.left_out)
    number = plural(len(corpus.utterances), "utterance")
    told = f"{number} and {len(corpus.left_out):,} left out" if corpus.left_out else number
    yield told, _beside("utterances", utterances, known.utterances, left_out, splits)
    if known.speakers is not None:
        yield _speakers(corpus, known.speakers, splits)
    renamed = not {"map_labels", "map"}.isdisjoint(corpus.choices or {})  # the user's own classes
    for task, classes in known.classes.items():
        if task in corpus.classes and not renamed:
            labels = Counter((str(u.labels[task]), u.split) for u in corpus.utterances if task in u.labels)
            pairs = []
            for name, count in classes.items():
                own = Counter({split: number for (label, split), number in labels.items() if label == name})
                pairs += _beside(f"{task} {name}", own, count, left_out, splits)
            yield f"classes of {task}", pairs


def _speakers(corpus: Corpus, count: Mapping[str, int], splits: list[str]) -> tuple[str, list[_Pair]]:
    """Compare numbers of speakers, which cannot be added up: a speaker may be in several splits."""
    voices = {(utterance.speaker, utterance.split) for utterance in corpus.utterances if utterance.speaker}
    number = len({speaker for speaker, _ in voices})
    own = Counter(split for _, split in voices) if WHOLE not in count else Counter({WHOLE: number})
    pairs = _beside("speakers", own, count, Counter(), splits) if WHOLE in count or splits else []
    return plural(number, "speaker"), pairs


def _beside(
    name: str, own: Counter[str], count: Mapping[str, int], missing: Counter[str], splits: list[str]
) -> list[_Pair]:
    """Put own counts beside the published ones: of each of ``splits`` where these are known, else of the whole."""
    if WHOLE in count or not splits:
        return [_Pair(name, own.total(), sum(count.values()), missing.total())]
    return [_Pair(f"{name} of {split}", own[split], count[split], missing[split]) for split in splits]

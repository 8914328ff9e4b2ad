"""Labels from raters: the class that most of them chose, or the mean of their scores, where a table has no other.

A rater who chose several classes splits one vote among them, as in :mod:`~sertool.core.corpora.ratings`.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from statistics import fmean

from sertool.core.corpora.corpus import Rating
from sertool.core.corpora.names import likely_spellings
from sertool.core.corpora.ratings import favourites
from sertool.core.formatting import first_few, row_numbers
from sertool.core.prepare.findings import Findings
from sertool.core.prepare.label_columns import EMOTION
from sertool.core.prepare.labels import BETWEEN, spellings
from sertool.core.prepare.scores import number_of

Numbers = Sequence[int | None]  # of rows
Chosen = Sequence[Mapping[str, Rating]]  # for each row, the classes by rater
Places = Mapping[str, Sequence[int | None]]  # rows by class


def classes_chosen(cells: Mapping[str, str]) -> dict[str, Rating]:
    """Return the class, or several, that each rater chose; raters who said nothing are left out.

    >>> classes_chosen({"1": "angry", "2": "sad|angry", "3": "", "4": "|"})
    {'1': 'angry', '2': ('angry', 'sad')}
    """
    found: dict[str, Rating] = {}
    for rater, cell in cells.items():
        if BETWEEN not in cell:
            if cell:
                found[rater] = cell
            continue
        names = tuple(sorted({part.strip() for part in cell.split(BETWEEN)} - {""}))
        if names:
            found[rater] = names[0] if len(names) == 1 else names
    return found


def majority(chosen: Mapping[str, Rating]) -> str | None:
    """Return the class that most raters chose; None for a tie.

    >>> majority({"1": "sad", "2": "angry", "3": "sad"}), majority({"1": "sad", "2": "angry"})
    ('sad', None)
    """
    most = favourites(chosen)
    return min(most) if len(most) == 1 else None


def mean_score(scores: Iterable[float]) -> float:
    """Return the mean of scores, which rounding never takes outside of them.

    >>> mean_score([0.1, 0.1, 0.1])
    0.1
    """
    given = list(scores)
    return min(max(fmean(given), min(given)), max(given))


def _names(rating: Rating) -> tuple[str, ...]:
    return (rating,) if isinstance(rating, str) else rating if isinstance(rating, tuple) else ()


def places_of(numbers: Numbers, chosen: Chosen) -> dict[str, list[int | None]]:
    """Return the rows in which any rater chose a class, by class in the order of names."""
    found: dict[str, list[int | None]] = defaultdict(list)
    for number, own in zip(numbers, chosen, strict=True):
        for name in {name for rating in own.values() for name in _names(rating)}:
            found[name].append(number)
    return dict(sorted(found.items()))


def tie_notes(tied: Numbers, rated: int) -> list[str]:
    """Say how many utterances have no label because their raters tie.

    Args:
        tied: their rows.
        rated: number of the utterances that raters judged.
    """
    if not tied:
        return []
    they, their = ("it has", "its") if len(tied) == 1 else ("they have", "their")
    return [
        f"the raters tie on {len(tied):,} of {rated:,} utterances ({row_numbers(tied)}): {they} no majority label; "
        f"--recipe custom-votes trains on {their} votes"
    ]


def check_classes(places: Places, labelled: Iterable[str], findings: Findings) -> list[str]:
    """Compare the classes that raters chose with those of the column of labels.

    Args:
        places: rows by class that raters chose.
        labelled: classes of the labels.
        findings: receives classes that are likely misspelled.

    Returns:
        Notes on the others that no label has.
    """
    classes = set(labelled)
    unknown = [name for name in places if name not in classes]
    if not unknown:
        return []
    near = {}
    for group in likely_spellings({*classes, *unknown}, classes=True):
        meant = sorted(classes.intersection(group))
        near.update({name: meant[0] for name in group if meant and name not in classes})
    for name, meant_name in near.items():
        for number in places[name]:
            findings.add(f"raters chose {name!r}, which no label has, did you mean {meant_name!r}?", number)
    others = [name for name in unknown if name not in near]
    if not others:
        return []
    shown = first_few(f"{name!r} ({row_numbers(places[name])})" for name in others)
    return [f"{EMOTION}: raters chose {shown}, which no label has: votes for it do not count"]


def doubtful_classes(places: Places, winners: Iterable[str]) -> list[str]:
    """Report classes of raters that look like mistakes, where no column of labels names the classes.

    Args:
        places: rows by class that raters chose.
        winners: classes that most raters of an utterance chose; the labels' own warnings are about these.
    """
    lines = []
    groups = [group for group in likely_spellings(places, classes=True) if not set(winners).issuperset(group)]
    lines += spellings(EMOTION, "classes", {name: places[name] for group in groups for name in group})
    if places and all(number_of(name) is not None for name in places):
        lines.append(
            f"{EMOTION}: raters chose numbers as classes ({first_few(places)}); scores of raters belong in "
            "columns such as arousal_rater_1"
        )
    return lines

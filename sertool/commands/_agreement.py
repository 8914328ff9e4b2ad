"""Lines on how much the raters of a corpus agree, for ``sertool prepare`` and ``sertool doctor``."""

import math
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from sertool.core.formatting import plural, printable

if TYPE_CHECKING:
    from sertool.core.corpora.agreement import Agreement, Part
    from sertool.core.metrics import Estimate

WEAKEST = 3  # classes and speakers that are named
ENOUGH = 5  # utterances that a speaker needs to be named: an alpha of fewer is mostly chance


def agreement_lines(agreement: "Agreement") -> list[str]:
    """Say how much raters agree on a task: their numbers, alpha, the ceiling, and where they agree least.

    The first line names the task, the others belong to it.
    """
    own = agreement.raters
    raters = f"{own.mean:.1f} ({own.fewest} to {own.most})" if own.most > own.fewest else str(own.most)
    utterances = plural(own.utterances + own.alone, "utterance")
    first = f"raters of {printable(agreement.task)}: {raters} for each of {utterances}"
    if own.ties:
        first += f", {plural(own.ties, 'tie')}"
    if not own.utterances:
        return [f"{first}; nobody rated what another did, so nothing tells how much they agree"]
    if agreement.alpha.low is not None:
        first += f"; 95 % intervals over {plural(agreement.clusters.number, agreement.clusters.unit)}"
    return [first, *_on_scores(agreement), *_on_classes(agreement), *_weakest(agreement)]


def agreement_line(agreement: "Agreement") -> str:
    """Say in one line how much raters agree on a task."""
    return f"raters of {printable(agreement.task)}: Krippendorff's alpha {_figure(agreement.alpha)}"


def _on_classes(agreement: "Agreement") -> list[str]:
    if agreement.kappa is None:
        return []
    accuracy, uar = (_percent(agreement.ceilings[name]) for name in ("accuracy", "uar"))
    return [
        f"Krippendorff's alpha {_figure(agreement.alpha)}, Fleiss' kappa {_figure(agreement.kappa)}",
        f"ceiling: one rater has accuracy {accuracy}, UAR {uar} against the majority of the others",
    ]


def _on_scores(agreement: "Agreement") -> list[str]:
    if agreement.spread is None:
        return []
    spread, ccc, mae = map(_figure, (agreement.spread, agreement.ceilings["ccc"], agreement.ceilings["mae"]))
    return [
        f"Krippendorff's alpha {_figure(agreement.alpha)}, standard deviation of an utterance's raters {spread}",
        f"ceiling: one rater has CCC {ccc}, MAE {mae} against the mean of the others",
    ]


def _weakest(agreement: "Agreement") -> list[str]:
    """Name the classes and speakers with the lowest alpha, where there are more than are named."""
    speakers = {name: part for name, part in agreement.by_speaker.items() if part.utterances >= ENOUGH}
    found = []
    for unit, parts in (("classes", agreement.by_class), ("speakers", speakers)):
        alphas = _alphas(parts)
        if len(alphas) > 1:
            low = sorted(alphas, key=lambda name: alphas[name])[:WEAKEST]
            found.append(f"{unit} {_listed((name, alphas[name]) for name in low)}")
    return [f"lowest alpha: {'; '.join(found)}"] if found else []


def _alphas(parts: Mapping[str, "Part"]) -> dict[str, float]:
    return {name: part.alpha.value for name, part in parts.items() if math.isfinite(part.alpha.value)}


def _listed(pairs: Iterable[tuple[str, float]]) -> str:
    return ", ".join(f"{printable(name)} {alpha:.2f}" for name, alpha in pairs)


def _figure(own: "Estimate") -> str:
    if not math.isfinite(own.value):
        return "not defined (nothing varies)"
    return f"{own.value:.2f}" + (f" ({own.low:.2f} to {own.high:.2f})" if own.low is not None else "")


def _percent(own: "Estimate") -> str:
    if not math.isfinite(own.value):
        return "not defined"
    return f"{100 * own.value:.1f} %" + (
        f" ({100 * own.low:.1f} to {100 * own.high:.1f})" if own.low is not None and own.high is not None else ""
    )

"""Tables by data set and task: published figures, those of the runs under both protocols, and the differences."""

from collections.abc import Sequence
from itertools import product

import numpy as np

from sertool.core.formatting import plural
from sertool.core.metrics import Difference, Estimate, Jackknife, decision_differences
from sertool.core.metrics.scores import score_differences
from sertool.core.recipe.differences import INPUT, differences
from sertool.core.reports.choose import note
from sertool.core.reports.contents import IMPORTED, DifferenceRow, OurRow, PublishedRow, TaskReport
from sertool.core.reports.expected import Missing
from sertool.core.reports.provenance import trained_on
from sertool.core.reports.run import Reported

Task = tuple[str, str, bool]  # data set and task, and whether it predicts scores


def task_reports(runs: Sequence[Reported], missing: Sequence[Missing]) -> tuple[TaskReport, ...]:
    """Return one table per data set and task, in the order of the runs, then of the missing results.

    Scores have a table of their own where other runs predict classes of the same label.
    """
    keys = [_key(run) for run in runs] + [_key_of(one) for one in missing]
    return tuple(
        _task_report(
            key,
            [run for run in runs if _key(run) == key],
            [one for one in missing if _key_of(one) == key],
        )
        for key in dict.fromkeys(keys)
    )


def _key(run: Reported) -> Task:
    return run.report.dataset, run.report.task, run.report.kind == "scores"


def _key_of(one: Missing) -> Task:
    return one.dataset, one.task, one.recipe.dataset.target == "scores"


def _task_report(key: Task, runs: Sequence[Reported], missing: Sequence[Missing]) -> TaskReport:
    recipes = [run.loaded.recipe for run in runs] + [one.recipe for one in missing]
    # Recipes of one task repeat the same published figures; each is shown once.
    published = dict.fromkeys(
        PublishedRow(own.metric, own.value, own.members, own.utterances, own.source)
        for recipe in recipes
        for own in recipe.published
    )
    # Every paper run with every honest run of the same settings.
    pairs = [
        (paper, honest)
        for paper, honest in product(runs, runs)
        if paper.loaded.is_optimistic and not honest.loaded.is_optimistic and _differ_in_protocol(paper, honest)
    ]
    return TaskReport(
        dataset=key[0],
        task=key[1],
        kind=next((run.report.kind for run in runs), _kind_of(missing)),
        published=tuple(published),
        ours=tuple(_our_row(run) for run in runs if "test" in run.report.sets),
        differences=tuple(row for pair in pairs for row in _differences(*pair)),
        missing=tuple(one.text for one in missing),
    )


def _kind_of(missing: Sequence[Missing]) -> str:
    """Return the kind of a task that has no run yet, as far as it changes the table."""
    return "scores" if any(one.recipe.dataset.target == "scores" for one in missing) else "single"


def _our_row(run: Reported) -> OurRow:
    report, test = run.report, run.report.sets["test"]
    folds = f"{report.folds} folds" if report.folds > 1 else ""
    stated = report.imported.stated if report.imported is not None else ""
    notes = [stated, report.caveats, folds, _label_map(run), note(run.loaded, run.choice)]
    return OurRow(
        run=report.name,
        recipe=report.recipe,
        protocol=report.protocol or IMPORTED,
        stamp=report.stamp,
        k=test.k,
        members=report.members,
        metrics={**test.metrics, **test.scores},
        spread=test.spread,
        train=run.loaded.origin.train_sizes,
        note="; ".join(filter(None, notes)),
        warning="; ".join(one.text for one in report.findings if one.kind == "speakers-unknown"),
        baseline=test.baseline,
    )


def _label_map(run: Reported) -> str:
    """Name the label map through which labels were read, and how many utterances fell out; empty without one."""
    origin = run.loaded.origin
    facts = origin.map if origin.imported is None else origin.imported.map
    if facts is None:
        return ""
    fell = sum(facts["fell_out"].values())
    return f"label map {facts['map']}" + f", {plural(fell, 'utterance')} of other classes fell out" * bool(fell)


def _differ_in_protocol(paper: Reported, honest: Reported) -> bool:
    """Check whether two runs of a task, both evaluated on test, differ only in their splits and seeds."""
    evaluated = all("test" in run.report.sets and run.report.imported is None for run in (paper, honest))
    recipes = (paper.loaded.recipe, honest.loaded.recipe)
    return evaluated and not differences(*recipes, (*INPUT, "model", "context", "training"))


def _differences(paper: Reported, honest: Reported) -> list[DifferenceRow]:
    """Return paper minus honest in every metric, over the utterances that both cover."""
    found, notes = _paired(paper, honest)
    trained = [trained_on(run.loaded.origin) for run in (honest, paper)]
    if trained[0] != trained[1]:
        notes.append(f"the honest run was trained on {trained[0]}, the paper's run on {trained[1]}")
    return [
        DifferenceRow(
            metric=metric,
            paper=paper.report.name,
            honest=honest.report.name,
            difference=Estimate(own.value, own.low, own.high),
            p=own.p,
            note="; ".join(notes),
        )
        for metric, own in found.items()
    ]


def _paired(paper: Reported, honest: Reported) -> tuple[dict[str, Difference], list[str]]:
    """Return the differences by metric, and caveats on the utterances they are computed over."""
    places = [_places(run) for run in (paper, honest)]
    shared = [id_ for id_ in places[0] if id_ in places[1]]
    tests = [run.loaded.sets["test"] for run in (paper, honest)]
    rows = [np.array([place[id_] for id_ in shared], np.int64) for place in places]
    targets = [_targets(run)[row] for run, row in zip((paper, honest), rows, strict=True)]
    if not shared or tests[0].predictions.classes != tests[1].predictions.classes:
        return _unpaired(paper, honest), ["the test utterances differ, so there is no interval"]
    if not np.array_equal(targets[0], targets[1], equal_nan=tests[0].predictions.kind == "scores"):
        return _unpaired(paper, honest), ["the labels of the same utterances differ, so there is no interval"]
    # Paired: both runs leave out the same clusters, so utterances that are hard for both cancel out.
    jackknife = Jackknife(paper.loaded.clusters([tests[0].spoken[row] for row in rows[0]]))
    own_p, own_h = (run.loaded.sets["test"].predictions for run in (paper, honest))
    if own_p.kind == "scores":
        values = own_h.ensemble_logits(honest.choice.k)[rows[1]], own_p.ensemble_logits(paper.choice.k)[rows[0]]
        found = score_differences(targets[0], *values, jackknife)
    else:
        decided = own_h.decisions(honest.choice.k)[rows[1]], own_p.decisions(paper.choice.k)[rows[0]]
        found = decision_differences(targets[0], *decided, len(own_p.classes), jackknife)
    all_shared = all(len(test.predictions.ids) == len(shared) for test in tests)
    notes = [] if all_shared else [f"over the {len(shared):,} utterances that both runs cover"]
    own = paper.report.sets["test"]
    return found, [*notes, own.unit_note] if own.by_cluster else notes


def _places(run: Reported) -> dict[str, int]:
    """Return the row of each utterance in the test set by id, without ids that several utterances share."""
    ids = run.loaded.sets["test"].predictions.ids
    places = {id_: place for place, id_ in enumerate(ids)}
    if len(places) == len(ids):
        return places
    # A row of one run could not be matched with the right one of the other.
    twice = {id_ for place, id_ in enumerate(ids) if places[id_] != place}
    return {id_: place for id_, place in places.items() if id_ not in twice}


def _targets(run: Reported) -> np.ndarray:
    targets = run.loaded.sets["test"].predictions.targets
    assert targets is not None
    return targets


def _unpaired(paper: Reported, honest: Reported) -> dict[str, Difference]:
    # Without shared utterances nothing can be paired, so there is a value and no interval.
    figures = [run.report.sets["test"].metrics for run in (paper, honest)]
    return {name: Difference(figures[0][name].value - figures[1][name].value) for name in figures[0]}

"""Progress of a training on stderr: a live table of members on a terminal, one line per epoch elsewhere."""

import time
from collections import Counter
from collections.abc import Iterable
from contextlib import nullcontext
from typing import TYPE_CHECKING

from rich.console import Console
from rich.live import Live
from rich.table import Table

from sertool.commands._console import clock, console, say

if TYPE_CHECKING:
    from sertool.core.runs.experiment import Experiment
    from sertool.core.runs.plan import Plan
    from sertool.core.runs.train import Event
    from sertool.core.training.history import MemberEpoch
    from sertool.core.training.loop import Epoch, Member

BAR = 12  # columns of a full progress bar
ROWS = 20  # members in the table at most, so that it fits a terminal of 24 lines


def show_training(plan: "Plan", events: Iterable["Event"], title: str = "") -> None:
    """Run a training by consuming its events, and show each of them.

    Args:
        plan: the training.
        events: its events; each epoch is computed when it is asked for.
        title: put before the epochs, where a command trains several ensembles.
    """
    from sertool.core.runs.train import Note, Resumed

    talk = console()
    view = _Rows(plan, title, talk) if talk.is_terminal else _Lines(plan, title, talk)
    with view.live if isinstance(view, _Rows) else nullcontext():
        for event in events:
            if isinstance(event, Note):
                say(talk, event.text)
            elif isinstance(event, Resumed):
                say(talk, f"resuming after epoch {event.epoch}")
            else:
                view.take(event)


class _Rows:
    """Live table of members: seed (and fold), epochs, loss, score, best score, learning rate, longest time left."""

    def __init__(self, plan: "Plan", title: str, talk: Console) -> None:
        self.plan, self.title = plan, title
        # By seed and fold: the last epoch, the best score, and when which epoch was first seen.
        self.rows: dict[tuple[int, int], MemberEpoch] = {}
        self.best: dict[tuple[int, int], float] = {}
        self.first_seen: dict[tuple[int, int], tuple[float, int]] = {}
        # While it is live, what is printed to the same console appears above the table.
        self.live = Live(console=talk, refresh_per_second=4, vertical_overflow="ellipsis")

    def take(self, epoch: "Epoch") -> None:
        for member, row in epoch.rows:
            key = (member.seed, member.fold)
            self.rows[key] = row
            self.best[key] = max(self.best.get(key, row.score), row.score)  # the score of an error is negative
            self.first_seen.setdefault(key, (time.monotonic(), row.epoch))
        self.live.update(self._table())

    def _table(self) -> Table:
        from sertool.core.reports.wording import metric_name, scored

        settings = self.plan.experiment.recipe.training
        folds = len(self.plan.experiment.folds) > 1
        table = Table(box=None, title=self.title or None, title_justify="left", pad_edge=False)
        metric = metric_name(settings.select, self.plan.experiment.task.kind)
        for name in ("seed", *(["fold"] if folds else []), "epoch", "", "loss", metric, "best", "lr", "left"):
            table.add_column(name, justify="right" if name else "left", no_wrap=True)
        # Members still in training come last, so that they are among the rows that are kept.
        order = sorted(self.rows, key=lambda key: not self.rows[key].outcome.endswith("stopped"))
        for seed, fold in order[-ROWS:]:
            row = self.rows[seed, fold]
            full = round(BAR * row.epoch / settings.max_epochs)
            table.add_row(
                str(seed),
                *([self.plan.experiment.folds[fold].name] if folds else []),
                f"{row.epoch}/{settings.max_epochs}",
                "━" * full + " " * (BAR - full),
                f"{row.loss:.3f}",
                scored(row.score, settings.select),
                scored(self.best[seed, fold], settings.select),
                f"{row.learning_rate:.1e}",
                self._left((seed, fold), row, settings.max_epochs),
            )
        return table

    def _left(self, key: tuple[int, int], row: "MemberEpoch", max_epochs: int) -> str:
        if row.outcome.endswith("stopped"):
            return "done"
        since, first = self.first_seen[key]
        if row.epoch == first:
            return "..."  # one epoch is not enough to measure how long the next ones take
        # The most it can take: patience may stop the member earlier.
        return f"<{clock((time.monotonic() - since) / (row.epoch - first) * (max_epochs - row.epoch))}"


class _Lines:
    """Plain lines: one per epoch for all members that took part, one per member that stopped."""

    def __init__(self, plan: "Plan", title: str, talk: Console) -> None:
        self.plan, self.title = plan, f"{title} · " if title else ""
        self.talk, self.begun = talk, time.monotonic()

    def take(self, epoch: "Epoch") -> None:
        from sertool.core.metrics.selection import LOWER_IS_BETTER
        from sertool.core.reports.wording import metric_name, scored

        settings = self.plan.experiment.recipe.training
        scores = [row.score for _, row in epoch.rows]
        losses = [row.loss for _, row in epoch.rows]
        metric = metric_name(settings.select, self.plan.experiment.task.kind)
        ends = [scored(one, settings.select) for one in (min(scores), max(scores))]
        lowest, highest = ends[::-1] if settings.select in LOWER_IS_BETTER else ends
        figures = f"{lowest} - {highest}" if len(scores) > 1 else highest
        line = (
            f"{self.title}epoch {epoch.number}/{settings.max_epochs} · {self._who(epoch)} · "
            f"loss {sum(losses) / len(losses):.3f} · valid {metric} {figures} · "
            f"lr {epoch.rows[0][1].learning_rate:.1e} · {clock(time.monotonic() - self.begun)}"
        )
        say(self.talk, line)
        for finished in epoch.finished:
            name, best = self._name(finished.member), scored(finished.progress.best, settings.select)
            say(self.talk, f"  {name} stopped after epoch {epoch.number}, best {metric} {best}")

    def _who(self, epoch: "Epoch") -> str:
        members = [member for member, _ in epoch.rows]
        return self._name(members[0]) if len(members) == 1 else f"{len(members)} members"

    def _name(self, member: "Member") -> str:
        folds = self.plan.experiment.folds
        return f"seed {member.seed}" + (f" fold {folds[member.fold].name}" if len(folds) > 1 else "")


def describe(experiment: "Experiment") -> list[str]:
    """Describe a corpus in one line, followed by a line for each thing its user should know."""
    from sertool.core.corpora.splitting import describe_splitting

    corpus, task = experiment.corpus, experiment.task
    counts = _set_sizes(experiment)
    voices = {utterance.speaker for utterance in corpus.utterances} - {None}
    speakers = f" · {len(voices)} speakers" if voices else ""
    lines = [f"{corpus.name}{corpus.caveats} · {task.shown} · {counts}{speakers}"]
    if "text" in experiment.recipe.dataset.modalities and (splitting := describe_splitting(corpus)):
        lines.append(splitting)
    lines += [*left_out(experiment), *_ties(experiment)]
    if experiment.selected_on_test:
        lines.append("selected on test: this recipe validates on the test utterances, as the paper did")
    return lines


def left_out(experiment: "Experiment") -> list[str]:
    """Count the utterances that could not be used by reason, in one line; return no line if there are none."""
    reasons = Counter(item.reason for item in experiment.corpus.left_out)
    if not reasons:
        return []
    listed = ", ".join(f"{reason}: {number}" for reason, number in sorted(reasons.items()))
    return [f"left out: {reasons.total()} utterances ({listed})"]


def _ties(experiment: "Experiment") -> list[str]:
    """Say how many utterances have raters who tie and what becomes of them, in one line; no line without any."""
    from sertool.core.formatting import plural

    labels = experiment.recipe.dataset.labels
    if not experiment.ties or labels == "any":  # any class that a rater chose is a label
        return []
    fate = "they train, and are in neither validation nor test" if labels == "soft" else "left out"
    return [f"raters tie on {plural(experiment.ties, 'utterance')}: {fate}"]


def _set_sizes(experiment: "Experiment") -> str:
    """Write the number of utterances in each set; in cross-validation of all, and of training in each fold."""
    from sertool.core.reports.wording import utterances_of

    folds = experiment.folds
    if len(folds) > 1:
        # An utterance changes its split from fold to fold, so only the total can be given.
        labelled = sum(target is not None for target in experiment.targets)
        trained = utterances_of([len(fold.sets["train"]) for fold in folds])
        return f"utterances {labelled:,} · folds {len(folds)}, trained on {trained}"
    return " · ".join(f"{name} {len(rows):,}" for name, rows in folds[0].sets.items() if rows)

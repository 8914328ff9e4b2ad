"""Progress of a training on stderr: a live table of members on a terminal, one line per epoch elsewhere."""

import time
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
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
ROWS = 20  # members in the table at most


def show_training(plan: "Plan", events: Iterable["Event"], title: str = "") -> None:
    """Run a training by consuming its events, and show each of them."""
    talk = console()
    view = _Rows(plan) if talk.is_terminal else _Lines(plan, talk)
    with view.shown(talk):
        for event in events:
            view.take(event, title)


class _Rows:
    """Live table of members: seed (and fold), epochs, loss, score, best score, learning rate, longest time left."""

    def __init__(self, plan: "Plan") -> None:
        self.plan = plan
        self.rows: dict[tuple[int, int], MemberEpoch] = {}
        self.best: dict[tuple[int, int], float] = {}
        self.first_seen: dict[tuple[int, int], tuple[float, int]] = {}
        self.title = ""
        self.live: Live | None = None

    @contextmanager
    def shown(self, talk: Console) -> Iterator[None]:
        with Live(console=talk, refresh_per_second=4, vertical_overflow="ellipsis") as self.live:
            yield

    def take(self, event: "Event", title: str) -> None:
        from sertool.core.runs.train import Note, Resumed

        assert self.live is not None
        self.title = title
        if isinstance(event, Note):
            self.live.console.print(event.text, markup=False)
        elif isinstance(event, Resumed):
            self.live.console.print(f"resuming after epoch {event.epoch}")
        else:
            for member, row in event.rows:
                key = (member.seed, member.fold)
                self.rows[key] = row
                self.best[key] = max(self.best.get(key, 0.0), row.score)
                self.first_seen.setdefault(key, (time.monotonic(), row.epoch))
            self.live.update(self._table())

    def _table(self) -> Table:
        from sertool.core.reports.wording import figure, metric_name

        settings = self.plan.experiment.recipe.training
        folds = len(self.plan.experiment.folds) > 1
        table = Table(box=None, title=self.title or None, title_justify="left", pad_edge=False)
        metric = metric_name(settings.select)
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
                figure(row.score),
                figure(self.best[seed, fold]),
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

    def __init__(self, plan: "Plan", talk: Console) -> None:
        self.plan, self.talk = plan, talk
        self.begun = time.monotonic()

    @contextmanager
    def shown(self, talk: Console) -> Iterator[None]:
        yield

    def take(self, event: "Event", title: str) -> None:
        from sertool.core.reports.wording import figure, metric_name
        from sertool.core.runs.train import Note, Resumed

        if isinstance(event, Note):
            say(self.talk, event.text)
            return
        if isinstance(event, Resumed):
            self.talk.print(f"resuming after epoch {event.epoch}")
            return
        settings = self.plan.experiment.recipe.training
        scores = [row.score for _, row in event.rows]
        losses = [row.loss for _, row in event.rows]
        metric, lowest, highest = metric_name(settings.select), figure(min(scores)), figure(max(scores))
        scored = f"{lowest} - {highest}" if len(scores) > 1 else highest
        line = (
            f"{title + ' · ' if title else ''}epoch {event.number}/{settings.max_epochs} · {self._who(event)} · "
            f"loss {sum(losses) / len(losses):.3f} · valid {metric} {scored} · "
            f"lr {event.rows[0][1].learning_rate:.1e} · {clock(time.monotonic() - self.begun)}"
        )
        say(self.talk, line)
        for finished in event.finished:
            name, best = self._name(finished.member), finished.progress.best
            say(self.talk, f"  {name} stopped after epoch {event.number}, best {metric} {figure(best)}")

    def _who(self, epoch: "Epoch") -> str:
        members = [member for member, _ in epoch.rows]
        return self._name(members[0]) if len(members) == 1 else f"{len(members)} members"

    def _name(self, member: "Member") -> str:
        folds = self.plan.experiment.folds
        return f"seed {member.seed}" + (f" fold {folds[member.fold].name}" if len(folds) > 1 else "")


def describe(experiment: "Experiment") -> list[str]:
    """Describe a corpus in one line, followed by a line for each thing its user should know."""
    corpus, task = experiment.corpus, experiment.task
    counts = " · ".join(f"{split} {number:,}" for split, number in _set_sizes(experiment).items())
    voices = {utterance.speaker for utterance in corpus.utterances} - {None}
    speakers = f" · {len(voices)} speakers" if voices else ""
    lines = [f"{corpus.name}{corpus.caveats} · {task.name}, {len(task.classes)} classes · {counts}{speakers}"]
    lines += left_out(experiment)
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


def _set_sizes(experiment: "Experiment") -> dict[str, int]:
    if len(experiment.folds) > 1:
        labelled = sum(target is not None for target in experiment.targets)
        return {"utterances": labelled, "folds": len(experiment.folds)}
    return {name: len(rows) for name, rows in experiment.folds[0].sets.items() if rows}

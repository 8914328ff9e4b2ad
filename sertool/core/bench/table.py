"""The output of ``sertool bench``: the figures with their spread, and the least possible time of a step."""

from sertool.core.bench.results import Bench, Measured
from sertool.core.bench.turns import Spread
from sertool.core.formatting import plural
from sertool.core.metrics.classification import METRICS

LABEL, NUMBER = 38, 13  # columns


def lines(bench: Bench) -> list[str]:
    """Format a benchmark as lines of at most 80 columns."""
    counts = " · ".join(f"{split} {number:,}" for split, number in bench.counts.items())
    filled, dataset, members = bench.filled, bench.recipe.dataset, bench.wishes.members
    shown = [
        f"{bench.recipe.name} · {plural(members, 'member')} of {bench.parameters / 1e6:.1f} M parameters",
        _where(bench),
        f"{bench.corpus['name']} · {counts}",
        f"an utterance has {filled.words:.1f} of {dataset.max_text_length} words and {filled.frames:.1f} of "
        f"{dataset.max_audio_length} frames",
        "",
        " " * LABEL + "".join(name.rjust(NUMBER) for name in ("min", "median", "max")),
    ]
    for name, measured in (("training", bench.training), ("evaluation", bench.evaluation)):
        if measured is not None:
            shown += _kind(name, measured, bench)
    if bench.step_s is not None:
        shown.append(_row("a step of all members, ms", bench.step_s.scaled(1e3)))
    shown += [
        _row(f"matrix rate in {bench.precision.name}, TFLOP/s", bench.matrix.scaled(1e-12)),
        _row("copy rate, GB/s", bench.copy.scaled(1e-9)),
        "",
        *_floor(bench),
        *_finish(bench),
    ]
    return shown


def _where(bench: Bench) -> str:
    machine, groups = bench.machine, bench.groups
    if bench.precision.device.type == "cuda":
        return f"{bench.precision.reason} · torch {machine['torch']}"
    side = f"{groups['side_by_side']} side by side, " if groups["side_by_side"] > 1 else ""
    parts = f"batches in {groups['parts']} parts" if groups["parts"] > 1 else ""
    threads = parts or plural(groups["threads"], "thread") + " each"
    return f"{machine['cpu']} · {side}{threads} · {bench.precision.name} · torch {machine['torch']}"


def _kind(name: str, measured: Measured, bench: Bench) -> list[str]:
    rows = [_row(f"{name}, utterances/s", measured.rate)]
    comparison = measured.comparison(bench.wishes.members)
    if comparison is not None:
        rows += [
            _row("  plain PyTorch, one model at a time", Spread.of([t.wall for t in measured.plain])),
            _row("  ratio, pair by pair", comparison.ratio),
        ]
    rate = measured.rate
    return [
        *rows,
        _row("  TFLOP/s, of real positions", rate.scaled(measured.operations * 1e-12)),
        _row("  TFLOP/s, padding counted too", rate.scaled(measured.padded_operations * 1e-12)),
        _row("  peak memory, GB", Spread.of([own * 1e-9 for own in measured.memory])),
    ]


def _row(label: str, spread: Spread) -> str:
    values = (spread.min, spread.median, spread.max)
    return label.ljust(LABEL) + "".join(_number(value).rjust(NUMBER) for value in values)


def _number(value: float) -> str:
    """Format with three significant digits and a thousands separator."""
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}" if value >= 0.1 else f"{value:.2g}"


def _floor(bench: Bench) -> list[str]:
    step, products, training = bench.step_s, bench.matrix_floor_s, bench.training
    if step is None or products is None or training is None:
        return []
    return [
        f"step {_number(step.median * 1e3)} ms; matrix products alone {_number(products * 1e3)} ms, "
        f"Adam's memory {_number(bench.adam_floor_s * 1e3)} ms",
        f"training reaches {100 * training.share(bench.matrix):.0f} % of the matrix rate",
    ]


def _finish(bench: Bench) -> list[str]:
    told = []
    if bench.epoch_s is not None:
        most = bench.recipe.training.max_epochs
        validated = " and validation" if bench.evaluation is not None else ""
        told += [
            f"an epoch of {bench.steps_an_epoch} steps{validated}: {_clock(bench.epoch_s)}",
            f"at most {most} epochs, as the recipe allows: {_clock(most * bench.epoch_s)}",
        ]
    if bench.finish_s is not None:
        epochs = [member.epochs for member in bench.ended]
        scores = [member.score for member in bench.ended]
        told += [
            f"trained to the natural end in {_clock(bench.finish_s)}: {min(epochs)} to {max(epochs)} epochs,",
            f"  validation {METRICS[bench.recipe.training.select].title}: {100 * min(scores):.1f} to "
            f"{100 * max(scores):.1f} %",
        ]
    return told


def _clock(seconds: float) -> str:
    if seconds < 60:
        return f"{_number(seconds)} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02} h" if hours else f"{minutes}:{rest:02} min"

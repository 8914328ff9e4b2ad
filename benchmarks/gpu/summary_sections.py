"""The sections of the summary: each turns the result file of a part into lines of Markdown."""

from collections.abc import Sequence
from typing import Any

TOP, TOP_OF_ONE = 10, 5  # kernels of a step of ten members, and of one
MOST_LINES = 20
MOST_NAMES = 10

Spread = dict[str, float]


def cell(text: str) -> str:
    """Make a text fit a cell of a table."""
    return text.replace("|", "\\|")


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Format rows as a table of Markdown."""
    return [f"| {' | '.join(row)} |" for row in (header, ["---"] * len(header), *rows)]


def number(value: float) -> str:
    """Format with three significant digits, thousands with a separator."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def spread(values: Spread, factor: float = 1.0) -> str:
    """Format the median with minimum and maximum."""
    low, middle, high = (number(values[name] * factor) for name in ("min", "median", "max"))
    return f"{middle} ({low} to {high})"


def members(count: int) -> str:
    """Name a number of members."""
    return "1 member" if count == 1 else f"{count} members"


def percent(share: float) -> str:
    """Format a share."""
    return f"{100 * share:.1f} %"


def met(good: bool) -> str:
    """Say whether a target is met."""
    return "met" if good else "**missed**"


def machine(found: dict[str, Any]) -> list[str]:
    """Show versions, card and rates."""
    where, known = found["machine"], found["environment"]
    parts = [f"torch {where['torch']}", *(f"{key} {known[key]}" for key in ("triton", "cuda") if key in known)]
    lines = [
        f"{known.get('device', 'device unknown')} · {' · '.join(parts)}",
        "",
        f"{where['cores']} cores of {where['cpu']}, load before {where['load_before']:g}. Chosen: {found['chosen']}.",
    ]
    if "matrix_tflops" in found:
        lines += [
            "",
            f"Matrix products in {found['precision']}: {spread(found['matrix_tflops'])} TFLOP/s. "
            f"Copies, read and written: {spread(found['copy_gb_per_second'])} GB/s.",
        ]
    return lines


def kernels(found: dict[str, Any]) -> list[str]:
    """Show how many comparisons found a kernel equal, and what was wrong with the others."""
    lines = []
    for card in found["cards"]:
        every = card["comparisons"]
        equal = sum(own["equal"] for own in every)
        lines += ["", f"{card['card']}, Triton {card['triton']}: {equal} of {len(every)} comparisons equal."]
        rows = [[own["kernel"], own["format"], cell(own["fault"])] for own in every if not own["equal"]]
        lines += ["", *table(["kernel", "format", "fault"], rows)] if rows else []
        lines += [text for line in card["lines"] for text in ("", line)]
    if not lines:  # the command ended before it had a result
        lines = ["", f"`sertool doctor --device`, exit code {found['exit_code']}:", "", "```"]
        lines += [*found["output"][-MOST_LINES:], "```"]
    return lines[1:]


def tests(found: dict[str, Any]) -> list[str]:
    """Count the tests and name those that failed."""
    failed, absent = found["failed"], found["left_out"]
    lines = [
        f"{found['passed']} passed, {len(failed)} failed, {found['skipped']} skipped in {found['seconds']:.0f} s "
        f"with {found['workers']} at a time{'' if found['finished'] else '; the run was cut off before its end'}."
    ]
    for row in failed[:MOST_NAMES]:
        lines += ["", f"- `{row['test']}`: {_error(row['last_lines'])}"]
    if len(failed) > MOST_NAMES:
        lines += ["", f"- and {len(failed) - MOST_NAMES} more"]
    for row in absent:
        lines += ["", f"- left out: `{row['test']}`: {_error(row['last_lines'])}"]
    return lines


def _error(lines: Sequence[str]) -> str:
    """Return the first line that pytest marks as the error, or the last line."""
    found = next((line for line in lines if line.startswith("E ")), lines[-1] if lines else "")
    return found.removeprefix("E ").strip()


def throughput(rows: list[dict[str, Any]]) -> list[str]:
    """Show rates, ratios, targets and evaluation."""
    shown = []
    for row in rows:
        training = row["training"]
        shown.append(
            [
                _case(row),
                spread(training["utterances_per_second"]),
                number(training["baseline"]["plain_per_second"]),
                spread(training["baseline"]["ratio"]),
                spread(row["step_ms"]),
                percent(training["share_of_matrix_rate"]),
            ]
        )
    header = ["training", "utterances/s", "plain", "ratio", "step, ms", "of the matrix rate"]
    wanted = [[name, target, measured, met(good)] for name, target, measured, good in targets(rows)]
    lines = [
        *table(header, shown),
        "",
        "Median (minimum to maximum) over the rounds; padding does not count as work.",
        "",
        *table(["target", "wanted", "measured", ""], wanted),
    ]
    for row in rows:
        if (evaluation := row["evaluation"]) is not None:
            rate, ratio = spread(evaluation["utterances_per_second"]), spread(evaluation["baseline"]["ratio"])
            lines += ["", f"Evaluation, {_case(row)}: {rate} utterances/s, {ratio} times plain PyTorch."]
        if row["note"]:
            lines += ["", f"{_case(row)}: {row['note']}."]
    return lines


def targets(rows: list[dict[str, Any]]) -> list[tuple[str, str, str, bool]]:
    """Return every target that was measured: its name, what is wanted, the figure, and whether it is met."""
    found = []
    for row in rows:
        wanted, name, training = row["wanted"], _case(row), row["training"]
        ratio, least = training["baseline"]["ratio"], wanted["training"]
        found.append((f"{name}: ratio", f"at least {least:g}", spread(ratio), ratio["median"] >= least))
        if wanted["share"] is not None:
            share, least = training["share_of_matrix_rate"], wanted["share"]
            found.append((f"{name}: matrix rate", f"at least {percent(least)}", percent(share), share >= least))
        if row["finished"] is not None:
            seconds, most = row["finished"]["seconds"], wanted["finish_s"]
            epochs = [own["epochs"] for own in row["finished"]["members"]]
            measured = f"{seconds:.1f} s, one run, {min(epochs)} to {max(epochs)} epochs"
            found.append((f"{name}: to their natural end", f"at most {most:g} s", measured, seconds <= most))
    return found


def _case(row: dict[str, Any]) -> str:
    return f"{row['recipe']}, {members(row['members'])}"


def step(tables: list[dict[str, Any]]) -> list[str]:
    """Show the time of a step, its floor, and the kernels that take longest."""
    lines = []
    for position, found in enumerate(tables):
        floor, time = found["floor_ms"], found["step_ms"]
        what = "a recorded step" if found["recorded"] else "a step"
        kinds = [
            f"{kind} {percent(own['share'])} in {number(own['launches'])} launches"
            for kind, own in found["kinds"].items()
        ]
        lines += [
            *([""] if position else []),
            f"{members(found['members'])}: {what} takes {spread(time)} ms. Floor: {number(floor['both'])} ms, "
            f"{number(floor['products'])} for matrix products (every position computed) and "
            f"{number(floor['adam'])} for Adam's memory; the step takes "
            f"{number(time['median'] / floor['both'])} times that.",
            "",
            f"Profiled: {number(found['busy_ms'])} ms in {number(found['launches'])} launches a step. "
            f"{'; '.join(kinds) or 'The profiler saw no kernel'}.",
            "",
            *_kernels(found["kernels"][: TOP_OF_ONE if position else TOP]),
            *(["", f"{found['note']}."] if found["note"] else []),
        ]
    return lines


def _kernels(rows: list[dict[str, Any]]) -> list[str]:
    shown = [
        [f"`{cell(row['kernel'])}`", number(row["launches"]), number(row["ms"]), percent(row["share"])] for row in rows
    ]
    return table(["kernel", "launches a step", "ms a step", "share"], shown) if shown else []


def without(found: dict[str, Any]) -> list[str]:
    """Show the rate without each part as a share of the rate with everything, and the kernels that do not pay."""
    tables = [one for one in found["tables"] if one["rows"]]
    names = list(tables[0]["rows"])
    shown = []
    for name in names:
        row = [name]
        for one in tables:
            base, own = one["rows"]["nothing"]["utterances_s"]["median"], one["rows"].get(name)
            row.append("" if own is None else _shares(own["utterances_s"], base))
        shown.append(row)
    noises = [f"{members(one['members'])} {percent(one['noise'])}" for one in tables if one["noise"] is not None]
    pays, idle = found["not_worth_it"], bool(found["unused"])
    verdict = (
        "The tables are not complete, so there is no verdict."
        if pays is None
        else "Candidates for deletion, kernels that gain less than 3 % of a step over the noise: "
        f"{', '.join(pays) or 'none'}."
    )
    return [
        *table(["without", *(members(one["members"]) for one in tables)], shown),
        "",
        "Rate as a share of the rate with everything, median (minimum to maximum). "
        f"Noise (the same measured again): {', '.join(noises) or 'not measured'}.",
        "",
        verdict,
        *(["", f"Not used on this device, so nothing is known about them: {', '.join(found['unused'])}."] * idle),
    ]


def _shares(rates: Spread, whole: float) -> str:
    low, middle, high = (f"{rates[name] / whole:.3f}" for name in ("min", "median", "max"))
    return f"{middle} ({low} to {high})"


def log_mel(found: dict[str, Any]) -> list[str]:
    """Show the seconds of recording that are computed in a second."""
    rows = [[name, spread(own)] for name, own in found["times_real_time"].items()]
    lines = table([f"{found['recordings']} recordings of {found['seconds']:.0f} s", "times real time"], rows)
    if "largest_difference" in found:
        lines += ["", f"Largest difference between device and CPU: {found['largest_difference']:.1e}."]
    return [*lines, *_left_out(found)]


def commands(found: dict[str, Any]) -> list[str]:
    """Show the wall time of the commands, and how far the device's figures are from the CPU's."""
    rows = [[name, f"{seconds:.1f} s"] for name, seconds in found["wall_s"].items()]
    apart = [f"{name} {value:.1e}" for name, value in found["largest_difference"].items()]
    return [
        *table(["command", "wall time"], rows),
        "",
        f"Largest difference between device and CPU in fp32: {'; '.join(apart) or 'not measured'}.",
        *_left_out(found),
    ]


def _left_out(found: dict[str, Any]) -> list[str]:
    return [
        text for name, reason in found.get("left_out", {}).items() for text in ("", f"Left out: {name} ({reason}).")
    ]

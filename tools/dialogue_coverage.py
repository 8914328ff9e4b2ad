"""Measure intervals over speakers and over dialogues, and write their table into docs/statistics.md.

Whether a prediction is right depends on the dialogue, as with context, and on the speaker. In calls each speaker is in
one dialogue only; in a series six speakers come in all. The truth is the accuracy of endlessly many dialogues: those of
other speakers, or those of the same.
"""

import argparse
import math
import sys

import numpy as np
from interval_coverage import DOCUMENT
from numpy.typing import NDArray
from tables_in_docs import with_table

from sertool.core.metrics import Jackknife, decision_estimates
from sertool.core.metrics.clusters import clusters_by

ACCURACY = 0.65
CORRELATION = 0.05  # of right predictions within a dialogue, or within a speaker
CALLS, CALL = 50, 20  # dialogues and their utterances, of two speakers each
SCENES, SCENE, CAST = 100, 10, 6  # dialogues, their utterances, and the speakers of all of them
KINDS = {
    "calls": f"{CALLS} calls of {2 * CALLS} speakers",
    "series": f"{SCENES} scenes with {CAST} speakers",
}
EFFECTS = {"dialogue": (1, 0), "speaker": (0, 1), "both": (1, 1)}

Draw = np.random.Generator


def main() -> None:
    """Parse the command line, measure, write the table."""
    parser = argparse.ArgumentParser(prog="python tools/dialogue_coverage.py", description=__doc__)
    parser.add_argument("--trials", type=int, default=1000, help="sets of dialogues a row, default %(default)s")
    text = DOCUMENT.read_text(encoding="utf-8")
    DOCUMENT.write_text(updated(text, parser.parse_args().trials), encoding="utf-8")
    sys.stdout.write(f"{DOCUMENT}: written\n")


def updated(text: str, trials: int) -> str:
    """Return the document with its table measured again."""
    table = (
        f"Intervals that hold the truth, in percent of {trials:,} sets:\n\n"
        "| dialogues | alike within | over speakers: other speakers | over dialogues: other speakers | "
        f"over dialogues: the same speakers |\n{'|---' * 5}|\n"
    )
    for kind, title in KINDS.items():
        for alike in EFFECTS:
            held = measured(kind, alike, trials)
            cells = (held["speaker", "others"], held["dialogue", "others"], held["dialogue", "same"])
            same = "-" if kind == "calls" else f"{100 * cells[2]:.1f}"  # nobody calls again
            table += f"| {title} | {alike} | {100 * cells[0]:.1f} | {100 * cells[1]:.1f} | {same} |\n"
    return with_table(text, "dialogues", "dialogue_coverage", table)


def measured(kind: str, alike: str, trials: int) -> dict[tuple[str, str], float]:
    """Return the share of intervals that hold the truth, by their unit and by the speakers that the truth is of.

    Args:
        kind: ``calls`` or ``series``.
        alike: what makes predictions alike: ``dialogue``, ``speaker`` or ``both``.
        trials: number of sets.
    """
    draw = np.random.default_rng([list(KINDS).index(kind), list(EFFECTS).index(alike)])
    held: dict[tuple[str, str], float] = {}
    for _ in range(trials):
        dialogues, speakers = calls(draw) if kind == "calls" else series(draw)
        right, same = drawn(draw, dialogues, speakers, *EFFECTS[alike])
        names = [f"s{number}" for number in speakers.tolist()]
        for unit, own in (("speaker", names), ("dialogue", [f"d{number}" for number in dialogues.tolist()])):
            jackknife = Jackknife(clusters_by(unit, own, names))
            found = decision_estimates(np.ones(len(right), np.int64), right, 2, jackknife)["accuracy"]
            assert found.low is not None
            assert found.high is not None
            for of, truth in (("others", ACCURACY), ("same", same)):
                held[unit, of] = held.get((unit, of), 0.0) + (found.low <= truth <= found.high) / trials
    return held


def calls(draw: Draw) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Draw (N,) the dialogue and the speaker of each utterance, where nobody calls twice."""
    dialogues = np.repeat(np.arange(CALLS), CALL)
    return dialogues, 2 * dialogues + draw.integers(0, 2, len(dialogues))


def series(draw: Draw) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Draw (N,) the dialogue and the speaker of each utterance, where two of the same few speak in each dialogue."""
    pairs = np.stack([draw.choice(CAST, 2, replace=False) for _ in range(SCENES)])
    dialogues = np.repeat(np.arange(SCENES), SCENE)
    return dialogues, pairs[dialogues, draw.integers(0, 2, len(dialogues))]


def drawn(
    draw: Draw, dialogues: NDArray[np.int64], speakers: NDArray[np.int64], by_dialogue: int, by_speaker: int
) -> tuple[NDArray[np.int64], float]:
    """Draw (N,) which predictions are right, 1 or 0, and return the accuracy of these speakers in other dialogues.

    Dialogues and speakers are better or worse by the same number of points, so that the correlation within is
    ``CORRELATION``; both factors, 0 or 1, say which of them are.
    """
    points = math.sqrt(CORRELATION * ACCURACY * (1 - ACCURACY))
    of_dialogues, of_speakers = (
        factor * points * draw.choice([-1, 1], int(index.max()) + 1)
        for factor, index in ((by_dialogue, dialogues), (by_speaker, speakers))
    )
    chance = ACCURACY + of_dialogues[dialogues] + of_speakers[speakers]
    return (draw.random(len(chance)) < chance).astype(np.int64), ACCURACY + float(of_speakers.mean())


if __name__ == "__main__":
    main()

"""Two published corpora that do not exist, each with a list of its utterances: for what all layouts share."""

from pathlib import Path

from builders import spoken

from sertool.core.errors import DataError
from sertool.core.features.audio import Segment
from sertool.core.prepare.layouts.corpus_layout import CorpusLayout
from sertool.core.prepare.layouts.registry import LAYOUTS
from sertool.core.prepare.rows import Row

LABELS = ("happy", "sad", "excited", "happy", "sad", "excited")


def _layout(name: str, title: str) -> CorpusLayout:
    def rows(folder, found):
        if not (folder / f"{name}.list").is_file():
            raise DataError(f"{folder}: no list of {title}")
        for line in (folder / f"{name}.list").read_text().splitlines():
            id_, speaker, label, score = line.split()
            if label == "broken":
                found.leave_out(id_, "train", "known to be broken")
                continue
            labels = {"emotion": label, "valence": float(score)} if score != "-" else {"emotion": label}
            ratings = {"emotion": {"r1": label, "r2": ("sad", "odd")}}
            yield Row(None, id_, "", "", labels, {"speaker": speaker}, Segment(folder / f"{id_}.wav"), ratings)

    return CorpusLayout(
        name,
        title,
        f"the file {name}.list",
        lambda folder: (folder / f"{name}.list").is_file(),
        rows,
        classes={"emotion": ("happy", "excited", "sad")},
        ranges={"valence": (1, 5)},
    )


def register(monkeypatch) -> None:
    """Make the layouts known to ``--layout``: fake-one and fake-two."""
    for name in ("fake-one", "fake-two"):
        monkeypatch.setitem(LAYOUTS, name, _layout(name, name.replace("-", " ").title()))


def made(folder: Path, name: str = "fake-one", more: str = "") -> Path:
    """Make a folder of one of the corpora: six speakers with an utterance each."""
    lines = [f"u{number} s{number} {label} {number % 5 + 1}" for number, label in enumerate(LABELS)]
    for number in range(len(LABELS)):
        spoken(folder / f"u{number}.wav", 0.2)
    (folder / f"{name}.list").write_text("\n".join(lines) + f"\n{more}")
    return folder

"""Files that the version of commit edc756f wrote, the commands that made them, and how they are compared."""

import csv
import hashlib
import json
import math
import re
import runpy
from pathlib import Path

from safetensors.numpy import load_file

MADE = Path(__file__).parent / "made_before"


# The same commands as in made_before/make.sh.
BANDS = ["--set", "frontend.mel_bands=20"]


TINY = [
    *(
        "--recipe",
        "custom",
        "--device",
        "cpu",
        "--precision",
        "fp32",
        "--set",
        "dataset.path=data/TONES",
        *BANDS,
    ),
    *("--set", "model.hidden_size=4", "--set", "model.ffn_size=4", "--set", "model.num_heads=2"),
    *("--set", "model.num_layers=1", "--set", "model.embedding_size=6", "--set", "training.max_epochs=6"),
    *("--set", "training.batch_size=4", "--set", "training.learning_rate=0.02"),
]


SMALL = ["--recipe", "small.yaml", "--device", "cpu"]


FOLDS = [
    *("--set", "model.architecture=mnt", "--set", "dataset.task=sentiment", "--set", "dataset.num_classes=7"),
    *("--set", "splits.scheme=folds", "--set", "splits.folds=3"),
]


HALTED = [
    *(
        *SMALL,
        "--set",
        "training.max_epochs=60",
        "--set",
        "training.patience=8",
        "--set",
        "training.max_decays=9",
    ),
    *("--set", "training.lr_decay=0.6", "--set", "training.learning_rate=0.006"),
    *("--set", "training.select=f1_weighted", "--set", "splits.scheme=folds", "--set", "splits.folds=3"),
    *("--seeds", "1", "--group-size", "2"),
]


HALTED_FROM = [
    *(*TINY, "--from", "first", "--set", "training.max_epochs=40", "--set", "training.learning_rate=0.003"),
    *(
        "--set",
        "training.select=f1_weighted",
        "--set",
        "splits.valid=train",
        "--seeds",
        "4",
        "--group-size",
        "1",
    ),
]


SAID = ("recordings/s5-1.flac", "Why would YOU do that?")


def on_such_a_machine() -> bool:
    """Check whether this machine computes the same last digits as the one that made the files.

    numpy and torch choose their instructions by the processor, and sum in another order with others: with AVX-512
    switched off, figures of a report differ by 1e-9.
    """
    made_on = json.loads((MADE / "made_on.json").read_text(encoding="utf-8"))
    return runpy.run_path(str(MADE / "machine.py"))["machine"]() == made_on


def alike(now, was, tolerance: float = 1e-5, where: str = "") -> None:
    """Numbers up to the tolerance, relative above 1 and absolute below; all else, order included, exactly."""
    assert type(now) is type(was), where
    if isinstance(was, dict):
        assert list(now) == list(was), where
        for key in was:
            alike(now[key], was[key], tolerance, f"{where}/{key}")
    elif isinstance(was, list):
        assert len(now) == len(was), where
        for place, (one, other) in enumerate(zip(now, was, strict=True)):
            alike(one, other, tolerance, f"{where}/{place}")
    elif isinstance(was, float):
        assert math.isclose(now, was, rel_tol=tolerance, abs_tol=tolerance), f"{where}: {now}, was {was}"
    else:
        assert now == was, where


def plain(path: Path):
    """The content of a file as lists, dicts, texts and numbers."""
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".json":
        return json.loads(text)
    if path.suffix == ".jsonl":
        return [json.loads(line) for line in text.splitlines()]
    return [[number(cell) for cell in row] for row in csv.reader(text.splitlines())]


def number(cell: str) -> float | str:
    try:
        return float(cell)
    except ValueError:
        return cell


def close(*names: str) -> None:
    """Compare results computed from weights, within the rounding of another processor."""
    for name in names:
        was = plain(Path("expected", name))
        alike(as_then(plain(Path("now", name)), was), was, where=name)


# Findings that earlier versions did not look for.
NEW_KINDS = {"speakers-unknown", "few-speakers", "text-cannot-tell", "spellings", "joined-labels"}


def as_then(now, was):
    """``now`` without what a later version adds: keys of its own, and findings that were not looked for."""
    if isinstance(now, dict) and isinstance(was, dict):
        kept = {key: as_then(value, was[key]) for key, value in now.items() if key in was}
        if isinstance(kept.get("warnings"), int):  # the doctor's number of them
            kept["warnings"] -= len(now["findings"]) - len(kept["findings"])
        return kept
    if isinstance(now, list) and isinstance(was, list):
        now = [one for one in now if _kind(one) not in NEW_KINDS]
        return [as_then(*pair) for pair in zip(now, was, strict=True)] if len(now) == len(was) else now
    return now


def _kind(finding) -> object:
    """The kind of a finding, which is a table, or a list of kind, severity and sentence."""
    if isinstance(finding, dict):
        return finding.get("kind")
    return finding[0] if isinstance(finding, list) and finding and isinstance(finding[0], str) else None


# Sentences for a reader may be reworded; all else in a file stays. A finding is a kind, a severity and a sentence.
SENTENCES = (
    re.compile(r'("severity": "[a-z]+",\n +(?:"number": \d+,\n +)?"text": |"advice": )".*"'),
    re.compile(r"^()(about: ).*\n|^(choices:)(\n- .*(\n  .*)*)+", re.MULTILINE),
)


WARNINGS = re.compile(r'("warnings": \[\n)((?: +".*",?\n)+)')


def without_sentences(text: str) -> str:
    """A file's text with the sentences of findings, warnings and a recipe's description left out."""
    text = SENTENCES[0].sub(r'\1""', text)
    text = WARNINGS.sub(lambda found: found[1] + re.sub('".*"', '""', found[2]), text)
    return SENTENCES[1].sub("", text)


def same_figures(name: str, drop: str | None = None) -> None:
    """Compare byte for byte on a machine like the one that made the files, else to 1e-7.

    ``drop`` matches what depends on the time of the call. The sentences of findings are left out.
    """
    now, was = Path("now", name), Path("expected", name)
    now.write_text(json.dumps(as_then(plain(now), plain(was)), indent=2), encoding="utf-8")
    was.write_text(json.dumps(plain(was), indent=2), encoding="utf-8")
    for path in (now, was):
        path.write_text(without_sentences(path.read_text(encoding="utf-8")), encoding="utf-8")
        if drop:
            text, dropped = re.subn(drop, "", path.read_text(encoding="utf-8"))
            assert dropped == 1
            path.write_text(text, encoding="utf-8")
    if not on_such_a_machine():
        alike(plain(now), plain(was), 1e-7, name)
    elif now.read_bytes() != was.read_bytes():
        assert now.read_text(encoding="utf-8").splitlines() == was.read_text(encoding="utf-8").splitlines()
        raise AssertionError(f"{name}: other ends of lines")


# The method of intervals and tests has changed since, and with it what they are over and what they show.
STATISTICS = {
    "low",
    "high",
    "p",
    "holm",
    "mcnemar_holm",
    "verdict",
    "tests",
    "weak",
    "unit",
    "unit_note",
    "clusters",
    "findings",
}
# A temperature that validation cannot tell is not used any more, and what depends on it has changed.
TEMPERED = {"calibration", "confidence", "probabilities", "mae", "pearson", "ccc"}
TEMPERED_ROWS = {"calibration", "bin", "risk"}
# The time of the call, commands whose options have new names, and the utterances of training, now per fold.
WORDING = {"made", "commands", "train", "corpus"}


def same_results(*names: str, tolerance: float = 1e-7) -> None:
    """Compare results to 1e-7, or ``tolerance``, but for statistics, temperatures and additions."""
    for name in names:
        now, was = (plain(Path(folder, name)) for folder in ("now", "expected"))
        if name.endswith(".csv"):
            now, was = by_description(now), by_description(was)
        was = without_statistics(was, was)
        alike(without_statistics(now, was), was, tolerance, name)


NO_SIZE = "no size is stored with the run; sertool ensemble --name "


def without_missing_sizes(name: str) -> None:
    """Leave out what is told of runs of then: that they hold no size of their ensemble."""
    found = plain(Path("now", name))
    rows = [row for task in found.get("tasks", []) for row in task["ours"]]
    assert any(NO_SIZE in row["note"] for row in rows) == bool(rows)
    for row in rows:
        row["note"] = "; ".join(part for part in re.split("; (?!sertool|until)", row["note"]) if NO_SIZE not in part)
    for own in found.get("contenders", []):
        assert own["members"] == 1 or any(NO_SIZE in note for note in own["notes"])
        own["notes"] = [note for note in own["notes"] if NO_SIZE not in note]
    Path("now", name).write_text(json.dumps(found), encoding="utf-8")


def by_description(rows):
    """The value of each row of a report's CSV by the columns that describe it."""
    places = [rows[0].index(one) for one in ("run", "set", "k", "what", "name", "metric")]
    value = rows[0].index("value")
    kept = [row for row in rows[1:] if row[rows[0].index("what")] not in TEMPERED_ROWS]
    return {"/".join(_then(str(row[place]) for place in places)): row[value] for row in kept}


def _then(description) -> list[str]:
    """The description of a row as it was: of the baseline there was the accuracy alone, as that of the majority."""
    *where, what, name, metric = description
    return [*where, *(("majority", "") if (what, metric) == ("baseline", "accuracy") else (what, name)), metric]


def without_statistics(now, was):
    """Return the parts that ``now`` and ``was`` both have, but for statistics and wording."""
    if isinstance(was, dict) and isinstance(now, dict):
        if "majority" in was and "baseline" in now:  # now with all metrics, and of several labels too
            now = {**now, "majority": now["baseline"]["metrics"]["accuracy"] if now["kind"] == "single" else None}
        # In a table the end of a key is the metric.
        kept = [key for key in was if key.rpartition("/")[2] not in STATISTICS | WORDING | TEMPERED]
        return {key: without_statistics(now.get(key), was[key]) for key in kept}
    if isinstance(was, list) and isinstance(now, list) and len(now) == len(was):
        return [without_statistics(*pair) for pair in zip(now, was, strict=True)]
    return now


def same_bytes(*names: str) -> None:
    """Compare files that depend on no rounding."""
    for name in names:
        now, was = (Path(folder, name).read_text("utf-8") for folder in ("now", "expected"))
        if name.endswith(".json"):
            content = json.loads(was.replace('"positive"', '"not negative"'))  # of scores with zeros
            now, was = (json.dumps(one, indent=2) for one in (as_then(json.loads(now), content), content))
        assert without_sentences(now) == without_sentences(was), name


def same_folder(now: Path, was: Path) -> None:
    """All files, byte for byte."""
    assert contents(now) == contents(was)


def same_corpus(now: Path, was: Path) -> None:
    """All files of a corpus, byte for byte, but for what older ones do not hold: hashes, places in dialogues, and where
    recordings lie.
    """
    ours = contents(now)
    for name in ("recordings.json", "sounds.safetensors"):
        ours.pop(name, None)
    header = json.loads(ours.pop("corpus.json"))
    hashes = header.pop("sha256")
    assert header == plain(was / "corpus.json")
    assert hashes == {name: hashlib.sha256(content).hexdigest() for name, content in ours.items()}
    ours["utterances.jsonl"] = without_places(ours["utterances.jsonl"])
    assert ours == {name: content for name, content in contents(was).items() if name != "corpus.json"}


def without_places(lines: bytes) -> bytes:
    """Utterances without their places in dialogues; no text in these corpora looks like one."""
    return re.sub(rb', "(order|start|end)": [-0-9.]+', b"", lines)


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in files(folder)}


def files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def times(folder: Path) -> dict[str, int]:
    return {str(path.relative_to(folder)): path.stat().st_mtime_ns for path in files(folder)}


def same_arrays(now: Path, was: Path, tolerance: float, skip: tuple[str, ...] = ()) -> None:
    ours, theirs = load_file(now), load_file(was)
    assert list(ours) == list(theirs)
    for name in set(theirs) - set(skip):
        assert (ours[name].dtype, ours[name].shape) == (theirs[name].dtype, theirs[name].shape)
        assert abs(ours[name] - theirs[name]).max() <= tolerance, name


def same_weights(now: Path, was: Path) -> None:
    """Compare trained weights to 1e-3: a step of this version and one of then differ in rounding, and steps add it up.

    Biases before a softmax change nothing. Their gradient is rounding alone, which Adam makes as large as any other.
    """
    idle = tuple(name for name in load_file(was) if name.endswith(("score.outer.bias", "key.bias")))
    same_arrays(now, was, 1e-3, idle)


def check_temperatures() -> None:
    """Mark the temperatures of then as checked; this version uses no other, and its figures shall be compared."""
    for path in Path("ckpt").glob("*/calibration.json"):
        path.write_text(json.dumps({**plain(path), "calibrated": True}), encoding="utf-8")


def without_remarks(name: str) -> None:
    """Leave out what this version says besides: a fault of a recording's file, and these have none; what inputs lack.

    An input that lacks something was called calibrated then.
    """
    found = plain(Path("now", name))
    assert (found.pop("calibrated"), found.pop("uncalibrated")) == (True, "")
    for prediction in found["predictions"]:
        assert prediction.pop("remark") == ""
        assert prediction.pop("uninformed") is False
        assert prediction["calibrated"] == (not prediction.pop("lacking"))
        assert prediction["calibrated"] == (not prediction.pop("uncalibrated"))
        prediction["calibrated"] = True
    Path("now", name).write_text(json.dumps(found), encoding="utf-8")

"""Runs without training in a report: where their predictions come from, and what nobody knows of them."""

from collections.abc import Iterator, Mapping

from sertool.core.corpora.class_maps import MapNote
from sertool.core.corpora.corpus import caveats_of
from sertool.core.formatting import plural
from sertool.core.reports.load import Loaded
from sertool.core.runs.imported import CORPUS, LABELS, UNKNOWN, Imported

NO_PROBABILITIES = "labels alone were imported, and they have no probabilities"
NO_VALIDATION = "no predictions on validation are stored beside these"
UNKNOWN_TRAINING = f"{UNKNOWN}: the judged utterances, or their speakers, may have been in its training"


def imported_findings(imported: Imported) -> Iterator[tuple[str, str]]:
    """Yield kind and sentence of each finding on where predictions come from."""
    if imported.training is None and not imported.trained_on:
        yield "training-unknown", UNKNOWN_TRAINING
    elif not imported.seen:  # which is a finding of its own
        yield "training-stated", imported.stated
    if imported.no_test_split:
        yield "no-test-split", imported.no_test_split
    if imported.answers == LABELS:
        yield "no-probabilities", f"{NO_PROBABILITIES}, so calibration and confidence are not known"


def imported_provenance(run: Loaded, calibration: Mapping[str, str]) -> dict[str, str]:
    """Collect what a reader needs to compare the figures of imported predictions with others, by name.

    Args:
        run: the run, of imported predictions.
        calibration: origin of the temperature, or why there is none, by name; of scores their ranges.
    """
    origin, imported = run.origin, run.imported
    assert imported is not None
    spoken = run.main.spoken
    noted = caveats_of(spoken, synthetic=origin.synthetic, machine_text=origin.machine_text)
    made = dict(origin.made)
    judged = "all utterances with a label" if imported.split == "all" else f"the {imported.split} split"
    found = {
        {CORPUS: "run"}.get(imported.kind, imported.kind): imported.source,
        "training": imported.training or UNKNOWN,
        "trained on": ", ".join(imported.trained_on),
        "licence": imported.licence or "",
        "answers": imported.answers,
        "corpus": f"{origin.dataset}{f' ({noted})' if noted else ''}: {plural(len(spoken), 'utterance')}, {judged}",
        "data hash": origin.data_hash,
        **map_facts(imported),
        **calibration,
        "stored": made.pop("time", ""),
        **made,
    }
    return {name: text for name, text in found.items() if text}


def map_facts(imported: Imported) -> dict[str, str]:
    """Return what a label map did, as a text by name; empty without one."""
    if imported.map is None:
        return {}
    note = MapNote.from_json({"left_out": [], "absent": [], **imported.map})
    return {"label map": "; ".join([*note.lines, f"sha256 {note.sha256[:12]}"])}

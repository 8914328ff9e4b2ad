"""``train --from``: open the earlier run, check that it fits, and count the test utterances it has seen."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from sertool.core.corpora.fingerprints import seen_by_fold, unpack
from sertool.core.errors import DataError, UsageError
from sertool.core.features.frontend import note_of
from sertool.core.files.reference_checkpoints import is_reference_folder
from sertool.core.formatting import names_of, plural
from sertool.core.recipe.frontends import TextEncoder, layers_in
from sertool.core.runs.contents import CORPUS, read_note
from sertool.core.runs.experiment import Experiment, FoldInputs
from sertool.core.runs.folder import check_folder
from sertool.core.runs.members import Trained, open_runs, stack_of
from sertool.core.runs.plan import Plan, is_started
from sertool.core.runs.reference import open_reference
from sertool.core.runs.transfer_weights import (
    Start,
    StartingMember,
    StartSource,
    check_seen,
    read_members,
    read_source,
    shared_classes,
    shared_rows,
    weights_hash,
)

# Settings that must be the same, because they decide the shapes of the weights or how these are used.
SIZES = ("architecture", "hidden_size", "ffn_size", "num_heads", "num_layers", "embedding_size")


def prepare_start(plan: Plan, inputs: Sequence[FoldInputs], data: Path) -> tuple[Start, list[str]]:
    """Open the weights that unfinished members start from; returns them and notes for the user.

    A training that has begun has its own copy of the weights. Its source is read again only for members that join
    later and need other weights; it must then be unchanged.

    Raises:
        UsageError: the source does not fit the recipe, or has seen the test set of an honest recipe.
        DataError: a file is missing, damaged, or has changed.
    """
    assert plan.source is not None
    experiment = plan.experiment
    source = read_source(plan.folder) if is_started(plan.folder) else None
    seeds = [member.seed for place, member in enumerate(plan.members) if place not in plan.done]
    if source is not None:
        start = Start(source, read_members(plan.folder), stored=True)
        needed = {start.place(seed) for seed in seeds}
        if needed <= set(start.members):
            for place in needed:
                _check_hash(start, place, plan.folder)
            return start, _seen_notes(source, check_seen(experiment, source))
    trained, seen = _open(plan.source, plan.folder, data)
    _check_target(plan.source, trained, experiment)
    _check_sizes(plan.source, trained, experiment)
    known = source or StartSource(
        plan.source,
        experiment.recipe.training.seed,
        trained.task.name,
        trained.task.classes,
        tuple(trained.recipe.dataset.modalities),
        tuple((member.name, weights_hash(member.weights)) for member in trained.members),
        seen,
    )
    shared = check_seen(experiment, known)
    start = _pick(Start(known, {}), seeds, trained, plan)
    return start, [*_notes(experiment, inputs, start, trained), *_seen_notes(known, shared)]


def _pick(start: Start, seeds: Sequence[int], trained: Trained, plan: Plan) -> Start:
    """Pick the weights that the seeds start from, and check that they have not changed since the training began."""
    there = {member.name: member for member in trained.members}
    members = {}
    for place in sorted({start.place(seed) for seed in seeds}):
        name, hashed = start.source.members[place]
        member = there.get(name)
        if member is None or weights_hash(member.weights) != hashed:
            raise DataError(
                f"--from {start.source.name}: {name} has changed since {plan.folder} started from it",
                hint="choose another --name to start from its current weights",
            )
        stack_of(trained, (member,))  # raises if the weights do not fit the architecture
        members[place] = StartingMember(member.weights, trained.inputs[member.fold].vocabulary)
    return Start(start.source, members)


def _check_hash(start: Start, place: int, folder: Path) -> None:
    if weights_hash(start.members[place].weights) != start.source.members[place][1]:
        raise DataError(
            f"{folder / 'state/start.safetensors'}: damaged (its weights do not match their hash)",
            hint="delete it: the weights are then read from the earlier run again",
        )


def _open(name: str, folder: Path, data: Path) -> tuple[Trained, frozenset[bytes]]:
    """Open a source, beside ``folder`` or at a path; returns its members and the hashes of what they have seen."""
    beside = folder.parent / name  # a name beside the new run wins over a path
    source = beside if beside.is_dir() or not Path(name).is_dir() else Path(name)
    if not is_reference_folder(source):
        check_folder(source, folder.parent)
    return open_with_seen(source, data)


def open_with_seen(source: Path, data: Path) -> tuple[Trained, frozenset[bytes]]:
    """Open the members in a folder, with the hashes of the utterances that they were trained or selected on.

    Args:
        source: folder of a run, or of the reference's checkpoints.
        data: folder of the corpora; needed only by the reference's checkpoints.

    Raises:
        UsageError: no run is finished.
        DataError: a file is missing or damaged, or does not hold the hashes.
    """
    if is_reference_folder(source):
        trained, experiment = open_reference(source, data)
        return trained, _union(seen_by_fold(experiment.corpus, experiment.folds))
    trained = open_runs(source)
    seen = read_note(source).seen
    if seen is None:
        raise DataError(
            f"{source / CORPUS}: does not say which utterances its members have seen; it comes from an older sertool",
            hint=f"train {source.name} again, or choose another run",
        )
    earlier = read_source(source)
    # What the source itself started from has seen counts as well, over any number of runs.
    return trained, _union(seen) | (earlier.seen if earlier is not None else frozenset())


def _union(packed: Sequence[str]) -> frozenset[bytes]:
    return frozenset().union(*(unpack(text) for text in packed))


def _check_target(name: str, trained: Trained, experiment: Experiment) -> None:
    """Refuse to start a training for scores from a run for classes, and the reverse."""
    theirs, ours = trained.task, experiment.task
    if (theirs.kind == "scores") == (ours.kind == "scores"):
        return
    kinds = ("scores", "classes") if theirs.kind == "scores" else ("classes", "scores")
    raise UsageError(
        f"--from {name}: it predicts {kinds[0]} ({names_of(theirs.classes)}), the recipe predicts {kinds[1]} "
        f"({names_of(ours.classes)})",
        hint=f"start from a run for {kinds[1]}",
    )


def _check_sizes(name: str, trained: Trained, experiment: Experiment) -> None:
    """Refuse a source whose weights have other shapes; rows of the embedding and of the classifier may differ."""
    theirs, ours, corpus = trained.recipe, experiment.recipe, experiment.corpus
    if not set(theirs.dataset.modalities) & set(ours.dataset.modalities):
        (has,), (lacks,) = theirs.dataset.modalities, ours.dataset.modalities
        raise UsageError(
            f"--from {name}: was trained on {has} alone, and the recipe trains on {lacks} alone",
            hint=f"--set dataset.modalities=[text,audio] trains {lacks} from scratch beside its {has}",
        )
    frames = corpus.text_frames.width if corpus.text_frames is not None else None
    probes = not theirs.model.hidden_width and not ours.model.hidden_width
    sizes: tuple[str, ...] = ("embedding_size",) if probes else SIZES
    if probes and theirs.context is not None and ours.context is not None:
        sizes = ("embedding_size", "hidden_size")  # of the context's layer, the only hidden one
    keys = {key: (getattr(theirs.model, key), getattr(ours.model, key)) for key in sizes}
    if trained.text_width is not None or frames is not None:  # text as frames has no embedding
        del keys["embedding_size"]
    differing = {f"model.{key}": pair for key, pair in keys.items() if pair[0] != pair[1]}
    listed = [f"{key} {there} (recipe: {here})" for key, (there, here) in differing.items()]
    if trained.audio_width != corpus.audio.width:
        listed.append(f"audio frames of {trained.audio_width} values ({corpus.name}: {corpus.audio.width})")
    if trained.text_width != frames:
        listed.append(f"text as {_text(trained.text_width)} ({corpus.name}: {_text(frames)})")
    for key, there, here in (
        ("frontend", theirs.frontend, ours.frontend),
        ("text_frontend", theirs.text_frontend, ours.text_frontend),
    ):
        if layers_in(there) != layers_in(here):
            listed.append(f"{key}.layer of {plural(layers_in(there), 'layer')} (recipe: {layers_in(here)})")
    if not listed:
        return
    hints = []
    if differing:
        hints.append(" ".join(f"--set {key}={there}" for key, (there, _) in differing.items()))
    if len(listed) > len(differing):
        hints.append("frames must come from the same frontend")
    raise UsageError(f"--from {name}: its weights have other sizes: {'; '.join(listed)}", hint="; ".join(hints))


def _text(width: int | None) -> str:
    return "words" if width is None else f"frames of {width} values"


def _notes(experiment: Experiment, inputs: Sequence[FoldInputs], start: Start, trained: Trained) -> list[str]:
    """Describe which words and classes keep their weights, and which start untrained."""
    source, ours = start.source, experiment.recipe
    number = len(source.members)
    parts = []
    if trained.text_width is None and {"text"} <= {*ours.dataset.modalities} & {*source.modalities}:
        vocabulary = inputs[0].vocabulary
        shared = shared_rows(vocabulary, start.members[min(start.members)].vocabulary, words=True)
        # Without padding and the unknown word, which every vocabulary has.
        parts.append(f"{len(shared) - 2} of {vocabulary.rows - 2} words known to it")
    classes = experiment.task.classes
    known = [classes[row] for row in shared_classes(source, experiment.task)]
    new = [name for name in classes if name not in known]
    kind = "scores" if experiment.task.kind == "scores" else "classes"
    parts += [f"{kind} known: {', '.join(known)}"] if known else []
    parts += [f"new: {', '.join(new)}"] if new else []
    notes = [f"starting from {source.name} ({plural(number, 'member')}, best first): " + "; ".join(parts)]
    notes += [
        f"{source.name} was trained without {modality}: its layers start untrained"
        for modality in ours.dataset.modalities
        if modality not in source.modalities
    ]
    theirs = trained.recipe
    made: dict[str, tuple[Mapping[str, Any], Mapping[str, Any]]] = {
        "audio": (
            {**note_of(theirs.frontend), "standardize": theirs.dataset.standardize},
            {**note_of(ours.frontend), "standardize": ours.dataset.standardize},
        )
    }
    if isinstance(theirs.text_frontend, TextEncoder) and isinstance(ours.text_frontend, TextEncoder):
        made["text"] = note_of(theirs.text_frontend), note_of(ours.text_frontend)
    for modality, (before, now) in made.items():
        changed = [f"{key} {before.get(key)} (here {now[key]})" for key in now if before.get(key) != now[key]]
        if changed and modality in ours.dataset.modalities:
            notes.append(f"{source.name} was trained on other {modality} frames: {', '.join(changed)}")
    return notes


def _seen_notes(source: StartSource, shared: Mapping[str, tuple[int, int]]) -> list[str]:
    """Warn if the source has seen test or validation utterances of the new members."""
    return [
        f"warning: {source.name} was trained or selected on {seen} of the {of} {name} utterances: {meaning}"
        for name, meaning in (
            ("test", "figures on them are optimistic"),
            ("valid", "validation scores are optimistic"),
        )
        for seen, of in [shared[name]]
        if seen
    ]

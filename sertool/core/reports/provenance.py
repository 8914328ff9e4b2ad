"""Provenance of a run's figures, as texts in the order to show them, and the commands that reproduce them."""

from collections.abc import Mapping
from pathlib import Path

from sertool.core.command_line import command_line
from sertool.core.corpora.class_maps import MapNote
from sertool.core.corpora.corpus import caveats_of
from sertool.core.formatting import plural
from sertool.core.recipe import load as recipes
from sertool.core.recipe.schema import Model, Recipe
from sertool.core.reports.load import Loaded
from sertool.core.reports.wording import utterances_of
from sertool.core.runs.ensemble_size import EnsembleSize
from sertool.core.runs.prediction_files import Origin, StoredSet

# Known without any label, but not by a model that hears one recording of a stranger.
NORMALISED = "the test speakers' own recordings were used to normalise frames, without labels"
BY_CORPUS = "frames were normalised by corpus"
HELD_OUT = "all frames of a corpus that is held out were used to normalise it, without labels"


def caveats(stored: StoredSet) -> str:
    """Return the caveats shown beside the name of the data set, as ``synthetic speech``; often empty."""
    origin = stored.origin
    return caveats_of(stored.spoken, synthetic=origin.synthetic, machine_text=origin.machine_text)


def trained_on(origin: Origin) -> str:
    """Say on how many utterances a run was trained, per fold as far as that is known."""
    sizes = origin.train_sizes
    return utterances_of(sizes) if sizes else f"parts of {plural(origin.counts.get('train', 0), 'utterance')}"


def input_notes(recipe: Recipe) -> list[str]:
    """Say which encoders make a run's frames, what context it sees, and of normalising by speaker; often nothing."""
    notes = [f"{name} frames of {own}" for name, own in recipe.encoders.items()]
    notes += [f"context: {recipe.context.title}"] if recipe.context else []
    return [*notes, own] if (own := normalised(recipe)) else notes


def normalised(recipe: Recipe) -> str:
    """Say which frames normalised those of the test utterances besides the training's; empty where none did."""
    if recipe.dataset.by_speaker:
        return NORMALISED
    if recipe.dataset.by_corpus:
        return f"{BY_CORPUS}: {HELD_OUT}" if holds_out_corpora(recipe) else BY_CORPUS
    return ""


def holds_out_corpora(recipe: Recipe) -> bool:
    """Check whether test utterances come from a corpus without training utterances."""
    return recipe.splits.group == "corpus" and recipe.splits.scheme == "folds"


def provenance(run: Loaded, calibration: Mapping[str, str], size: EnsembleSize) -> dict[str, str]:
    """Collect what a reader needs to compare these figures with others, by name.

    Args:
        run: the run.
        calibration: origin of the temperature, or why the run is uncalibrated, by name; of scores their ranges, and
            the origin of their intervals.
        size: number of averaged members.
    """
    origin, recipe = run.origin, run.recipe
    members = run.main.predictions.members
    model, training = recipe.model, recipe.training
    counts = ", ".join(f"{name} {number:,}" for name, number in origin.counts.items() if number)
    if origin.folds > 1:  # every utterance is in train, valid and test of some fold
        counts = f"{plural(origin.counts.get('test', 0), 'utterance')} in {origin.folds} folds, trained on "
        counts += trained_on(origin)
    doctor = "not run" if origin.doctor is None else "; ".join(one[-1] for one in origin.doctor if one)
    noted = caveats(run.main)
    made = dict(origin.made)  # versions and device, with the time under a name of its own
    found = {
        "recipe": f"{origin.recipe_name}: {recipe.about}",
        "protocol": origin.protocol,
        "corpus": f"{origin.dataset}{f' ({noted})' if noted else ''}: {counts}",
        "label map": _label_map(origin),
        "division": _division(recipe, origin.folds),
        "data hash": origin.data_hash,
        "modalities": ", ".join(recipe.dataset.modalities),
        "encoders": "; ".join(f"{name}: {own}" for name, own in recipe.encoders.items()),
        "standardised": normalised(recipe),
        "model": _model(model),
        "context": recipe.context.title if recipe.context else "",
        "word vectors": recipe.dataset.vectors,
        "training": (
            f"batch {training.batch_size}, learning rate {training.learning_rate:g}, {training.optimizer}, "
            f"{training.schedule}, at most {training.max_epochs} epochs, best epoch by {training.select}"
        ),
        "members": ", ".join(member.name for member in members),
        "started from": origin.started_from or "random numbers",
        "seconds of training": "" if run.seconds is None else f"{run.seconds:,.0f}",
        "size": size.explained,
        **calibration,
        "doctor": doctor or "no findings",
        "predicted": made.pop("time", ""),
        **made,
        "choices": " ".join(recipe.choices),
    }
    return {name: text for name, text in found.items() if text}  # without what is unknown


def _label_map(origin: Origin) -> str:
    """Say through which label map the labels were read, and what fell out; empty without one."""
    facts = origin.imported.map if origin.imported is not None else origin.map
    return "" if facts is None else "; ".join(MapNote.from_json(facts).lines).removeprefix("label map ")


def _model(model: Model) -> str:
    if not model.hidden_width:
        return f"{model.title}, embedding {model.embedding_size}"
    return (
        f"{model.title}, hidden size {model.hidden_size}, feed-forward {model.ffn_size}, "
        f"{plural(model.num_heads, 'head')}, {plural(model.num_layers, 'layer')}, embedding {model.embedding_size}"
    )


def _division(recipe: Recipe, folds: int) -> str:
    splits = recipe.splits
    if splits.scheme == "folds":
        if splits.group == "fold":
            return f"the {folds} folds that came with the corpus"
        return f"{folds} folds by {splits.group}, seed {splits.seed}"
    if splits.scheme == "holdout":
        own = ", ".join(splits.valid_groups) if splits.valid_groups else f"{100 * splits.valid_fraction:g} %"
        return f"validation ({own}) cut from training by {splits.group}, seed {splits.seed}"
    same = ", which is the test split" if splits.valid == splits.test else ""
    return f"the corpus's own splits; validation is {splits.valid!r}{same}"


def commands(run: Loaded, size: EnsembleSize, output: Path, data: Path, command: str) -> tuple[str, ...]:
    """Return the commands that train the run, evaluate it and report on it; of imported predictions the last one."""
    named, splits = ("--name", run.name), ",".join(sorted(run.sets, reverse=True))
    members = ["--members", str(size.k)] if size.chosen_by == "user" else []
    probe = ["--probe"] * any(run.probes.values())
    evaluate = command_line("ensemble", *named, "--split", splits, *members, *probe, data=data, output=output)
    train = [] if run.is_reference else [_train_command(run, output, data)]
    reported = command or command_line("report", *named, data=data, output=output)
    return (*train, evaluate, reported) if run.imported is None else (reported,)


def _train_command(run: Loaded, output: Path, data: Path) -> str:
    """Return the training command: with the shipped recipe if it is the run's own, else with that of its folder."""
    name = run.origin.recipe_name
    shipped = name in recipes.names() and recipes.load(name, users_path=recipes.USERS_PATH) == run.recipe
    words = ["--recipe", name if shipped else str(run.folder / "recipe.yaml")]
    if run.name != name:
        words += ["--name", run.name]
    seeds, training = list(run.seeds), run.recipe.training
    if seeds and seeds != list(range(training.seed, training.seed + training.runs)):
        words += ["--seeds", ",".join(map(str, seeds))]
    if run.origin.started_from is not None:
        words += ["--from", run.origin.started_from]
    return command_line("train", *words, data=data, output=output)

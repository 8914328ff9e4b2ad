"""Tiny trained ensembles, and `sertool export` on them."""

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch
from builders import CPU, NO_DROPOUT, make_corpus, member_state, open_tiny, tiny_recipe
from typer.testing import CliRunner

from sertool.cli import app
from sertool.core.corpora.tasks import Task
from sertool.core.corpora.vocabulary import Vocabulary
from sertool.core.export import check as bundle_check
from sertool.core.export.check import torch_logits
from sertool.core.export.onnx_ensemble import ensemble_model
from sertool.core.models.build import DataSizes, build, initialise
from sertool.core.runs.experiment import FoldInputs
from sertool.core.runs.members import Trained, TrainedMember, stack_of
from sertool.core.runs.plan import plan_training
from sertool.core.runs.train import train_recipe
from sertool.core.training.batches import Standardization

CLIPS = bundle_check.CLIPS


CLASSES = ("angry", "happy", "sad")


def make_trained(
    *,
    architecture="mat",
    folds=1,
    members=2,
    rule="name",
    text_width=None,
    audio_width=5,
    layers=0,
    ranges=(),
    context=None,
    **dataset,
) -> Trained:
    """Random members; fold f has a vocabulary of its own, in another order and of another size.

    With ``layers``, audio frames hold so many layers of an encoder. With ``ranges``, the classes are scores, which each
    fold standardises by its own mean and deviation.
    """
    if ranges:
        rule, dataset = "scores", {"target": "scores", **dataset}
    encoder = {"frontend": {"model": "here", "layer": list(range(layers))}} if layers else {}
    recipe = tiny_recipe(
        dataset=dataset,
        model={"architecture": architecture, "num_layers": 2, **NO_DROPOUT},
        context=context,
        **encoder,
    )
    random = np.random.default_rng(0)
    inputs = []
    for fold in range(folds):
        words = [f"word{number}" for number in range(10 + fold)][:: 1 if fold % 2 else -1]
        statistics = Standardization(
            tuple(random.normal(size=audio_width).tolist()),
            tuple(random.uniform(0.5, 2, audio_width).tolist()),
        )
        given = statistics if recipe.dataset.by_training_frames else None
        middles = tuple((low + high) / 2 + fold for low, high in ranges)
        scores = Standardization(middles, tuple((high - low) / 4 for low, high in ranges)) if ranges else None
        inputs.append(FoldInputs(Vocabulary.build([words]), given, scores))
    found = []
    for fold, own in enumerate(inputs):
        model = build(
            recipe.model,
            DataSizes(
                text_rows=own.vocabulary.rows if text_width is None else None,
                text_width=recipe.model.embedding_size if text_width is None else text_width,
                audio_width=audio_width,
                num_classes=len(CLASSES),
                audio_layers=max(layers, 1),
            ),
            members,
            recipe.context,
        )
        initialise(model, range(10 * fold, 10 * fold + members), [None] * members)
        if context and context["speakers"]:  # it starts at 0
            model.context.relation.weight.data.normal_(generator=torch.Generator().manual_seed(fold))
        if layers:
            model.audio_encoder.mix.weight.data.normal_(generator=torch.Generator().manual_seed(fold))
        found += [TrainedMember(f"run-{m}-{fold}", fold, 0.5, member_state(model, m)) for m in range(members)]
    task = Task(", ".join(CLASSES) if ranges else "emotion", CLASSES, rule, ranges)
    return Trained("made", recipe, task, tuple(inputs), tuple(found), audio_width, text_width, "TINY", False)


def session_of(trained: Trained, temperature: float = 1.0, *, with_frontend: bool = False):
    model = ensemble_model(trained, trained.members, temperature, with_frontend=with_frontend)
    onnx.checker.check_model(model, full_check=True)
    return onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])


def judge_of(trained: Trained, trial):
    return torch_logits(trained, stack_of(trained, trained.members), trained.members, trial)


def everyday(cache: list = []):  # noqa: B006
    if not cache:
        trained = make_trained()
        cache.append((trained, session_of(trained), stack_of(trained, trained.members)))
    return cache[0]


def train_tiny(folder: Path, *, audio_width: int, text_frames: int = 0, **sections) -> None:
    recipe = tiny_recipe(**sections)
    corpus = make_corpus(width=audio_width, text_frames=text_frames)
    experiment, _ = open_tiny(folder / "data", recipe, corpus)
    plan = plan_training(experiment, folder / "ckpt" / recipe.name, range(1, 4), None, CPU)
    for _ in train_recipe(plan, folder / "data", CPU):
        pass


def run(folder: Path, *arguments: str):
    places = ["--data", str(folder / "data"), "--output", str(folder / "ckpt")]
    return CliRunner().invoke(app, ["export", "--name", "tiny", *places, *arguments])


def message(result) -> str:
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result.stderr

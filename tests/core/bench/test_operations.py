"""Operations counted on paper, random corpora, turns and their ratios."""

from pathlib import Path

import pytest
import torch
from bench_workloads import tiny_workload
from builders import CPU, NO_DROPOUT, make_inputs, tiny_recipe
from torch.utils.flop_counter import FlopCounterMode

from sertool.core.bench.operations import Positions, forward_operations, training_operations
from sertool.core.bench.random_corpus import random_corpus
from sertool.core.bench.turns import Comparison, Turn, compare
from sertool.core.bench.workload import fill, open_workload
from sertool.core.errors import UsageError
from sertool.core.models.build import DataSizes, build, initialise
from sertool.core.models.kernels.noise import Noise
from sertool.core.recipe.load import load, names
from sertool.core.reports.expected import published_recipes

PUBLISHED = [name for name in names() if name.endswith("-tuned")] + [recipe.name for recipe in published_recipes()]


SIZES = DataSizes(text_rows=30, text_width=6, audio_width=5, num_classes=3)


# Operations
def counted(architecture: str, text_lengths: list[int], audio_lengths: list[int]) -> tuple[float, float]:
    """Count operations by torch, of a forward pass and of forward and backward, for utterances of these lengths."""
    recipe = tiny_recipe(model={**NO_DROPOUT, "architecture": architecture, "num_layers": 2, "ffn_size": 12})
    model = build(recipe.model, SIZES, 1)
    initialise(model, [1], [None])
    text = torch.zeros(1, len(text_lengths), max(text_lengths), dtype=torch.int64)
    audio = torch.zeros(1, len(audio_lengths), max(audio_lengths), 5)
    for row, (words, frames) in enumerate(zip(text_lengths, audio_lengths, strict=True)):
        text[0, row, :words] = torch.arange(1, words + 1)
        audio[0, row, :frames] = 1
    with FlopCounterMode(display=False) as forward:
        logits = model(make_inputs(text, audio), Noise(0))
    with FlopCounterMode(display=False) as backward:
        logits.sum().backward()
    flops = forward.get_total_flops()
    return flops, flops + backward.get_total_flops()


@pytest.mark.parametrize("architecture", ["mat", "mnt", "linear"])
@pytest.mark.parametrize(("words", "frames"), [(4, 9), (6, 6), (1, 1)])
def test_the_operations_are_those_that_torch_counts(architecture, words, frames):
    recipe = tiny_recipe(model={"architecture": architecture, "num_layers": 2, "ffn_size": 12})
    each = Positions.padded(words, frames)
    forward, both = counted(architecture, [words] * 3, [frames] * 3)
    assert 3 * forward_operations(recipe.model, SIZES, each) == forward
    # The audio's gradient, and that of the recurrent weight at the last step, are what is counted too much; in a
    # linear probe, that of the shares of frames, which are no parameters.
    inputs = 4 * (2 * 5 * frames + 6 * words) if architecture == "linear" else 2 * 4 * 8 * 5 * frames
    assert both == pytest.approx(3 * (training_operations(recipe.model, SIZES, each) - inputs), rel=0.01)


def test_random_data_do_not_stand_in_for_an_encoder(tmp_path):
    recipe = load("iemocap", ["text_frontend.model=here"])
    with pytest.raises(UsageError, match=r"log-mels and words, not the states of an encoder$"):
        open_workload(recipe, tmp_path, CPU)


def test_positions_are_means_over_utterances():
    real = Positions.real(torch.tensor([2, 4]), torch.tensor([10, 20]))
    assert (real.text, real.audio) == (3, 15)
    assert (real.text_pairs, real.audio_pairs, real.cross_pairs) == (10, 250, 50)
    assert Positions.padded(4, 20) == Positions.real(torch.tensor([4]), torch.tensor([20]))


def test_the_count_of_the_published_model():
    """2 operations a weight and position, nearly: the 13 million weights of products that see positions."""
    recipe = load("iemocap")
    sizes = DataSizes(text_rows=3000, text_width=300, audio_width=80, num_classes=4)
    operations = forward_operations(recipe.model, sizes, Positions.padded(15, 40))
    assert operations == pytest.approx(0.77e9, rel=0.1)


# Turns
def test_the_ratio_is_taken_pair_by_pair():
    plain = [Turn(10.0, 10.0), Turn(20.0, 10.0), Turn(10.0, 10.0)]
    ours = [Turn(30.0, 20.0), Turn(30.0, 20.0), Turn(20.0, 20.0)]
    row = Comparison(2, plain, ours).row()
    assert row["ratio"] == {"min": 1.5, "median": 2.0, "max": 3.0}
    assert row["cpu_ratio"] == {"min": 2.0, "median": 2.0, "max": 2.0}
    assert row["pairs"] == [[10.0, 30.0], [20.0, 30.0], [10.0, 20.0]]


def test_sides_take_turns_and_the_first_pair_warms_up():
    order = []

    def turn(name: str) -> int:
        order.append(name)
        return 1

    result = compare(1, lambda: turn("plain"), lambda: turn("sertool"), 2, torch.device("cpu"))
    assert order == ["plain", "sertool"] * 3
    assert len(result.plain) == len(result.sertool) == 2


# Workloads
@pytest.mark.parametrize("name", PUBLISHED)
def test_every_published_recipe_has_a_workload(name, small):
    recipe = load(name)
    work = open_workload(recipe, Path("nowhere"), CPU)
    assert work.generated
    assert work.tables.audio.shape[1] == recipe.dataset.max_audio_length
    assert work.experiment.recipe.dataset.vectors == "none"
    # Every class is there, and nothing but the label says that it is so.
    targets = [work.experiment.targets[row] for row in work.train.tolist()]
    kinds = {target.index(1) if isinstance(target, tuple) else target for target in targets}
    assert len(kinds) >= min(4, len(work.experiment.task.classes))


@pytest.mark.slow
def test_the_sizes_are_those_of_the_published_corpora(monkeypatch):
    monkeypatch.setattr("sertool.core.bench.random_corpus._Content.frames", lambda *_: 0)
    monkeypatch.setattr("sertool.core.bench.random_corpus.Frames.join", lambda arrays, width: None)
    for name, counts in (
        ("iemocap", {"train": 4446, "test": 1085}),
        ("mosei-2", {"train": 16327, "valid": 1871, "test": 4662, "private": 1800}),
        ("vgaf", {"train": 2000, "valid": 500}),
    ):
        assert random_corpus(load(name)).counts() == counts


def test_the_content_tells_the_class_and_sometimes_a_wrong_one():
    """The nearest class mean of the frames is right for most utterances, and wrong for a part."""
    corpus = random_corpus(load("iemocap"), 0, {"train": 600, "test": 200})
    labels = torch.tensor([utterance.labels["emotion"] for utterance in corpus.utterances])
    means = torch.stack([torch.from_numpy(corpus.audio[row]).mean(0) for row in range(800)])
    centres = torch.stack([means[:600][labels[:600] == label].mean(0) for label in range(4)])
    right = (torch.cdist(means[600:], centres).argmin(1) == labels[600:]).float().mean()
    assert 0.4 < right < 0.9


def test_a_corpus_of_ones_own_is_taken(tmp_path):
    work = tiny_workload(tmp_path)
    assert not work.generated
    assert (len(work.train), len(work.held_out)) == (24, 12)
    filled = fill(work.experiment.corpus, 5, 8)
    assert 0 < filled.words < 5
    assert 0 < filled.frames <= 8

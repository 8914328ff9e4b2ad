"""A CUDA device with little memory: stacks and batches are halved; skipped where there is no such device."""

from dataclasses import replace

import pytest
import torch
from builders import NO_DROPOUT, make_corpus, open_tiny, tiny_recipe, write_tiny

from sertool.core.compute.cards import find_cards, find_problem
from sertool.core.compute.device import choose
from sertool.core.compute.memory import release_memory
from sertool.core.errors import SertoolError
from sertool.core.files import artifacts
from sertool.core.models.build import initialise
from sertool.core.runs.experiment import fit_inputs, open_experiment
from sertool.core.runs.members import new_stack
from sertool.core.runs.plan import plan_training
from sertool.core.runs.train import Note, train_recipe
from sertool.core.training.logits import logits_of

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="torch sees no CUDA device"),
]
# Large enough that memory goes into weights and activations rather than into the corners of the allocator's blocks.
LARGE = {**NO_DROPOUT, "hidden_size": 256, "ffn_size": 1024, "num_heads": 4, "num_layers": 2, "embedding_size": 32}
SEEDS = [1, 2, 3, 4, 5, 6, 7, 8]


@pytest.fixture
def limit():
    """Limit the memory of this process to a number of bytes."""
    total = torch.cuda.get_device_properties(0).total_memory

    def set_limit(size: int) -> None:
        release_memory(torch.device("cuda"))
        torch.cuda.set_per_process_memory_fraction(size / total)

    yield set_limit
    torch.cuda.set_per_process_memory_fraction(1.0)


def complete(data, folder, precision, size, seeds=SEEDS):
    release_memory(precision.device)
    torch.cuda.reset_peak_memory_stats()
    recipe = tiny_recipe(model=LARGE, training={"batch_size": 64, "max_epochs": 2})
    plan = plan_training(open_experiment(recipe, data), folder, seeds, size, precision)
    return list(train_recipe(plan, data, precision))


def last_losses(folder):
    return [artifacts.read_json_lines(folder / f"run-{seed}/history.jsonl")[-1]["loss"] for seed in SEEDS]


@pytest.mark.parametrize("graphs", [False, True])
def test_a_stack_that_does_not_fit_is_halved(tmp_path, limit, graphs):
    data = write_tiny(tmp_path / "data", make_corpus({"train": 256, "valid": 64, "test": 12}))
    precision = choose("cuda", "fp32", graphs=graphs)
    complete(data, tmp_path / "groups", precision, 4)
    enough = torch.cuda.max_memory_reserved()
    complete(data, tmp_path / "whole", precision, 8)
    wanted = torch.cuda.max_memory_allocated()
    assert enough < wanted
    limit((enough + wanted) // 2)
    notes = [event.text for event in complete(data, tmp_path / "halved", precision, 8) if isinstance(event, Note)]
    told = [text for text in notes if "out of memory" in text]
    assert told == ["out of memory with 8 members: they train as 4 and 4, from the beginning"]
    assert last_losses(tmp_path / "halved") == pytest.approx(last_losses(tmp_path / "groups"), rel=1e-3)


@pytest.mark.parametrize("graphs", [False, True])
def test_a_lone_member_that_does_not_fit_is_told(tmp_path, limit, graphs):
    data = write_tiny(tmp_path / "data", make_corpus({"train": 256, "valid": 64, "test": 12}))
    precision = choose("cuda", "fp32", graphs=graphs)
    limit(16 * 2**20)
    with pytest.raises(SertoolError, match=r"^seed 3: out of memory: it needs at least .* are free$") as caught:
        complete(data, tmp_path / "run", precision, 1, [3])
    assert "nvidia-smi" in caught.value.hint


@pytest.mark.parametrize("graphs", [False, True])
def test_a_batch_of_an_evaluation_is_halved(tmp_path, limit, graphs, monkeypatch):
    # All utterances in one batch, so that its activations are large beside the allocator's blocks of up to 20 MiB.
    monkeypatch.setattr("sertool.core.training.logits.EVALUATION_ROWS", 4 * 1024)
    recipe = tiny_recipe(model=LARGE)
    experiment, tables = open_tiny(tmp_path, recipe, make_corpus({"train": 6, "valid": 6, "test": 1024}))
    model = new_stack(experiment, fit_inputs(experiment), 4)
    initialise(model, [1, 2, 3, 4], [None] * 4)
    model, tables = model.cuda(), tables.to(torch.device("cuda"))
    precision = replace(choose("cuda", "fp32"), graphs=graphs)
    rows = [torch.arange(len(tables.targets))] * 4
    release_memory(precision.device)
    torch.cuda.reset_peak_memory_stats()
    expected = logits_of(model, tables, rows, [0] * 4, precision)
    needed = torch.cuda.max_memory_reserved()
    release_memory(precision.device)
    kept = torch.cuda.memory_reserved()
    assert needed - kept > 200 * 2**20
    limit((kept + needed) // 2)
    for own, other in zip(logits_of(model, tables, rows, [0] * 4, precision), expected, strict=True):
        torch.testing.assert_close(own, other, atol=1e-4, rtol=1e-4)


def test_the_facts_of_this_card():
    found = find_cards()
    card = torch.cuda.get_device_properties(0)
    assert find_problem(found) is None
    assert (found.cards[0].name, found.cards[0].memory) == (card.name, card.total_memory)
    assert found.error == ""
    assert choose("auto", "auto").memory == card.total_memory

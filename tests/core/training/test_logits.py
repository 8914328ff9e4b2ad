"""Logits in one stacked pass, and in parts side by side."""

from dataclasses import replace

import pytest
import torch
from builders import CPU, open_tiny, tiny_recipe

from sertool.core.errors import SertoolError
from sertool.core.models.build import initialise, member_view
from sertool.core.runs.experiment import fit_inputs
from sertool.core.runs.members import new_stack
from sertool.core.training import logits as inference


@pytest.fixture(scope="module")
def stack(tmp_path_factory):
    experiment, tables = open_tiny(tmp_path_factory.mktemp("data"), tiny_recipe())
    model = new_stack(experiment, fit_inputs(experiment), 3)
    initialise(model, [1, 2, 3], [None] * 3)
    return model, tables


def test_a_view_is_the_member_and_shares_its_weights(stack):
    model, tables = stack
    view = member_view(model, 1)
    rows = torch.arange(10)
    alone = inference.logits_of(view, tables, [rows], [0], CPU)[0]
    torch.testing.assert_close(alone, inference.logits_of(model, tables, [rows] * 3, [0] * 3, CPU)[1])
    assert view.classifier.weight.data_ptr() == model.classifier.weight[1].data_ptr()
    assert [p.shape[0] for p in view.parameters()] == [1] * len(list(model.parameters()))
    assert all(p.requires_grad for p in model.parameters())


@pytest.mark.parametrize("cores", [1, 2, 8])
@pytest.mark.parametrize("sizes", [(48, 48, 48), (40, 1, 7)])
def test_parts_side_by_side_give_the_logits_of_the_stack(stack, cores, sizes, monkeypatch):
    model, tables = stack
    monkeypatch.setattr(inference, "LEAST_ROWS", 4)
    monkeypatch.setattr(inference, "EVALUATION_ROWS", 12)
    rows = [torch.randperm(48, generator=torch.Generator().manual_seed(size))[:size] for size in sizes]
    together = inference.logits_of(model, tables, rows, [0] * 3, CPU)
    apart = inference.logits_of(model, tables, rows, [0] * 3, replace(CPU, cores=cores), side_by_side=True)
    for one, other in zip(together, apart, strict=True):
        torch.testing.assert_close(one, other)


@pytest.mark.parametrize(("graphs", "sizes"), [(False, [42, 21, 10, *[5] * 9, 3]), (True, [48, 24, 12, *[6] * 8])])
def test_a_batch_that_does_not_fit_into_memory_is_halved(stack, graphs, sizes, monkeypatch):
    model, tables = stack
    precision = replace(CPU, graphs=graphs)
    rows = [torch.arange(48), torch.arange(20), torch.arange(48).flip(0)]
    expected = inference.logits_of(model, tables, rows, [0] * 3, precision, side_by_side=False)
    forward, tried = type(model).forward, []

    def limited(self, inputs, *arguments):
        tried.append(inputs.audio.shape[1])
        if tried[-1] > 6:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")
        return forward(self, inputs, *arguments)

    monkeypatch.setattr(type(model), "forward", limited)
    got = inference.logits_of(model, tables, rows, [0] * 3, precision, side_by_side=False)
    assert tried == sizes
    for own, other in zip(got, expected, strict=True):
        torch.testing.assert_close(own, other)


def test_one_utterance_that_does_not_fit_is_told(stack, monkeypatch):
    model, tables = stack

    def failing(*_):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")

    monkeypatch.setattr(type(model), "forward", failing)
    with pytest.raises(SertoolError) as caught:
        inference.logits_of(model, tables, [torch.arange(4)] * 3, [0] * 3, CPU)
    assert str(caught.value) == "one utterance of 3 members: out of memory, the system has no 2.1 GB to spare"

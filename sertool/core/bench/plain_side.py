"""The plain side: one model after the other, trained as the reference trains.

Utterances padded to fixed lengths by a ``Dataset``, a ``DataLoader`` with eight processes, ``torch.optim.Adam``,
float32, the loss read back at every step. Neither tuned nor slowed.
"""

import warnings
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from sertool.core.bench.plain_models import ARCHITECTURES
from sertool.core.bench.workload import Workload
from sertool.core.corpora.tasks import Target, Task
from sertool.core.runs.members import sizes_of

WORKERS = 8
Batch = Sequence[Tensor]


class Utterances(Dataset[tuple[Tensor, Tensor, Tensor]]):
    """A data set of utterances, each padded to fixed lengths when it is read.

    Args:
        text: token ids or frames (T, I) of each utterance.
        mels: frames (T, M) of each utterance.
        targets: class numbers, or 0/1 for each class.
        max_text_length, max_audio_length: lengths to which utterances are cut and padded.
    """

    def __init__(
        self,
        text: Sequence[NDArray[Any]],
        mels: Sequence[NDArray[np.float32]],
        targets: Sequence[int | tuple[float, ...]],
        *,
        max_text_length: int = 15,
        max_audio_length: int = 40,
    ) -> None:
        self.text, self.mels, self.targets = text, mels, targets
        self.max_text_length, self.max_audio_length = max_text_length, max_audio_length

    def __len__(self) -> int:
        return len(self.targets)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor, Tensor]:
        text = _padded(self.text[index], self.max_text_length)
        mels = _padded(self.mels[index], self.max_audio_length)
        return torch.from_numpy(text), torch.from_numpy(mels), torch.tensor(self.targets[index])


def _padded(values: NDArray[Any], length: int) -> NDArray[Any]:
    cut = values[:length]
    padding = np.zeros((length - len(cut), *values.shape[1:]), values.dtype)
    return np.concatenate([cut, padding])


def batches_of(utterances: Utterances, batch_size: int, *, shuffle: bool) -> Iterator[Batch]:
    """Load the utterances once, in batches from eight processes, as the reference does."""
    with warnings.catch_warnings():
        # torch warns if there are fewer cores than processes; the reference uses eight in any case.
        warnings.filterwarnings("ignore", message="This DataLoader will create")
        loader = DataLoader(utterances, batch_size=batch_size, shuffle=shuffle, num_workers=WORKERS)
        return iter(loader)


def _endless(utterances: Utterances, batch_size: int) -> Iterator[Batch]:
    while True:
        yield from batches_of(utterances, batch_size, shuffle=True)


def train_step(model: nn.Module, optimizer: torch.optim.Optimizer, batch: Batch, device: torch.device) -> float:
    """Update the model on the summed loss of a batch and return the loss."""
    x, y, target = (part.to(device) for part in batch)
    optimizer.zero_grad()
    if target.dim() == 2:
        loss = F.binary_cross_entropy_with_logits(model(x, y), target, reduction="sum")
    else:
        loss = F.cross_entropy(model(x, y), target, reduction="sum")
    loss.backward()  # type: ignore[no-untyped-call]
    optimizer.step()
    return float(loss.item())


class PlainSide:
    """The plain side: one model; the processes of its training loader start before the first turn and stay."""

    def __init__(self, work: Workload) -> None:
        recipe, sizes = work.experiment.recipe, sizes_of(work.experiment, work.inputs)
        model = recipe.model
        self.device = work.precision.device
        self.batch_size = recipe.training.batch_size
        self.model = ARCHITECTURES[model.architecture](
            sizes.text_rows,
            text_width=sizes.text_width,
            audio_width=sizes.audio_width,
            hidden_size=model.hidden_size,
            ffn_size=model.ffn_size,
            num_heads=model.num_heads,
            num_layers=model.num_layers,
            num_classes=sizes.num_classes,
            text_layers=sizes.text_layers,
            audio_layers=sizes.audio_layers,
            dropout_input=model.dropout_input,
            dropout_residual=model.dropout_residual,
            dropout_output=model.dropout_output,
        ).to(self.device)
        self.optimizer = torch.optim.Adam(self.model.parameters(), lr=recipe.training.learning_rate)
        self.work = work
        # Nothing of it refers to this object: a loader that ends in a circle of references waits five seconds for
        # each of its processes.
        self.batches = _endless(utterances_of(work, work.train), self.batch_size)

    def train(self, utterances: int) -> int:
        """Train on about that many utterances, in whole batches; return their number."""
        seen = 0
        while seen < utterances:
            batch = next(self.batches)
            train_step(self.model, self.optimizer, batch, self.device)
            seen += len(batch[2])
        return seen

    def evaluate(self, utterances: int) -> int:
        """Evaluate at most that many held-out utterances from new processes, as an epoch does; return their number."""
        rows = self.work.held_out[:utterances]
        self.logits(utterances_of(self.work, rows))
        return len(rows)

    @torch.no_grad()
    def logits(self, utterances: Utterances) -> Tensor:
        """Compute logits (N, C), on the CPU."""
        self.model.eval()
        batches = batches_of(utterances, self.batch_size, shuffle=False)
        parts = [self.model(x.to(self.device), y.to(self.device)).cpu() for x, y, _ in batches]
        self.model.train()
        return torch.cat(parts)


def utterances_of(work: Workload, rows: Tensor) -> Utterances:
    """Collect some utterances of the workload, encoded by the vocabulary of the first fold."""
    experiment, vocabulary = work.experiment, work.inputs[0].vocabulary
    corpus, dataset, places = experiment.corpus, experiment.recipe.dataset, rows.tolist()
    text_length, audio_length = dataset.max_text_length, dataset.max_audio_length
    if corpus.text_frames is not None:
        text = [np.asarray(corpus.text_frames[place], np.float32) for place in places]
    else:
        encoded = (vocabulary.encode(corpus.utterances[place].words, text_length) for place in places)
        text = [np.array(ids, np.int64) for ids in encoded]
    mels = [np.asarray(corpus.audio[place], np.float32) for place in places]
    # A modality that the recipe leaves out is one masked position, as sertool's own tables have it.
    if "text" not in dataset.modalities:
        text, text_length = [values[:0] for values in text], 1
    if "audio" not in dataset.modalities:
        mels, audio_length = [values[:0] for values in mels], 1
    return Utterances(
        text,
        mels,
        [_target(experiment.targets[place], experiment.task) for place in places],
        max_text_length=text_length,
        max_audio_length=audio_length,
    )


def _target(target: Target | None, task: Task) -> int | tuple[float, ...]:
    """Return the target for the loss; for a sealed label any value, because evaluation computes no loss."""
    if task.kind == "multi":
        return tuple(map(float, target)) if isinstance(target, tuple) else (0.0,) * len(task.classes)
    return target if isinstance(target, int) else 0

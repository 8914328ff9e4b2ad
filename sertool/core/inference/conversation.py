"""A conversation judged turn by turn: each turn with the vectors of the turns before it, which are kept."""

from collections import deque
from collections.abc import Sequence
from typing import Any, Protocol, runtime_checkable

from jaxtyping import Float
from torch import Tensor

from sertool.core.errors import UsageError
from sertool.core.inference.passages import Passage
from sertool.core.inference.prediction import Prediction
from sertool.core.models.context import NOBODY
from sertool.core.runs.members import Trained


@runtime_checkable  # for the tests that check the arguments of every call
class Judge(Protocol):
    """Model that judges turns, as :class:`~sertool.core.inference.predictor.Predictor` does; see there."""

    trained: Trained

    def passage(self, audio: Any, text: Any, speaker: Any, sample_rate: Any) -> Passage:
        """Make the passage of a turn."""

    def vectors_of(self, passage: Passage) -> Float[Tensor, "E 1 F"]:
        """Compute what later turns need of a turn."""

    def judge_turn(
        self, passage: Passage, vectors: Sequence[Float[Tensor, "E 1 F"]], speakers: Sequence[int]
    ) -> Prediction:
        """Judge a turn after earlier ones."""


class Conversation:
    """Turns of a conversation, in the order in which they are added.

    The vectors of as many earlier turns are kept as the model's context holds, so a conversation may go on for hours.
    A turn is judged as it would be in a table of all turns, by the turns before it alone. Where the model standardises
    the audio of each speaker, a turn takes the statistics of the training, because it is judged before the speaker's
    others are known.

    Args:
        model: a model with context.

    Raises:
        UsageError: the model was trained without context.
    """

    def __init__(self, model: Judge) -> None:
        context = model.trained.recipe.context
        if context is None:
            raise UsageError(
                f"{model.trained.name}: was trained without context, so its turns are judged alone",
                hint="model.predict() judges them; a recipe with `context` trains a model for conversations",
            )
        self._model = model
        self._vectors: deque[Float[Tensor, "E 1 F"]] = deque(maxlen=context.previous)
        self._speakers: deque[int] = deque(maxlen=context.previous)
        self._names: dict[str | None, int] = {None: NOBODY}
        self.turns = 0

    def add(
        self,
        audio: Any = None,
        text: str | None = None,
        *,
        speaker: str | None = None,
        sample_rate: float | None = None,
    ) -> Prediction:
        """Add the next turn and judge it.

        Args:
            audio: recording or waveform, as :meth:`~sertool.core.inference.predictor.Predictor.predict` takes it.
            text: the words.
            speaker: name of the speaker, by which the model knows whether earlier turns are the same person's; None
                where unknown.
            sample_rate: sampling rate in Hz of a waveform that comes without one.

        Raises:
            DataError: a recording, a waveform or a text cannot be used; the conversation is as before.
            UsageError: an argument has the wrong type.
        """
        passage = self._model.passage(audio, text, speaker, sample_rate)
        vectors = self._model.vectors_of(passage)
        number = self._names.setdefault(passage.speaker, len(self._names))
        prediction = self._model.judge_turn(passage, [*self._vectors, vectors], [*self._speakers, number])
        self._vectors.append(vectors)
        self._speakers.append(number)
        self.turns += 1
        return prediction

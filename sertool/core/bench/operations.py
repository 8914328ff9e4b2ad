"""Matrix operations and bytes of a training step, counted on paper.

A product of (n, i) by (i, o) is n * i * o multiplications and as many additions: 2 n i o operations. Only matrix
products are counted; activations, norms, softmax and dropout are passes over memory, and Adam is counted in bytes.
"""

from dataclasses import dataclass

from torch import Tensor

from sertool.core.models.build import DataSizes
from sertool.core.recipe.schema import Model

# A product y = x W' has two in its backward pass, dx = dy W and dW = dy' x, each of the same size.
PASSES_OF_TRAINING = 3
# Adam reads weight, gradient and two moments, and writes weight and moments; float32.
BYTES_OF_ADAM = 7 * 4


@dataclass(frozen=True)
class Positions:
    """Positions of an utterance that are computed, averaged over utterances.

    Attributes:
        text, audio: mean number of positions.
        text_pairs, audio_pairs: mean of the squared number, because each position attends to each.
        cross_pairs: mean of audio positions times text positions.
    """

    text: float
    audio: float
    text_pairs: float
    audio_pairs: float
    cross_pairs: float

    @classmethod
    def real(cls, text_lengths: Tensor, audio_lengths: Tensor) -> "Positions":
        """Count the positions of unpadded utterances with lengths (N,) each."""
        text, audio = text_lengths.double(), audio_lengths.double()
        pairs = (text * text, audio * audio, audio * text)
        return cls(*(float(values.mean()) for values in (text, audio, *pairs)))

    @classmethod
    def padded(cls, text: int, audio: int) -> "Positions":
        """Count the positions of utterances that are all padded to the same lengths."""
        return cls(text, audio, text * text, audio * audio, audio * text)


def forward_operations(model: Model, sizes: DataSizes, each: Positions) -> float:
    """Count the operations in the matrix products of one forward pass of one utterance through one model.

    With hidden size D, feed-forward size F, layers L, classes C, t text and a audio positions:

    * LSTM: 4 gates from input (I wide) and state: 2 * 4D * I a position, 2 * 4D * D a position but the first, whose
      state is zero.
    * Self-attention: query, key, value, output, 4 * 2 D^2 a position; scores and their weighted sum, over all heads
      together 2 * 2 D a pair of positions.
    * Attention to the text (MAT): query and output 2 * 2 D^2 an audio position, key and value 2 * 2 D^2 a text
      position, 2 * 2 D a pair.
    * Feed-forward: 2 * 2 D F a position.
    * Pool to O: score 2 D F + 2 F and weighted sum 2 D a position, 2 D O an utterance.
    * Mix of an encoder's layers side by side: 2 times the width of a frame.
    * MAT: L blocks over the text, L with attention to the text over the audio, O = 2D, classifier 2 * 2D * C.
    * MNT: L blocks over the text and over the audio, modulation 2 D * 4 D L, O = D, classifier 2 D C.
    * Linear probe: mean and deviation, 2 * 2 I a position, and their classifier, 2 * 2 (I + I') C.

    Args:
        model: the recipe's section ``model``.
        sizes: the sizes that the corpus decides.
        each: positions of an utterance.
    """
    d, f, layers, classes = model.hidden_size, model.ffn_size, model.num_layers, sizes.num_classes
    text, audio = each.text, each.audio
    mix = sum(
        2 * width * length
        for width, length, beside in (
            (sizes.text_width, text, sizes.text_layers),
            (sizes.audio_width, audio, sizes.audio_layers),
        )
        if beside > 1
    )
    if model.architecture == "linear":
        moments = 4 * (sizes.text_inputs * text + sizes.audio_inputs * audio)
        return mix + moments + 4 * (sizes.text_inputs + sizes.audio_inputs) * classes
    lstm = sum(
        8 * d * (width * length + d * (length - 1))
        for width, length in ((sizes.text_inputs, text), (sizes.audio_inputs, audio))
    )
    a_position = 8 * d * d + 4 * d * f
    blocks = layers * (a_position * (text + audio) + 4 * d * (each.text_pairs + each.audio_pairs))
    pool = (2 * d * f + 2 * f + 2 * d) * (text + audio)
    if model.architecture == "mat":
        blocks += layers * 4 * d * d * (audio + text) + layers * 4 * d * each.cross_pairs
        head = 2 * (2 * d * 2 * d) + 2 * 2 * d * classes
    else:
        head = 2 * (2 * d * d) + 2 * d * 4 * d * layers + 2 * d * classes
    return mix + lstm + blocks + pool + head


def training_operations(model: Model, sizes: DataSizes, each: Positions) -> float:
    """Count the operations of one utterance in a training step, forward and backward.

    The count includes the gradient of the audio frames, which is not computed (1 % of the total at IEMOCAP's size).
    """
    return PASSES_OF_TRAINING * forward_operations(model, sizes, each)

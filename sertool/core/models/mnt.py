"""MNT, modulated normalisation: the text shifts gain and bias of the norms in the blocks over audio.

Delbrouck, Tits, Dupont: "Modulated Fusion using Transformer for Linguistic-Acoustic Emotion Recognition", 2020.
"""

from jaxtyping import Float
from torch import Tensor, nn

from sertool.core.models.fusion import BlockSizes, Fusion, SelfAttentionBlock
from sertool.core.models.inputs import Inputs
from sertool.core.models.kernels.noise import Noise
from sertool.core.models.kernels.norm import Modulation
from sertool.core.models.layers import Linear
from sertool.core.models.layout import Layout, Pairing, pair


class ModulatedBlock(SelfAttentionBlock):
    """Self-attention and feed-forward over the audio, each followed by a norm that the text modulates."""

    def forward(
        self,
        audio: Float[Tensor, "E P D"],
        layout: Layout,
        to_audio: Pairing,
        modulation: Float[Tensor, "E B M"],
        noise: Noise | None,
    ) -> Float[Tensor, "E P D"]:
        """Compute the block; ``modulation`` (M = 4 D) holds gamma and beta of the first norm, then of the second."""
        gamma1, beta1, gamma2, beta2 = modulation.chunk(4, dim=-1)
        first, second = (
            Modulation(gamma, beta, layout.utterance, layout.full) for gamma, beta in ((gamma1, beta1), (gamma2, beta2))
        )
        attended = self.self_attn(audio, audio, to_audio, noise)
        audio = self.norm1.join(audio, attended, self.dropout, noise, first)
        return self.norm2.join(audio, self.ffn(audio, noise), self.dropout, noise, second)


class MNT(Fusion):
    """A stack of E models with modulated normalisation: ``Inputs`` -> logits (E, B, C)."""

    def add_audio_layers(self, block: BlockSizes, num_layers: int) -> None:
        self.audio_blocks = nn.ModuleList(ModulatedBlock(**block) for _ in range(num_layers))
        width = block["hidden_size"]
        # Each layer takes four vectors: gamma and beta of its two norms.
        self.modulation = Linear(members=block["members"], inputs=width, outputs=4 * width * num_layers)

    def vectors(self, inputs: Inputs, noise: Noise | None = None) -> Float[Tensor, "E B D"]:
        """Compute the fused vectors; ``noise`` gives the dropout masks while training."""
        text, text_layout, audio, audio_layout = self.encode(inputs, noise)
        within_audio = pair(audio_layout, audio_layout)
        summary = self.text_pool(text, text_layout, noise)
        # The ReLU is the reference's: modulation can raise gain and bias, never lower them.
        pieces = self.modulation(summary).relu().chunk(len(self.audio_blocks), dim=-1)
        for block, piece in zip(self.audio_blocks, pieces, strict=True):
            audio = block(audio, audio_layout, within_audio, piece, noise)
        fused: Tensor = summary + self.audio_pool(audio, audio_layout, noise)
        return fused

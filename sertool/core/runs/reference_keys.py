"""The reference's names of the weights, and ours: a two-way table, written once."""

import re
from collections.abc import Mapping

from torch import Tensor

# Ours on the left. Alternatives in a row are tried in order: MAT keeps its blocks in a "backbone", MNT does not.
_ATTENTION = {
    "query": "linear_q",
    "key": "linear_k",
    "value": "linear_v",
    "output": "linear_merge",
}
_PARTS = {
    "mat": {
        "text_blocks": "backbone.enc_list",
        "audio_blocks": "backbone.dec_list",
        "self_attn": {"text": "mhatt", "audio": "mhatt1"},
        "cross_attn": "mhatt2",
    },
    "mnt": {
        "text_blocks": "enc_list",
        "audio_blocks": "dec_list",
        "self_attn": {"text": "mhatt", "audio": "mhatt"},
    },
}
_LSTM = {"text_encoder": "lstm_x", "audio_encoder": "lstm_y"}
_POOL = {"text_pool": "attflat_lang", "audio_pool": "attflat_img"}
_NORM = {"gain": "a_2", "bias": "b_2"}
_FFN = {"inner": "mlp.fc.linear", "outer": "mlp.linear"}


def reference_key(name: str, architecture: str) -> str:
    """The reference's name of one of our parameters.

    Args:
        name: as in ``named_parameters`` of :class:`MAT` or :class:`MNT`.
        architecture: ``mat`` or ``mnt``.
    """
    parts = _PARTS[architecture]
    head, _, rest = name.partition(".")
    if head in _LSTM:
        if rest == "embedding.weight":
            return "embedding.weight"
        return f"{_LSTM[head]}.{rest.removeprefix('lstm.')}_l0"
    if head in _POOL:
        layer, kind = rest.rsplit(".", 1)
        inner = "linear_merge" if layer == "output" else _FFN[layer.removeprefix("score.")]
        return f"{_POOL[head]}.{inner}.{kind}"
    if head == "norm":
        return f"proj_norm.{_NORM[rest]}"
    if head == "classifier":
        return f"proj.{rest}"
    if head == "modulation":
        return f"fc.linear.{rest}"
    match = re.fullmatch(r"(text|audio)_blocks\.(\d+)\.(\w+)\.(.+)", name)
    if match is None:
        raise KeyError(name)
    modality, number, layer, rest = match.groups()
    block = f"{parts[f'{modality}_blocks']}.{number}"
    if layer.startswith("norm"):
        return f"{block}.{layer}.{_NORM[rest]}"
    sub, kind = rest.rsplit(".", 1)
    if layer == "ffn":
        return f"{block}.ffn.{_FFN[sub]}.{kind}"
    attention = parts["self_attn"][modality] if layer == "self_attn" else parts["cross_attn"]  # type: ignore[index]
    return f"{block}.{attention}.{_ATTENTION[sub]}.{kind}"


def from_reference(state: Mapping[str, Tensor], names: list[str], architecture: str) -> dict[str, Tensor]:
    """Rename a reference state dict to our names.

    Raises:
        KeyError: a weight is missing, or one is left over; the message is its name.
    """
    renamed = {name: state[reference_key(name, architecture)] for name in names}
    left_over = set(state) - {reference_key(name, architecture) for name in names}
    if left_over:
        raise KeyError(min(left_over))
    return renamed

"""Load a pretrained model with transformers: safetensors weights, no code of the model's own, all weights there."""

from typing import Any

from sertool.core.errors import DataError
from sertool.core.features.encoders.libraries import quiet
from sertool.core.features.encoders.source import ModelFiles
from sertool.core.formatting import first_few, plural

# Weights that states do not depend on: many published models leave them out.
_UNUSED = ("pooler", "masked_spec_embed", "decoder.", "lm_head")


def load_encoder(files: ModelFiles, device: str = "cpu", *, half: bool = True) -> Any:
    """Load a model, of a pair of encoder and decoder its encoder, in evaluation mode.

    Args:
        files: a model of the library transformers.
        device: where it computes.
        half: compute in bfloat16 on a CUDA device; on the CPU it is always float32.

    Returns:
        The ``PreTrainedModel``.

    Raises:
        DataError: the weights are damaged, or are not those of the architecture.
    """
    import torch
    from transformers import AutoModel

    try:
        with quiet():
            model, report = AutoModel.from_pretrained(
                files.folder,
                trust_remote_code=False,
                local_files_only=True,
                use_safetensors=True,
                dtype=torch.bfloat16 if half and torch.device(device).type == "cuda" else torch.float32,
                output_loading_info=True,
            )
    except Exception as error:  # transformers, safetensors and torch have errors of many kinds
        raise DataError(f"{files.name}: the model cannot be loaded ({error!s:.300})") from error
    missing = sorted(key for key in report["missing_keys"] if not any(part in key for part in _UNUSED))
    if missing:  # transformers would go on with random ones
        raise DataError(
            f"{files.name}: {plural(len(missing), 'weight')} of its architecture {files.config['model_type']} missing "
            f"in {files.folder}: {first_few(missing, 20)}",
            hint="the weights are of another model than config.json says",
        )
    encoder = model.get_encoder() if model.config.is_encoder_decoder else model
    return encoder.to(device).eval().requires_grad_(False)

"""Build tiny pretrained encoders with random weights, in the form in which real ones are published."""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import torch

HIDDEN = 16  # width of every tiny encoder
LAYERS = 2
SPEECH = ("wav2vec2", "wav2vec2-layer", "hubert", "wavlm", "data2vec-audio", "whisper")
TEXT = ("bert", "roberta", "deberta", "deberta-v2", "modernbert", "minilm")
LONGEST_TEXT = 40  # tokens that a tiny text encoder takes

_SIZES: dict[str, Any] = {"num_hidden_layers": LAYERS, "num_attention_heads": 2, "intermediate_size": 32}
_CONVOLUTIONS: dict[str, Any] = {
    "hidden_size": HIDDEN,
    "conv_dim": (8,) * 7,
    "num_conv_pos_embeddings": 8,
    "num_conv_pos_embedding_groups": 2,
    **_SIZES,
}
_SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
_LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789.,!?:'"
_WORDS = ("the", "to", "not", "happy", "sad", "train", "never", "today", "what")


def save_speech_encoder(kind: str, folder: Path) -> Path:
    """Save a model of one of the kinds :data:`SPEECH` with its feature extractor; return the folder."""
    import transformers

    if kind == "whisper":
        config = transformers.WhisperConfig(
            d_model=HIDDEN,
            encoder_layers=LAYERS,
            decoder_layers=1,
            encoder_attention_heads=2,
            decoder_attention_heads=2,
            encoder_ffn_dim=32,
            decoder_ffn_dim=32,
            vocab_size=20,
            **{f"{name}_token_id": number for number, name in enumerate(("pad", "bos", "eos", "decoder_start"))},
        )
        _save(lambda: transformers.WhisperModel(config), folder)
        transformers.WhisperFeatureExtractor().save_pretrained(folder)
        return folder
    # Encoders with a layer norm in their convolutions are trained on padded batches with a mask, the others without.
    by_layer = kind == "wav2vec2-layer"
    prefix = {"hubert": "Hubert", "wavlm": "WavLM", "data2vec-audio": "Data2VecAudio"}.get(kind, "Wav2Vec2")
    own: dict[str, Any] = {"do_stable_layer_norm": True, "feat_extract_norm": "layer"} if by_layer else {}
    if kind == "data2vec-audio":
        own = {"num_conv_pos_embeddings": 5}  # the number of its convolutions over positions
    config = getattr(transformers, f"{prefix}Config")(**{**_CONVOLUTIONS, **own})
    _save(lambda: getattr(transformers, f"{prefix}Model")(config), folder)
    masked = by_layer or kind == "data2vec-audio"
    transformers.Wav2Vec2FeatureExtractor(return_attention_mask=masked).save_pretrained(folder)
    return folder


def save_text_encoder(kind: str, folder: Path) -> Path:
    """Save a model of one of the kinds :data:`TEXT` with its tokenizer; return the folder."""
    import transformers

    tokenizer = _tokenizer({"roberta": "bpe", "modernbert": "bpe", "deberta-v2": "unigram"}.get(kind, "wordpiece"))
    prefix = {
        "roberta": "Roberta",
        "deberta": "Deberta",
        "deberta-v2": "DebertaV2",
        "modernbert": "ModernBert",
    }.get(kind, "Bert")
    own: dict[str, Any] = {"max_position_embeddings": LONGEST_TEXT}
    if kind == "roberta":
        own = {"max_position_embeddings": LONGEST_TEXT + 2, "type_vocab_size": 1}  # its positions start at 2
    if prefix.startswith("Deberta"):
        own |= {"relative_attention": True, "pos_att_type": ["c2p", "p2c"], "type_vocab_size": 0}
    if kind == "modernbert":
        own |= {f"{name}_token_id": tokenizer.convert_tokens_to_ids(f"[{name.upper()}]") for name in ("cls", "sep")}
    config = getattr(transformers, f"{prefix}Config")(
        vocab_size=len(tokenizer),
        hidden_size=HIDDEN,
        pad_token_id=tokenizer.pad_token_id,
        bos_token_id=None,
        eos_token_id=None,
        **_SIZES,
        **own,
    )
    _save(lambda: getattr(transformers, f"{prefix}Model")(config), folder)
    tokenizer.save_pretrained(folder)
    return folder


def _save(build: Callable[[], Any], folder: Path) -> None:
    """Save a model whose random weights are the same in every run, as safetensors."""
    from transformers.utils import logging

    logging.disable_progress_bar()
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = build()
        for name, parameter in model.named_parameters():
            if parameter.ndim > 1 or name.endswith("bias"):  # transformers' own begin so small that frames are equal
                torch.nn.init.normal_(parameter, std=0.3)
        model.save_pretrained(folder)


def _tokenizer(kind: str) -> Any:
    """Make a fast tokenizer of a few words and the letters; other scripts are unknown, but to the one on bytes."""
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    if kind == "wordpiece":
        inner = (f"##{letter}" for letter in _LETTERS)
        vocabulary = _numbered((*_SPECIAL, *_LETTERS, *inner, *_WORDS))
        tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
        tokenizer.normalizer = normalizers.BertNormalizer()
        tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    elif kind == "bpe":
        vocabulary = _numbered((*_SPECIAL, *sorted(pre_tokenizers.ByteLevel.alphabet()), "th", "the"))
        tokenizer = Tokenizer(models.BPE(vocabulary, [("t", "h"), ("th", "e")], unk_token="[UNK]"))
        tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    else:
        pieces = [*((name, 0.0) for name in _SPECIAL), *((letter, -5.0) for letter in ("▁", *_LETTERS))]
        tokenizer = Tokenizer(models.Unigram([*pieces, *((f"▁{word}", -3.0) for word in _WORDS)], unk_id=1))
        tokenizer.normalizer = normalizers.Lowercase()
        tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    ends = [(name, _SPECIAL.index(name)) for name in ("[CLS]", "[SEP]")]
    tokenizer.post_processor = processors.TemplateProcessing(single="[CLS] $A [SEP]", special_tokens=ends)
    tokenizer.add_special_tokens(list(_SPECIAL))
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        model_max_length=LONGEST_TEXT,
        **{f"{name}_token": f"[{name.upper()}]" for name in ("pad", "unk", "cls", "sep", "mask")},
    )


def _numbered(tokens: Iterable[str]) -> dict[str, int]:
    return {token: number for number, token in enumerate(tokens)}

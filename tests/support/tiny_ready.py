"""Build tiny ready models with random weights, in the form in which real ones are published."""

import json
from pathlib import Path
from typing import Any

import torch
from tiny_encoders import HIDDEN, save_speech_encoder, save_text_encoder
from tiny_encoders import _save as save_random  # the weights that make outputs differ

EMOTIONS = ("angry", "happy", "neutral", "sad")


def _with_head(folder: Path, prefix: str, kind: str, names: tuple[str, ...], **settings: Any) -> Path:
    import transformers

    config = transformers.AutoConfig.from_pretrained(folder)
    config.update(
        {"id2label": dict(enumerate(names)), "label2id": {name: n for n, name in enumerate(names)}, **settings}
    )
    model = getattr(transformers, f"{prefix}{kind}")
    save_random(lambda: model(config), folder)
    return folder


def save_speech_classifier(kind: str, folder: Path, names: tuple[str, ...] = EMOTIONS, **settings: Any) -> Path:
    """Save a classifier of speech on one of the encoders of ``tiny_encoders.SPEECH``, or ``ast``; return the folder."""
    if kind == "ast":
        import transformers

        sizes = {"num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32}
        transformers.ASTConfig(hidden_size=HIDDEN, max_length=128, **sizes).save_pretrained(folder)
        transformers.ASTFeatureExtractor(max_length=128).save_pretrained(folder)
        return _with_head(folder, "AST", "ForAudioClassification", names, **settings)
    save_speech_encoder(kind, folder)
    prefix = {"hubert": "Hubert", "wavlm": "WavLM", "data2vec-audio": "Data2VecAudio", "whisper": "Whisper"}
    head = "ForAudioClassification" if kind == "whisper" else "ForSequenceClassification"
    return _with_head(folder, prefix.get(kind, "Wav2Vec2"), head, names, classifier_proj_size=12, **settings)


def save_text_classifier(kind: str, folder: Path, names: tuple[str, ...] = EMOTIONS, **settings: Any) -> Path:
    """Save a classifier of texts on one of the encoders of ``tiny_encoders.TEXT``; return the folder."""
    save_text_encoder(kind, folder)
    prefix = {"roberta": "Roberta", "deberta-v2": "DebertaV2", "modernbert": "ModernBert"}.get(kind, "Bert")
    return _with_head(folder, prefix, "ForSequenceClassification", names, **settings)


def save_dimensional(folder: Path, last: str = "out_proj", **settings: Any) -> Path:
    """Save a wav2vec 2.0 with the head of audEERING's dimensional models; return the folder."""
    from safetensors.torch import load_file, save_file

    save_speech_encoder("wav2vec2-layer", folder)
    body = load_file(folder / "model.safetensors")
    torch.manual_seed(1)
    names = ("arousal", "dominance", "valence")
    head = {
        "classifier.dense.weight": torch.randn(HIDDEN, HIDDEN),
        "classifier.dense.bias": torch.randn(HIDDEN),
        f"classifier.{last}.weight": torch.randn(len(names), HIDDEN),
        f"classifier.{last}.bias": torch.randn(len(names)),
    }
    named = {f"wav2vec2.{name.removeprefix('wav2vec2.')}": value for name, value in body.items()}
    save_file(named | head, folder / "model.safetensors", metadata={"format": "pt"})
    config = json.loads((folder / "config.json").read_text())
    config |= {
        "architectures": ["Wav2Vec2ForSpeechClassification"],
        "id2label": dict(enumerate(names)),
        "label2id": {name: number for number, name in enumerate(names)},
        "problem_type": "regression",
        **settings,
    }
    (folder / "config.json").write_text(json.dumps(config))
    return folder

"""Emotion and sentiment recognition from speech and its transcript."""

__version__ = "0.1.0"

"""Trained members at work: on their corpus (ensemble), and on anything else (predict)."""

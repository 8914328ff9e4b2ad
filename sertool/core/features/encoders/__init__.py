"""Pretrained speech and text models as frontends: where a model comes from, and the states that become frames."""

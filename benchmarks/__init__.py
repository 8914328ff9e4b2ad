"""Measure sertool's speed and memory; see README.md."""

"""Models that are trained on each of several corpora and judged on all of them: ``sertool cross``."""

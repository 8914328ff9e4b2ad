"""Readers of the published data sets in the layout of the paper's pickles."""

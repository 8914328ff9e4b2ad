"""Figures of a report at the size of a paper's column, drawn by matplotlib (the extra ``[figures]``)."""

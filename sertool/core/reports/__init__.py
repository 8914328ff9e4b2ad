"""The commands report and compare, from stored predictions alone: no module here runs a model."""

"""Reports on results, from stored predictions alone: no module here runs a model or reads a corpus."""

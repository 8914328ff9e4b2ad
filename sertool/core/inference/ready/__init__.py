"""Ready models: trained by somebody else, opened as they are, and asked about recordings or texts."""

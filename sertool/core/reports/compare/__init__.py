"""Two runs compared by what they predicted for the same utterances."""

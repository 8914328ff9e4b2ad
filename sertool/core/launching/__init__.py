"""Where work is done: in threads of this process, or by a Ray cluster."""

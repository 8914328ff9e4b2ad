"""A folder below ckpt/: planned, trained, resumed, opened, started from."""

"""The folder in which sertool keeps what it can make again, for one user of a machine."""

import os
from pathlib import Path


def user_cache() -> Path | None:
    """Return sertool's folder in the user's cache, which may not exist yet; None without a home."""
    folder = Path(os.environ.get("XDG_CACHE_HOME", ""))
    if not folder.is_absolute():  # as the XDG specification asks for
        try:
            folder = Path.home() / ".cache"
        except RuntimeError:
            return None
    return folder / "sertool"

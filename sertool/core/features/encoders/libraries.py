"""The libraries of the extra ``encoders``: imported only where a recipe names an encoder, and kept silent."""

import importlib.util
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

from sertool.core.errors import UsageError


def check_installed(model: str, *libraries: str) -> None:
    """Refuse a model whose libraries are not installed.

    Raises:
        UsageError: one is missing.
    """
    for library in libraries:
        if importlib.util.find_spec(library) is None:
            raise UsageError(f"{model}: a pretrained model needs {library}", hint="pip install 'sertool[encoders]'")


@contextmanager
def quiet() -> Iterator[None]:
    """Keep transformers and the hub's client silent: no progress bars, log lines or warnings of their own."""
    from huggingface_hub.utils import are_progress_bars_disabled, disable_progress_bars, enable_progress_bars
    from huggingface_hub.utils import logging as hub
    from transformers.utils import logging

    bars, hub_bars = logging.is_progress_bar_enabled(), not are_progress_bars_disabled()
    level, hub_level = logging.get_verbosity(), hub.get_verbosity()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        logging.disable_progress_bar()
        disable_progress_bars()
        logging.set_verbosity(logging.CRITICAL)
        hub.set_verbosity(logging.CRITICAL)
        try:
            yield
        finally:
            logging.set_verbosity(level)
            hub.set_verbosity(hub_level)
            if bars:
                logging.enable_progress_bar()
            if hub_bars:
                enable_progress_bars()

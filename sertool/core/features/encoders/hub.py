"""Models of the Hugging Face hub: its own client downloads them, with its cache, mirrors, tokens and offline mode."""

import errno
from functools import cache
from pathlib import Path

from sertool.core.errors import DataError, SertoolError, UsageError
from sertool.core.features.encoders.libraries import quiet

# Only safetensors and CTranslate2 weights: a model also lies there pickled, and for other libraries.
_FILES = ["*.json", "*.txt", "*.model", "model.safetensors", "model-*.safetensors", "model.bin", "README.md"]


@cache  # the client asks the hub anew each time, and a command opens a frontend several times
def download(name: str, revision: str | None) -> Path:
    """Return the folder of a model of the hub, downloaded once.

    Raises:
        UsageError: this is no name of a model.
        SertoolError: there is no such model or revision, it may not be read, the network fails, or the disk is full.
    """
    from huggingface_hub import errors, snapshot_download

    at = f"{name}: " if revision is None else f"{name} at revision {revision}: "
    try:
        with quiet():
            return Path(snapshot_download(name, revision=revision, allow_patterns=_FILES, ignore_patterns=["*/*"]))
    except errors.HFValidationError as error:
        raise UsageError(
            f"{name}: no such folder, and no name of a model on the hub",
            hint="expected a folder, a name such as openai/whisper-base, or package:NAME",
        ) from error
    except errors.GatedRepoError as error:
        raise DataError(
            f"{at}the hub gives this model only to those who have accepted its terms",
            hint=f"accept them on https://huggingface.co/{name}, then run `hf auth login` or set HF_TOKEN",
        ) from error
    except errors.RevisionNotFoundError as error:
        raise DataError(
            f"{name}: the hub has no revision {revision} of this model",
            hint="expected a branch, tag or commit; null: the main branch",
        ) from error
    except errors.RepositoryNotFoundError as error:
        raise DataError(
            f"{name}: no such folder, and the hub has no such model or does not show it to you",
            hint="check the name; a private model needs `hf auth login` or HF_TOKEN",
        ) from error
    except (errors.LocalEntryNotFoundError, errors.OfflineModeIsEnabled) as error:
        raise SertoolError(
            f"{at}not in the hub's cache on this machine, and the hub cannot be reached",
            hint="check the network, HF_ENDPOINT and HF_HUB_OFFLINE, or set model to a folder that holds the model",
        ) from error
    except OSError as error:  # the hub's errors of HTTP are OSErrors, too
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise SertoolError(
                f"{at}no space left on the disk for the download",
                hint="free some space and run the same command again, or set HF_HOME to a folder on another disk",
            ) from error
        raise SertoolError(f"{at}the download failed ({error!s:.200})", hint="run the same command again") from error
    except Exception as error:  # of the network's library, which is the hub client's own choice
        raise SertoolError(f"{at}the download failed ({error!s:.200})", hint="run the same command again") from error

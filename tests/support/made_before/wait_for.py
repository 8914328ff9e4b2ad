"""Wait until a training is worth killing, or say whether it was killed where it should be.

python wait_for.py RUN_FOLDER [--check]
"""

import json
import struct
import sys
import time
from pathlib import Path


def epoch(folder: Path) -> int:
    """The epoch of the state that is kept; 0 without one."""
    state = folder / "state" / ("group-1.safetensors" if folder.name == "halted" else "group-0.safetensors")
    if not state.is_file():
        return 0
    with state.open("rb") as file:
        header = json.loads(file.read(*struct.unpack("<Q", file.read(8))))
    return json.loads(json.loads(header["__metadata__"]["sertool"])["state"])["epoch"]


def main() -> None:
    """Exit with 0 where there is a state late in the training, or 1."""
    folder, wanted = Path(sys.argv[1]), {"halted": (12, 17), "halted-from": (8, 15)}
    first, last = wanted[folder.name]
    if "--check" in sys.argv:
        done, all_ = len(list(folder.glob("run-*/run.json"))), len(list(folder.glob("run-*")))
        print(folder, "epoch", epoch(folder), "members done", done, "of", all_)
        whole = not list(folder.rglob("*.part"))
        sys.exit(not (whole and first <= epoch(folder) <= last and done < all_ and (done or all_ == 1)))
    end = time.monotonic() + 60
    while time.monotonic() < end:
        if epoch(folder) >= first:
            return
        time.sleep(0.003)
    sys.exit(1)


if __name__ == "__main__":
    main()

"""Print the name of the device that would be measured, or why there is none."""

import sys

import torch

from sertool.core.compute.device import choose
from sertool.core.errors import SertoolError

if __name__ == "__main__":
    try:
        choose("cuda", "auto")
    except SertoolError as error:
        sys.exit(f"error: {error}")
    print(torch.cuda.get_device_name())

"""Facts of machines with and without CUDA devices, as torch tells them there."""

from sertool.core.compute.cards import Card, Found, Problem

GIB = 2**30
ARCHITECTURES = ("sm_75", "sm_80", "sm_86", "sm_90", "sm_100", "sm_120")
# As torch 2.13 words them.
TOO_OLD = (
    "The NVIDIA driver on your system is too old (found version 11040). Please update your GPU driver by downloading "
    "and installing a new version from the URL: http://www.nvidia.com/Download/index.aspx Alternatively, go to: "
    "https://pytorch.org to install a PyTorch version that has been compiled with your version of the CUDA driver."
)
NO_DRIVER = (
    "Found no NVIDIA driver on your system. Please check that you have an NVIDIA GPU and installed a driver from "
    "http://www.nvidia.com/Download/index.aspx"
)
NO_CARD = "No CUDA GPUs are available"

H100 = Card(0, "NVIDIA H100 80GB HBM3", (9, 0), 80 * GIB)
A100 = Card(0, "NVIDIA A100", (8, 0), 40 * GIB)
T4 = Card(0, "Tesla T4", (7, 5), 16 * GIB)
V100 = Card(0, "Tesla V100", (7, 0), 32 * GIB)


def machine_with(*cards: Card) -> Found:
    """Return the facts of a machine with these cards, and torch for CUDA 13.0."""
    numbered = tuple(Card(index, card.name, card.capability, card.memory) for index, card in enumerate(cards))
    return Found(numbered, cuda="13.0", architectures=ARCHITECTURES, driver="580.65.06")


# Machines whose cards torch cannot use, each with the expected reason.
PROBLEMS: dict[str, tuple[Found, Problem]] = {
    "no CUDA in torch": (
        Found(error="Torch not compiled with CUDA enabled", driver="580.65.06"),
        Problem(
            "torch is built without CUDA",
            "this torch is built without CUDA",
            "install a build of torch for CUDA (pytorch.org), or use --device cpu",
        ),
    ),
    "no driver": (
        Found(cuda="13.0", error=NO_DRIVER),
        Problem(
            "no CUDA device",
            "torch finds no NVIDIA driver",
            "install the driver if there is a card; --device auto takes the CPU where there is no GPU",
        ),
    ),
    "no card": (
        Found(cuda="13.0", driver="580.65.06", error=NO_CARD),
        Problem(
            "no CUDA device",
            "torch sees no CUDA device",
            "--device auto takes the CPU where there is no GPU",
        ),
    ),
    "old driver": (
        Found(cuda="13.0", driver="470.57.02", error=TOO_OLD),
        Problem(
            "the driver 470.57.02 is too old for torch's CUDA 13.0",
            "the driver 470.57.02 is made for CUDA 11.4, too old for this torch, which is built for CUDA 13.0",
            "update the driver, or install a build of torch for CUDA 11 (pytorch.org)",
        ),
    ),
    "old driver of unknown version": (
        Found(cuda="13.0", error=TOO_OLD),
        Problem(
            "the NVIDIA driver is too old for torch's CUDA 13.0",
            "the NVIDIA driver is made for CUDA 11.4, too old for this torch, which is built for CUDA 13.0",
            "update the driver, or install a build of torch for CUDA 11 (pytorch.org)",
        ),
    ),
    "hidden": (
        Found(cuda="13.0", driver="580.65.06", visible="", error=NO_CARD),
        Problem(
            "CUDA_VISIBLE_DEVICES= hides the cards",
            "the environment variable CUDA_VISIBLE_DEVICES= hides the cards",
            "unset CUDA_VISIBLE_DEVICES, or set it to the number of a card, as in CUDA_VISIBLE_DEVICES=0",
        ),
    ),
    "hidden by -1": (
        Found(cuda="13.0", driver="580.65.06", visible="-1", error=NO_CARD),
        Problem(
            "CUDA_VISIBLE_DEVICES=-1 hides the cards",
            "the environment variable CUDA_VISIBLE_DEVICES=-1 hides the cards",
            "unset CUDA_VISIBLE_DEVICES, or set it to the number of a card, as in CUDA_VISIBLE_DEVICES=0",
        ),
    ),
    "a number that is no card": (
        Found(cuda="13.0", driver="580.65.06", visible="7", error=NO_CARD),
        Problem(
            "CUDA_VISIBLE_DEVICES=7 names no card",
            "CUDA_VISIBLE_DEVICES=7 names no card of this machine",
            "unset CUDA_VISIBLE_DEVICES, or set it to the number of a card, as in CUDA_VISIBLE_DEVICES=0",
        ),
    ),
    "no code": (
        machine_with(V100),
        Problem(
            "torch has no code for Tesla V100 (capability 7.0)",
            "this torch has no code for Tesla V100 (capability 7.0); "
            "it has code for sm_75, sm_80, sm_86, sm_90, sm_100, sm_120",
            "install a build of torch for 7.0 (pytorch.org): an older card needs an older CUDA, "
            "a newer card a newer torch; or use --device cpu",
        ),
    ),
    "another error": (
        Found(cuda="13.0", driver="580.65.06", error="CUDA unknown error - incorrect environment\nadvice"),
        Problem(
            "torch cannot initialise CUDA",
            "torch cannot initialise CUDA: CUDA unknown error - incorrect environment",
            "see if nvidia-smi works; --device cpu needs no GPU",
        ),
    ),
}

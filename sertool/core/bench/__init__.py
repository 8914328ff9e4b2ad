"""How fast training and evaluation are on this machine, beside plain PyTorch."""

"""How fast sertool trains and evaluates here, beside plain PyTorch: the workload, both sides, turns, rates, floors."""

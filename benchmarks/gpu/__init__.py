"""Test and measure everything on a CUDA device, in parts with time limits: ``python -m benchmarks.gpu``."""

"""Layers with a member axis, MAT and MNT, and the kernels below them; knows no files, and no recipe but in build."""

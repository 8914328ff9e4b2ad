"""Bytes from and to the disk, safely: text, JSON, arrays, YAML, archives, pickles, torch files."""

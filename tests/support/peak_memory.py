"""The largest memory of a process of its own, as the first lines of its script."""

# Not getrusage's ru_maxrss, which starts from that of the parent: of the tests, which may have had gigabytes.
PEAK = (
    "from pathlib import Path\n"
    "def peak():\n"
    "    return int(Path('/proc/self/status').read_text().partition('VmHWM:')[2].split()[0])  # kilobytes\n"
)

"""Read thousands of damaged and generated files under guard, and print the outcomes as JSON.

Run as ``python tests/fuzzing/mutate.py FILES SEED``; the address space is limited to what was taken at the start and
one GiB more.
"""

import gzip
import io
import json
import pickletools
import random
import resource
import struct
import sys
import warnings
import zipfile
from collections import Counter
from pathlib import Path

from guarded import Guard
from hypothesis import HealthCheck, given, settings
from hypothesis import seed as seeded
from hypothesis import strategies as st
from seeds import PIECES, REAL_CHECKPOINTS, SEEDS, TARS, zip_of

SHARES = {
    "pickle": 0.34,
    "checkpoint": 0.16,
    "zip": 0.14,
    "tar.gz": 0.14,
    "safetensors": 0.1,
    "npy": 0.06,
    "json": 0.03,
    "jsonl": 0.03,
}
NUMBERS = [b"\0", b"\xff", b"\0\0\0\x80", b"\xff\xff\xff\x7f", b"\xff" * 4, b"\0" * 8, b"\xff" * 7 + b"\x7f"]


def mutated(content: bytes, others: list[bytes], source: random.Random) -> bytes:
    """Damage a file in one to four places."""
    made = bytearray(content)
    for _ in range(source.choice([1, 1, 1, 2, 4])):
        place, length = source.randrange(len(made) + 1), source.choice([1, 2, 4, 16, 200])
        match source.randrange(8):
            case 0 if made:
                made[place % len(made)] ^= 1 << source.randrange(8)
            case 1 if made:
                made[place % len(made)] = source.randrange(256)
            case 2:
                del made[place:]
            case 3:
                del made[place : place + length]
            case 4:
                made[place:place] = made[place : place + length] * source.choice([1, 2, 30])
            case 5:
                made[place:place] = source.choice(PIECES)
            case 6:
                number = source.choice(NUMBERS)
                made[place : place + len(number)] = number
            case 7:
                other = source.choice(others)
                made[place:] = other[source.randrange(len(other)) :]
    return bytes(made)


def right_checksums(tar: bytes) -> bytes:
    """Correct the checksum of every header in a tar, so that readers get to the damage behind it."""
    made = bytearray(tar)
    for start in range(0, len(made) - 511, 512):
        if made[start + 257 : start + 262] == b"ustar":
            made[start + 148 : start + 156] = b" " * 8
            made[start + 148 : start + 156] = b"%06o\0 " % sum(made[start : start + 512])
    return bytes(made)


def damaged(kind: str, source: random.Random) -> bytes:
    """Make a damaged file; formats with a checksum are damaged inside, before they are packed."""
    seeds = SEEDS[kind]
    inside = source.random() < 0.6
    if kind == "tar.gz" and inside:
        return gzip.compress(right_checksums(mutated(source.choice(TARS), TARS, source)), 1)
    if kind == "checkpoint" and source.random() < 0.005:
        real = source.choice(REAL_CHECKPOINTS).read_bytes()
        return mutated(real, [real], source)
    if kind == "checkpoint" and inside:
        with zipfile.ZipFile(io.BytesIO(seeds[1])) as packed:
            records = {name: packed.read(name) for name in packed.namelist()}
        name = "archive/data.pkl" if source.random() < 0.9 else source.choice(list(records))
        records[name] = mutated(records[name], SEEDS["pickle"], source)
        return zip_of(records, zipfile.ZIP_STORED)
    if kind == "safetensors" and inside:
        content = source.choice(seeds)
        end = 8 + struct.unpack("<Q", content[:8])[0]
        header = mutated(content[8:end], seeds, source)
        return struct.pack("<Q", len(header)) + header + content[end:]
    return mutated(source.choice(seeds), seeds, source)


def generated(guard: Guard, examples: int, seed: int, counts: Counter[str]) -> None:
    """Generate pickles of random steps, each with a fitting argument, and JSON of every shape."""
    steps = st.sampled_from([op.code.encode("latin1") for op in pickletools.opcodes] + PIECES)
    arguments = st.sampled_from([b"", b"\x00", b"\x01\x00\x00\x00", b"1\n", b"'f4'\n"]) | st.binary(max_size=9)
    programs = st.lists(st.tuples(steps, arguments).map(b"".join), max_size=40).map(b"".join)

    @seeded(seed)
    @settings(max_examples=examples, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(st.binary(max_size=4), programs)
    def run(start: bytes, program: bytes) -> None:
        counts["generated " + ("refused" if guard.read("pickle", start + program + b".") else "read")] += 1

    run()


def main(files: int, seed: int) -> None:
    """Read so many files; an exception means that a reader failed."""
    warnings.simplefilter("ignore")  # numpy warns about headers that Python 2 wrote
    guard, source, counts = Guard(), random.Random(seed), Counter[str]()
    for kind, contents in SEEDS.items():  # intact files first, so that modules imported late are imported now
        for content in contents:
            message = guard.read(kind, content)
            assert message is None, (kind, message)
            guard.read(kind, content[:-20])
    generated(guard, 200, seed, Counter())
    guard.warm = True
    start = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    taken = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (taken + (1 << 30), resource.RLIM_INFINITY))
    for kind, share in SHARES.items():
        for number in range(int(share * files * 0.9)):
            content = damaged(kind, source)
            try:
                counts[f"{kind} {'refused' if guard.read(kind, content) else 'read'}"] += 1
            except BaseException:
                Path("failed.bin").write_bytes(content)
                print(f"{kind}, file {number}", file=sys.stderr)
                raise
    generated(guard, files // 10, seed, counts)
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - start
    guard.close()
    print(json.dumps({"counts": counts, "files": sum(counts.values()), "grown": grown}))


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))

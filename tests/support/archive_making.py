"""Make zips and tars for tests, and unpack them."""

import io
import tarfile
import zipfile
from pathlib import Path

import pytest

from sertool.core.errors import DataError
from sertool.core.files.archives import unpack

DAMAGED = "is damaged or truncated"


def zip_of(members, *, method=zipfile.ZIP_DEFLATED) -> bytes:
    """Make a zip of ``(name or ZipInfo, content)`` pairs or a dict of them."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", method) as packed:
        for name, content in dict(members).items() if isinstance(members, dict) else members:
            packed.writestr(name, content)
    return stream.getvalue()


def info(name: str, kind: bytes = tarfile.REGTYPE, **attributes) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.type = kind
    for key, value in attributes.items():
        setattr(member, key, value)
    return member


def tar_of(members, *, form=tarfile.PAX_FORMAT) -> bytes:
    """Make a tar.gz of ``(name or TarInfo, content)`` pairs or a dict of them."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz", format=form, compresslevel=1) as packed:
        for name, content in dict(members).items() if isinstance(members, dict) else members:
            member = info(name) if isinstance(name, str) else name
            member.size = len(content)
            packed.addfile(member, io.BytesIO(content))
    return stream.getvalue()


def raw_tar(name: bytes, *, kind: bytes = b"0", size: bytes = b"00000000000", content: bytes = b"") -> bytes:
    """Make a tar of one member with the given header fields and a correct checksum."""
    header = name.ljust(100, b"\0") + b"0000644\0" + b"0000000\0" * 2 + size.ljust(12, b"\0") + b"0" * 11 + b"\0"
    rest = kind + bytes(100) + b"ustar\x0000" + bytes(247)
    total = sum(header) + 8 * 32 + sum(rest)
    return header + b"%06o\0 " % total + rest + content + bytes(-len(content) % 512)


def take(content: bytes, folder: Path, **options):
    """Unpack, and check that nothing outside the target has changed."""
    archive, target = folder / "x.archive", folder / "target"
    archive.write_bytes(content)
    target.mkdir(exist_ok=True)
    before = {path for path in folder.rglob("*") if target not in path.parents}
    try:
        return unpack(archive, target, **options)
    finally:
        assert {path for path in folder.rglob("*") if target not in path.parents} == before


def refusal(content: bytes, folder: Path, **options) -> str:
    with pytest.raises(DataError) as caught:
        take(content, folder, **options)
    return str(caught.value).removeprefix(f"{folder / 'x.archive'}: ")


def written(folder: Path) -> dict[str, bytes]:
    target = folder / "target"
    return {path.relative_to(target).as_posix(): path.read_bytes() for path in target.rglob("*") if path.is_file()}

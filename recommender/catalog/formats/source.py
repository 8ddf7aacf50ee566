"""A file about to be imported: read once from end to end before a single row is believed."""

import codecs
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import TextIO

from django.utils.translation import gettext as _

from recommender.errors import BadData

CHUNK = 1 << 20
ARCHIVES = {
    b"PK\x03\x04": "ZIP",
    b"\x1f\x8b": "gzip",
    b"BZh": "bzip2",
    b"\xfd7zXZ": "xz",
    b"(\xb5/\xfd": "Zstandard",
    b"7z\xbc\xaf": "7-Zip",
    b"Rar!": "RAR",
}


@dataclass(frozen=True)
class Source:
    """A text file and what a whole reading of it showed."""

    path: Path
    encoding: str
    sha256: str
    lines: int

    def open(self, newline: str | None = None) -> TextIO:
        """Open the file for reading, as text."""
        return self.path.open(encoding=self.encoding, newline=newline)


def scan(path: Path, fallback_encoding: str | None) -> Source:
    """Read a file through: its digest, its number of lines, its encoding. Constant memory.

    Raises: BadData for what is no text file: an archive (it could unpack to any size), binary
        data, a line beyond one megabyte, an unknown encoding, an empty file.
    """
    digest, lines, last = sha256(), 0, b""
    decoder: codecs.IncrementalDecoder | None = codecs.getincrementaldecoder("utf-8")()
    is_marked = False
    with path.open("rb") as data:
        while chunk := data.read(CHUNK):
            if not last:
                _refuse_archive(path, chunk)
                is_marked = chunk.startswith(codecs.BOM_UTF8)
            _refuse_binary(path, chunk)
            digest.update(chunk)
            lines += chunk.count(b"\n")
            last = chunk
            decoder = _decode(decoder, chunk)
    if not last:
        raise BadData(_("%(file)s is empty.") % {"file": path.name})
    encoding = "utf-8-sig" if is_marked else "utf-8"
    if _decode(decoder, b"", is_last=True) is None:
        if fallback_encoding is None:
            raise BadData(
                _("%(file)s is not UTF-8. Save it as UTF-8 and import it again.")
                % {"file": path.name}
            )
        encoding = fallback_encoding
    return Source(path, encoding, digest.hexdigest(), lines + (not last.endswith(b"\n")))


def _decode(
    decoder: codecs.IncrementalDecoder | None, chunk: bytes, *, is_last: bool = False
) -> codecs.IncrementalDecoder | None:
    try:
        if decoder is not None:
            decoder.decode(chunk, is_last)
    except UnicodeDecodeError:
        return None
    return decoder


def _refuse_archive(path: Path, head: bytes) -> None:
    for magic, name in ARCHIVES.items():
        if head.startswith(magic):
            raise BadData(
                _("%(file)s is a %(kind)s archive. Unpack it and import the files in it.")
                % {"file": path.name, "kind": name}
            )


def _refuse_binary(path: Path, chunk: bytes) -> None:
    if b"\0" in chunk:
        raise BadData(
            _("%(file)s is not a text file: it contains NUL bytes.") % {"file": path.name}
        )
    if len(chunk) == CHUNK and b"\n" not in chunk:
        raise BadData(
            _("%(file)s has a line of more than one megabyte; no format has such.")
            % {"file": path.name}
        )

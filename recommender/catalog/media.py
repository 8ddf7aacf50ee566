"""Pictures and sounds of items: files below the media folder that the operator filled.

Nothing is fetched from anywhere: an item names a path, and the file must lie in the folder. Whether
it can be decoded shows when the encoder reads it, in a worker.
"""

import hashlib
from collections.abc import Mapping
from pathlib import Path

from django.conf import settings
from django.utils.translation import gettext as _

from recommender.errors import BadData

MOST_BYTES: Mapping[str, int] = {"picture": 10_000_000, "sound": 50_000_000}
LONGEST_NAME = 500


def path_of(kind: str, name: str) -> Path:
    """Return the file of this name below the media folder.

    Args:
        kind: `picture` or `sound`.
        name: with forward slashes, such as `covers/1.png`.
    Raises: BadData when it is no such file, lies elsewhere (through a link, too), or is too large.
    """
    is_plain = 0 < len(name) <= LONGEST_NAME and not set(name) & {"\0", "\\"}
    if not is_plain or name.startswith("/") or ".." in name.split("/"):
        raise BadData(
            _("%(name)r is no path below the media folder, such as covers/1.png.")
            % {"name": name[:100]}
        )
    root = Path(settings.MEDIA_DIR).resolve()
    try:
        path = (root / name).resolve()
        is_there = path.is_relative_to(root) and path.is_file()
        size = path.stat().st_size if is_there else 0
    except (OSError, ValueError):
        is_there, size = False, 0
    if not is_there:
        raise BadData(_("There is no file %(name)r in the media folder.") % {"name": name[:100]})
    if size > MOST_BYTES[kind]:
        raise BadData(
            _("%(name)r has %(n)d bytes; at most %(most)d are read.")
            % {"name": name[:100], "n": size, "most": MOST_BYTES[kind]}
        )
    return path


def digest(path: Path) -> str:
    """Return the SHA-256 of a file's content; empty when it cannot be read."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return ""


def mark(path: Path) -> str:
    """Return what changes when a file is written anew, without reading it; empty when it is gone.

    A file whose mark is unchanged is not hashed again.
    """
    try:
        facts = path.stat()
    except OSError:
        return ""
    return f"{facts.st_size}-{facts.st_mtime_ns}"

"""Readers of environment variables that fail loudly, naming variable, value and remedy."""

import os
from pathlib import Path
from urllib.parse import parse_qsl, unquote, urlsplit

from django.core.exceptions import ImproperlyConfigured


def text(name: str, default: str = "") -> str:
    """Read a string; an unset variable gives the default."""
    return os.environ.get(name, default)


def flag(name: str, default: bool = False) -> bool:
    """Read a yes–no variable: 1/true/yes/on or 0/false/no/off."""
    value = os.environ.get(name)
    if value is None or value == "":
        return default
    if value.lower() in {"1", "true", "yes", "on"}:
        return True
    if value.lower() in {"0", "false", "no", "off"}:
        return False
    raise ImproperlyConfigured(f"{name} is {value!r}; set it to 1 or 0, or unset it.")


def number(name: str, default: int, *, least: int = 0) -> int:
    """Read a whole number that is at least `least`."""
    value = os.environ.get(name)
    if value is None or value == "":
        return default
    if not value.lstrip("-").isdigit() or int(value) < least:
        raise ImproperlyConfigured(f"{name} is {value!r}; set it to a whole number ≥ {least}.")
    return int(value)


def words(name: str, default: str = "") -> list[str]:
    """Read a comma-separated list; blanks are dropped."""
    return [part.strip() for part in text(name, default).split(",") if part.strip()]


def folder(name: str, default: Path) -> Path:
    """Read a folder's path and make it absolute."""
    return Path(text(name) or default).expanduser().resolve()


def database(name: str, sqlite_path: Path) -> dict[str, object]:
    """Read a database address; unset means SQLite at `sqlite_path`.

    Understood: `postgres://user:password@host:port/name?option=value` and `sqlite:///path`.
    """
    address = text(name)
    if not address:
        return sqlite(sqlite_path)
    parts = urlsplit(address)
    if parts.scheme == "sqlite":
        return sqlite(Path(unquote(parts.path)))
    if parts.scheme not in {"postgres", "postgresql"} or not parts.path.strip("/"):
        raise ImproperlyConfigured(
            f"{name} starts with {parts.scheme!r}; use postgres://user:password@host:5432/name "
            "or sqlite:///path, or unset it for SQLite."
        )
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": unquote(parts.path.strip("/")),
        "USER": unquote(parts.username or ""),
        "PASSWORD": unquote(parts.password or ""),
        "HOST": parts.hostname or "",
        "PORT": str(parts.port or ""),
        "CONN_MAX_AGE": 60,
        "CONN_HEALTH_CHECKS": True,
        "OPTIONS": dict(parse_qsl(parts.query)),
    }


def sqlite(path: Path) -> dict[str, object]:
    """Describe a SQLite database that survives a kill and does not lock up under writers.

    WAL lets readers go on beside one writer; IMMEDIATE makes writers queue up instead of failing
    with "database is locked"; FULL makes a commit survive power loss, not only a killed process.
    """
    return {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": str(path),
        "CONN_MAX_AGE": None,
        "OPTIONS": {
            "transaction_mode": "IMMEDIATE",
            "timeout": 20,
            "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; "
            "PRAGMA mmap_size=268435456; PRAGMA cache_size=-65536;",
        },
        "TEST": {"NAME": text("TEST_SQLITE_PATH") or None},
    }


def secret(name: str, path: Path) -> str:
    """Read a secret from the environment, else from a file (mode 0600) that the first start makes.

    Two processes may start at once: the file is made exclusively, the loser reads the winner's.
    """
    value = os.environ.get(name)
    if value is not None:
        if len(value) < 32:
            raise ImproperlyConfigured(
                f"{name} has {len(value)} characters; set at least 32 random ones, "
                "or unset it and RecLoop makes one on first start."
            )
        return value
    return _secret_file(path)


def _secret_file(path: Path) -> str:
    import secrets

    path.parent.mkdir(parents=True, exist_ok=True)
    made = secrets.token_urlsafe(48)
    draft = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as out:
        out.write(made)
        out.flush()
        os.fsync(out.fileno())
    try:
        os.link(draft, path)  # atomic: fails when another process was first
    except FileExistsError:
        pass
    finally:
        draft.unlink()
    return path.read_text().strip()

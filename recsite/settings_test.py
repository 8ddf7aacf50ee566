"""Settings for the test suite: its own data folder, fast password hashing, quiet logs."""

import tempfile
from pathlib import Path

from recsite.settings import *  # noqa: F403 - a settings file extends another by importing it whole

DATA_DIR = Path(tempfile.mkdtemp(prefix="recloop-test-"))
ARTIFACTS_DIR = DATA_DIR / "artifacts"
SNAPSHOTS_DIR = DATA_DIR / "snapshots"
IMPORTS_DIR = DATA_DIR / "imports"
MEDIA_DIR = DATA_DIR / "media"
STATIC_ROOT = DATA_DIR / "static"
STATIC_ROOT.mkdir()
WHITENOISE_USE_FINDERS = True
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
LOGGING = {"level": "ERROR", "as_json": False}
ENCODER_TEXT = "hashing"
ENCODER_PICTURE = ENCODER_SOUND = "none"
ALLOWED_HOSTS = ["127.0.0.1", "localhost", "testserver"]

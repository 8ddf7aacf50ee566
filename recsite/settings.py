"""All settings, grouped by heading; the only reader of the environment (through `recsite.env`)."""

import sys
from pathlib import Path

from csp.constants import NONE, SELF

from recsite import env

BASE_DIR = Path(__file__).resolve().parent.parent

# --- Where things are kept -----------------------------------------------------------------
DATA_DIR = env.folder("RECLOOP_DATA", BASE_DIR / "var")
DATA_DIR.mkdir(parents=True, exist_ok=True)
ARTIFACTS_DIR = DATA_DIR / "artifacts"
SNAPSHOTS_DIR = DATA_DIR / "snapshots"
IMPORTS_DIR = DATA_DIR / "imports"
MEDIA_DIR = env.folder("RECLOOP_MEDIA", DATA_DIR / "media")  # pictures and sounds of items

# --- Security ------------------------------------------------------------------------------
DEBUG = env.flag("DEBUG")
SECRET_KEY = env.secret("SECRET_KEY", DATA_DIR / "secret_key")
TOKEN_KEY = env.secret("TOKEN_KEY", DATA_DIR / "token_key")  # signs impression tokens
ALLOWED_HOSTS = env.words("ALLOWED_HOSTS", "127.0.0.1,localhost,[::1]")
CSRF_TRUSTED_ORIGINS = env.words("CSRF_TRUSTED_ORIGINS")
BEHIND_TLS = env.flag("BEHIND_TLS")  # set where a TLS proxy stands in front
SECURE_SSL_REDIRECT = BEHIND_TLS
SECURE_HSTS_SECONDS = 31_536_000 if BEHIND_TLS else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = BEHIND_TLS
SECURE_HSTS_PRELOAD = BEHIND_TLS
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if BEHIND_TLS else None
SECURE_REFERRER_POLICY = "same-origin"
SECURE_CROSS_ORIGIN_OPENER_POLICY = "same-origin"
SESSION_COOKIE_SECURE = BEHIND_TLS
SESSION_COOKIE_NAME = "__Host-session" if BEHIND_TLS else "session"
SESSION_COOKIE_SAMESITE = "Lax"
CSRF_COOKIE_SECURE = BEHIND_TLS
CSRF_COOKIE_NAME = "__Host-csrf" if BEHIND_TLS else "csrf"
CSRF_COOKIE_HTTPONLY = False
CSRF_FAILURE_VIEW = "recommender.pages.errors.csrf_failure"
X_FRAME_OPTIONS = "DENY"
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [SELF],
        "script-src": [SELF],
        "style-src": [SELF],
        "img-src": [SELF, "data:"],
        "connect-src": [SELF],
        "font-src": [SELF],
        "object-src": [NONE],
        "base-uri": [NONE],
        "form-action": [SELF],
        "frame-ancestors": [NONE],
    }
}

# --- Apps and middleware -------------------------------------------------------------------
INSTALLED_APPS = [
    "recommender",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "csp",
    "rest_framework",
    "drf_spectacular",
]
MIDDLEWARE = [
    "recommender.middleware.RequestLog",
    "django.middleware.security.SecurityMiddleware",
    "csp.middleware.CSPMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.middleware.gzip.GZipMiddleware",  # pads at random against BREACH
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "recommender.api.errors.ApiErrors",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]
ROOT_URLCONF = "recsite.urls"
WSGI_APPLICATION = "recsite.wsgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "django.template.context_processors.i18n",
                "recommender.pages.context.site",
            ],
        },
    },
]
AUTH_USER_MODEL = "recommender.Account"
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator"},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
]
LOGIN_URL = "/accounts/login/"
LOGIN_REDIRECT_URL = "/"
LOGOUT_REDIRECT_URL = "/"

# --- Database ------------------------------------------------------------------------------
DATABASES = {"default": env.database("DATABASE_URL", DATA_DIR / "recloop.sqlite3")}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# --- Language and time ---------------------------------------------------------------------
LANGUAGE_CODE = env.text("LANGUAGE_CODE", "en")
LANGUAGES = [("en", "English"), ("zh-hans", "简体中文")]
LOCALE_PATHS = [BASE_DIR / "locale"]
LANGUAGE_COOKIE_NAME = "language"
USE_I18N = True
USE_TZ = True
TIME_ZONE = env.text("TIME_ZONE", "UTC")
SIM_CLOCK = env.flag("SIM_CLOCK")  # lets an operator key set product time forward; tests only

# --- Static files --------------------------------------------------------------------------
STATIC_URL = "/static/"
STATICFILES_DIRS = [BASE_DIR / "static"]
STATIC_ROOT = BASE_DIR / "build" / "static"
STATIC_ROOT.mkdir(parents=True, exist_ok=True)
# `make` collects and compresses; without that, files are served as they lie in the sources.
WHITENOISE_USE_FINDERS = not (STATIC_ROOT / "collected").exists()
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "whitenoise.storage.CompressedStaticFilesStorage"},
}

# --- Queue ---------------------------------------------------------------------------------
# Unset: the embedded queue (job rows in the database feed each worker's in-memory transport).
BROKER_URL = env.text("BROKER_URL")
CELERY_BROKER_URL = BROKER_URL or "memory://"
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_SERIALIZER = "json"
CELERY_ACCEPT_CONTENT = ["json"]
CELERY_TASK_DEFAULT_QUEUE = "default"
CELERY_TASK_ROUTES = {
    "recommender.train": {"queue": "learning"},
    "recommender.measure_variants": {"queue": "learning"},
}
CELERY_TASK_ACKS_LATE = False  # the job row redelivers, not the broker: see recommender/jobs
CELERY_TASK_TIME_LIMIT = 300
CELERY_TASK_SOFT_TIME_LIMIT = 270
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_WORKER_REDIRECT_STDOUTS = False
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_WORKER_MAX_TASKS_PER_CHILD = 50
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_TRANSPORT_OPTIONS = (
    {"visibility_timeout": 14_400} if BROKER_URL.startswith("redis") else {}
)
CELERY_TIMEZONE = "UTC"

# --- REST ----------------------------------------------------------------------------------
REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["recommender.api.auth.KeyAuthentication"],
    "DEFAULT_PERMISSION_CLASSES": ["recommender.api.auth.HasScope"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["rest_framework.parsers.JSONParser"],
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "EXCEPTION_HANDLER": "recommender.api.errors.handle",
    "UNAUTHENTICATED_USER": None,
    "UNAUTHENTICATED_TOKEN": None,
}
SPECTACULAR_SETTINGS = {
    "TITLE": "RecLoop",
    "DESCRIPTION": "Personalized lists, the events that follow, and the loop between them.",
    "VERSION": "1.0.0",
    "OAS_VERSION": "3.1.0",
    "SERVE_INCLUDE_SCHEMA": False,
    "COMPONENT_SPLIT_REQUEST": True,
}
DATA_UPLOAD_MAX_MEMORY_SIZE = 2_097_152  # one batch of at most 1,000 events

# --- The loop ------------------------------------------------------------------------------
# Unset: the bundled encoder where its package is installed; see recommender/ml/encoders.
ENCODER_TEXT = env.text("ENCODER_TEXT")
ENCODER_PICTURE = env.text("ENCODER_PICTURE")
ENCODER_SOUND = env.text("ENCODER_SOUND")
ENCODER_API_KEY = env.text("ENCODER_API_KEY")  # sent to an openai: endpoint
# May reword explanations: openai:<base_url>#<model> or folder:<path>; unset, templates say it all.
NARRATOR = env.text("NARRATOR")
NARRATOR_API_KEY = env.text("NARRATOR_API_KEY")  # sent to an openai: endpoint
TRAIN_THREADS = env.number("TRAIN_THREADS", 1, least=1)
TRAIN_DEVICE = env.text("TRAIN_DEVICE", "auto")  # auto: a GPU when there is one, else the CPU

# --- Web server ----------------------------------------------------------------------------
BIND_HOST = env.text("BIND_HOST", "127.0.0.1")
BIND_PORT = env.number("BIND_PORT", 8000, least=1)
WEB_WORKERS = env.number("WEB_WORKERS", 2, least=1)

# --- Logs ----------------------------------------------------------------------------------
LOG_JSON = env.flag("LOG_JSON", default=not sys.stderr.isatty())
LOG_LEVEL = env.text("LOG_LEVEL", "INFO")
LOGGING_CONFIG = "recommender.logs.configure"
LOGGING = {"level": LOG_LEVEL, "as_json": LOG_JSON}
SILENCED_SYSTEM_CHECKS: list[str] = []

"""The only reader of the environment; everything else asks `django.conf.settings`.

A value that cannot be used ends the process here, with one line that names the variable and says why.
"""

import os
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

from django.core.exceptions import ImproperlyConfigured
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

BASE_DIR = Path(__file__).resolve().parent.parent
REDIS_DATABASES = 16  # the default of Redis and Valkey
REDIS_USED = 6
SHORTEST_KEY, FEWEST_SIGNS = 50, 5  # characters, and different ones: what Django's own deployment check asks for


def _number(name: str, default: float, *, least: float = 0) -> float:
    text = os.environ.get(name, str(default))
    try:
        value = float(text)
    except ValueError:
        raise ImproperlyConfigured(f"{name} is {text!r}: a number is needed, for example {default}.") from None
    if not least <= value < float("inf"):
        raise ImproperlyConfigured(f"{name} is {text}: it must be at least {least:g}.")
    return value


def _integer(name: str, default: int, *, least: int = 0) -> int:
    value = _number(name, default, least=least)
    if value != int(value):
        raise ImproperlyConfigured(f"{name} is {value:g}: a whole number is needed, for example {default}.")
    return int(value)


def _flag(name: str, default: bool) -> bool:
    text = os.environ.get(name, "1" if default else "0").strip().lower()
    if text not in {"0", "1", "true", "false", "yes", "no", "on", "off"}:
        raise ImproperlyConfigured(f"{name} is {text!r}: use 1 or 0.")
    return text in {"1", "true", "yes", "on"}


def _database_url(text: str) -> str:
    """The URL with the async driver of its database. Raises ImproperlyConfigured for any other database."""
    try:
        url = make_url(text)
    except (ArgumentError, ValueError):
        raise ImproperlyConfigured(
            "DATABASE_URL cannot be read as a URL. Use postgresql://user:password@host/name or sqlite:///path."
        ) from None
    drivers = {"postgres": "postgresql+asyncpg", "postgresql": "postgresql+asyncpg", "sqlite": "sqlite+aiosqlite"}
    backend = url.drivername.partition("+")[0]
    if backend not in drivers:
        raise ImproperlyConfigured(
            f"DATABASE_URL names the database {backend!r}; QuLab runs on PostgreSQL (postgresql://…) and SQLite (sqlite:///…)."
        )
    if backend == "sqlite" and url.database in (None, "", ":memory:"):
        raise ImproperlyConfigured(
            "DATABASE_URL names an in-memory SQLite database, which no second connection or process can see. "
            "Give a file: sqlite:///path/to/qulab.db."
        )
    if "sslmode" in url.query:  # libpq's name for it, usual in addresses of hosted servers
        url = url.difference_update_query(["sslmode"]).update_query_dict({"ssl": url.query["sslmode"]})
    return url.set(drivername=drivers[backend]).render_as_string(hide_password=False)


def _redis_url(text: str, offset: int) -> str:
    """The URL with its logical database moved by `offset`, so that each use has a database of its own."""
    unusable = ImproperlyConfigured(
        "REDIS_URL cannot be used: it must look like redis://host:6379/0 (rediss:// for TLS)."
    )
    try:
        parts = urlsplit(text)
        _ = parts.port  # raises ValueError for what is no port
    except ValueError:
        raise unusable from None
    path = parts.path.strip("/") or "0"
    if parts.scheme not in {"redis", "rediss"} or not parts.hostname or not path.isdecimal():
        raise unusable
    if int(path) + REDIS_USED > REDIS_DATABASES:
        raise ImproperlyConfigured(
            f"REDIS_URL names database {path}; QuLab uses {REDIS_USED} from there on, and Redis has {REDIS_DATABASES}. "
            f"Name at most {REDIS_DATABASES - REDIS_USED}."
        )
    return urlunsplit(parts._replace(path=f"/{int(path) + offset}"))


# --- Process ---------------------------------------------------------------------------------------------------------

DEBUG = _flag("DJANGO_DEBUG", False)
DEVELOPMENT_KEY = "insecure-key-of-the-local-lab"
SECRET_KEY = os.environ.get("DJANGO_SECRET_KEY", DEVELOPMENT_KEY)
ALLOWED_HOSTS = [
    host.strip()
    for host in os.environ.get("DJANGO_ALLOWED_HOSTS", "localhost,127.0.0.1,[::1]").split(",")
    if host.strip()
]
LOOPBACK = {"localhost", "127.0.0.1", "[::1]", "::1", "testserver"}
PRODUCTION = not LOOPBACK.issuperset(ALLOWED_HOSTS)  # a name is allowed under which others can reach it
if PRODUCTION and SECRET_KEY == DEVELOPMENT_KEY:
    raise ImproperlyConfigured(
        "DJANGO_SECRET_KEY is not set, and DJANGO_ALLOWED_HOSTS names a host beyond loopback: "
        "set it to a long random text that nobody else knows."
    )
if PRODUCTION and (
    len(SECRET_KEY) < SHORTEST_KEY or len(set(SECRET_KEY)) < FEWEST_SIGNS or SECRET_KEY.startswith("django-insecure-")
):
    raise ImproperlyConfigured(
        f"DJANGO_SECRET_KEY can be guessed: it needs {SHORTEST_KEY} characters, {FEWEST_SIGNS} of them different. "
        "Make one with: python -c 'import secrets; print(secrets.token_urlsafe(64))'"
    )
if PRODUCTION and DEBUG:
    raise ImproperlyConfigured(
        "DJANGO_DEBUG is on, and DJANGO_ALLOWED_HOSTS names a host beyond loopback: its pages show settings and rows. "
        "Turn it off."
    )
LOCAL_OPERATOR = _flag("QULAB_LOCAL_OPERATOR", False)  # who sits at this machine needs no account, and is staff
if PRODUCTION and LOCAL_OPERATOR:
    raise ImproperlyConfigured(
        "QULAB_LOCAL_OPERATOR is on, and DJANGO_ALLOWED_HOSTS names a host beyond loopback: a proxy on this machine "
        "would make everybody its operator. Turn it off, and make staff with manage.py createstaff."
    )
QULAB_DATA_DIR = Path(os.environ.get("QULAB_DATA_DIR", BASE_DIR / "data")).absolute()

# --- Database: SQLAlchemy's; Django's ORM is not configured -----------------------------------------------------------

DATABASE_URL = _database_url(os.environ.get("DATABASE_URL") or f"sqlite:///{QULAB_DATA_DIR / 'qulab.db'}")
DB_POOL_SIZE = _integer("QULAB_DB_POOL_SIZE", 10, least=1)
DB_MAX_OVERFLOW = _integer("QULAB_DB_MAX_OVERFLOW", 20)
DB_POOL_TIMEOUT = _number("QULAB_DB_POOL_TIMEOUT", 30.0)  # seconds
DB_POOL_RECYCLE = _number("QULAB_DB_POOL_RECYCLE", 1800.0)  # seconds
DB_POOL_PRE_PING = _flag("QULAB_DB_POOL_PRE_PING", True)
DB_STATEMENT_TIMEOUT = _number("QULAB_DB_STATEMENT_TIMEOUT", 30.0)  # seconds; PostgreSQL
DB_BUSY_TIMEOUT = _number("QULAB_DB_BUSY_TIMEOUT", 10.0)  # seconds; SQLite
DATABASES: dict[str, object] = {}
LAB_POSTGRES_URL = os.environ.get("QULAB_LAB_POSTGRES_URL") or ""  # where experiments find a PostgreSQL, if not here
if LAB_POSTGRES_URL:
    LAB_POSTGRES_URL = _database_url(LAB_POSTGRES_URL)
    if not LAB_POSTGRES_URL.startswith("postgresql"):
        raise ImproperlyConfigured(
            "QULAB_LAB_POSTGRES_URL must name a PostgreSQL: postgresql://user:password@host/name."
        )

# --- Lab: who may use it, and what it may touch -----------------------------------------------------------------------

LAB = os.environ.get("QULAB_LAB") or ("staff" if PRODUCTION else "open")
LAB_GIVEN = bool(os.environ.get("QULAB_LAB"))
if LAB not in {"off", "staff", "open"}:
    raise ImproperlyConfigured(f"QULAB_LAB is {LAB!r}: use off, staff or open.")
LAB_OWNS_DATABASE = _flag("QULAB_LAB_OWNS_DATABASE", False)  # set by `manage.py lab` for a database of its own

# --- Redis: six logical databases, so that emptying one never empties another ---------------------------------------

REDIS_URL = os.environ.get("REDIS_URL") or "redis://localhost:6379/0"
REDIS_URL_GIVEN = bool(os.environ.get("REDIS_URL"))
REDIS_STREAMS_URL = _redis_url(REDIS_URL, 0)
REDIS_CACHE_URL = _redis_url(REDIS_URL, 1)
REDIS_DJANGO_CACHE_URL = _redis_url(REDIS_URL, 3)
REDIS_SCRATCH_URL = _redis_url(REDIS_URL, 4)  # of experiments: nothing of the application is here
REDIS_SESSIONS_URL = _redis_url(REDIS_URL, 5)  # who is signed in, and how often somebody tried
REDIS_IS_EMULATED = _flag("QULAB_REDIS_EMULATED", False)  # set by `manage.py lab` when no real server was found
CACHE_TTL = _number("QULAB_CACHE_TTL", 3600.0, least=1)  # seconds
CACHES = {
    "default": {
        "BACKEND": "django_redis.cache.RedisCache",
        "LOCATION": REDIS_DJANGO_CACHE_URL,
        "OPTIONS": {"CLIENT_CLASS": "django_redis.client.DefaultClient"},
    }
}

# --- Outbox ----------------------------------------------------------------------------------------------------------

OUTBOX_PARTITIONS = _integer("QULAB_OUTBOX_PARTITIONS", 8, least=1)
OUTBOX_BATCH = _integer("QULAB_OUTBOX_BATCH", 500, least=1)  # events in one pass
OUTBOX_EVENT_BYTES = _integer("QULAB_OUTBOX_EVENT_BYTES", 1_048_576, least=1)  # of one entry; a larger event is refused
OUTBOX_MAX_ATTEMPTS = _integer("QULAB_OUTBOX_MAX_ATTEMPTS", 8, least=1)
OUTBOX_STREAM_MAXLEN = _integer("QULAB_OUTBOX_STREAM_MAXLEN", 1_000_000, least=1)  # entries of one stream, approximate
OUTBOX_RETENTION_DAYS = _integer("QULAB_OUTBOX_RETENTION_DAYS", 30, least=1)  # of what is published or discarded
RELAY_INTERVAL = _number("QULAB_RELAY_INTERVAL", 1.0, least=0.1)  # seconds between two ticks of beat
QULAB_CONSUMER_GROUP = "qulab"
ITEM_EVENTS = _flag("QULAB_ITEM_EVENTS", False)  # an event for each answer of a test as well: many

# --- Celery ----------------------------------------------------------------------------------------------------------

LAB_RETENTION_DAYS = _integer("QULAB_LAB_RETENTION_DAYS", 90, least=1)  # of runs, with their samples
CELERY_BROKER_URL = _redis_url(REDIS_URL, 2)
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_CONNECTION_MAX_RETRIES = None  # an outage of Redis of any length is waited out
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_DEFAULT_QUEUE = "lab"
CELERY_TASK_ROUTES = {"outbox.tasks.relay_events": {"queue": "relay"}, "accounts.tasks.*": {"queue": "mail"}}
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_WORKER_CANCEL_LONG_RUNNING_TASKS_ON_CONNECTION_LOSS = True  # Celery 6's default; silences its warning
CELERY_TIMEZONE = "UTC"
PRUNE_INTERVAL = 24 * 3600.0  # seconds
CELERY_BEAT_SCHEDULE = {
    "relay-events": {
        "task": "outbox.tasks.relay_events",
        "schedule": RELAY_INTERVAL,
        # A tick that waited for a whole interval is served by the next one.
        "options": {"expires": RELAY_INTERVAL, "queue": "relay"},
    },
    "prune-runs": {
        "task": "qulab.lab.tasks.prune_runs",
        "schedule": PRUNE_INTERVAL,
        "options": {"expires": PRUNE_INTERVAL, "queue": "lab"},
    },
    "prune-outbox": {
        "task": "outbox.tasks.prune_outbox",
        "schedule": PRUNE_INTERVAL,
        "options": {"expires": PRUNE_INTERVAL, "queue": "lab"},
    },
}

# --- Django ----------------------------------------------------------------------------------------------------------

INSTALLED_APPS = [
    "qulab",
    "qulab.lab",
    "qulab.access",
    "qulab.admin",
    "accounts",
    "assessments",
    "outbox",
    "csp",
    "django_htmx",
    "servestatic",
    "django.contrib.staticfiles",
]
STOCK_DJANGO = _flag("QULAB_STOCK_DJANGO", False)  # Django's own request path, with its threads
MIDDLEWARE = [  # headers outermost: they stand on files, redirects and refusals too (qulab/access/deployment.py)
    "qulab.lean.middleware.HeadersMiddleware",
    "csp.middleware.CSPMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "qulab.lean.static.StaticMiddleware",
    "qulab.lean.compression.PageCompressionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "qulab.db.middleware.SessionMiddleware",
    "qulab.lab.statements.middleware.StatementLogMiddleware",
    "qulab.access.middleware.AccessMiddleware",
]
if not STOCK_DJANGO:
    MIDDLEWARE = [
        path if path.startswith("qulab") else f"qulab.lean.middleware.{path.rpartition('.')[2]}" for path in MIDDLEWARE
    ]
ROOT_URLCONF = "qulab.urls"
ASGI_APPLICATION = "qulab.asgi.application"
APPEND_SLASH = False
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {"context_processors": ["django.template.context_processors.request"]},
    }
]
STATIC_URL = "static/"
STATIC_ROOT = BASE_DIR / "staticfiles"
SERVESTATIC_USE_FINDERS = True
STATIC_BUNDLES = {  # one request for what every page needs
    "qulab/css/qulab.css": [f"qulab/css/{name}.css" for name in ("tokens", "page", "parts", "lab")],
}
LANGUAGE_CODE = "en-us"
USE_I18N = True
USE_TZ = True
TIME_ZONE = "UTC"

# --- Accounts --------------------------------------------------------------------------------------------------------

PEOPLE = "accounts.people.known"  # finds who a session belongs to
SESSION_COOKIE_AGE = 14 * 24 * 3600  # seconds since the last request
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in (
        "UserAttributeSimilarityValidator",
        "MinimumLengthValidator",
        "CommonPasswordValidator",
        "NumericPasswordValidator",
    )
]
PASSWORD_RESET_TIMEOUT = 3600  # seconds
_OUTSIDE = [host.lstrip(".") for host in ALLOWED_HOSTS if host not in LOOPBACK | {"*"}]
# Where the links in mails lead; never what a request says it came to.
SITE_URL_GIVEN = bool(os.environ.get("QULAB_SITE_URL") or _OUTSIDE)
SITE_URL = os.environ.get("QULAB_SITE_URL", "").rstrip("/") or (
    f"https://{_OUTSIDE[0]}" if _OUTSIDE else "http://127.0.0.1:8000"
)
if urlsplit(SITE_URL).scheme not in {"http", "https"} or not urlsplit(SITE_URL).hostname:
    raise ImproperlyConfigured(f"QULAB_SITE_URL is {SITE_URL!r}: use an address like https://qulab.example.com.")
EMAIL_HOST = os.environ.get("QULAB_EMAIL_HOST", "")
EMAIL_PORT = _integer("QULAB_EMAIL_PORT", 587, least=1)
EMAIL_HOST_USER = os.environ.get("QULAB_EMAIL_USER", "")
EMAIL_HOST_PASSWORD = os.environ.get("QULAB_EMAIL_PASSWORD", "")
EMAIL_USE_TLS = _flag("QULAB_EMAIL_TLS", True)
EMAIL_TIMEOUT = 10  # seconds
EMAIL_BACKEND = f"{'django.core.mail.backends.smtp' if EMAIL_HOST else 'qulab.local.console'}.EmailBackend"
DEFAULT_FROM_EMAIL = os.environ.get("QULAB_EMAIL_FROM", "QuLab <qulab@localhost>")

# --- Security --------------------------------------------------------------------------------------------------------

CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": ["'none'"],
        "script-src": ["'self'"],
        "style-src": ["'self'"],
        "img-src": ["'self'"],
        "font-src": ["'self'"],
        "connect-src": ["'self'"],
        "form-action": ["'self'"],
        "base-uri": ["'none'"],
        "frame-ancestors": ["'none'"],
    }
}
X_FRAME_OPTIONS = "DENY"
SECURE_REFERRER_POLICY = "same-origin"
ANSWER_HEADERS = {
    "Permissions-Policy": ", ".join(
        f"{feature}=()"
        for feature in ("camera", "geolocation", "microphone", "payment", "usb", "browsing-topics", "display-capture")
    ),
    "Cross-Origin-Resource-Policy": "same-origin",
    # Django's middleware says these too, but not where it refuses a host before it redirects.
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": SECURE_REFERRER_POLICY,
}
MAX_BODY_BYTES = _integer("QULAB_MAX_BODY_BYTES", 262_144, least=1_024)  # of a form; more is refused unread
BODY_SECONDS = _number("QULAB_BODY_SECONDS", 20.0, least=0.1)  # in which a body must have arrived
DATA_UPLOAD_MAX_MEMORY_SIZE = MAX_BODY_BYTES
DATA_UPLOAD_MAX_NUMBER_FIELDS = 200
DATA_UPLOAD_MAX_NUMBER_FILES = 0  # nothing takes a file
SILENCED_SYSTEM_CHECKS = [  # they look for names of middlewares; qulab/access/deployment.py looks for classes
    "security.W001",
    "security.W002",
    "security.W003",
]
CSRF_TRUSTED_ORIGINS = [
    origin.strip() for origin in os.environ.get("DJANGO_CSRF_TRUSTED_ORIGINS", "").split(",") if origin.strip()
]
SECURE = _flag("QULAB_HTTPS", PRODUCTION)  # it is reached over TLS only
SECURE_SSL_REDIRECT = SECURE
SECURE_REDIRECT_EXEMPT = [r"^healthz$", r"^readyz$", r"^metrics$"]  # asked from within, without TLS
SECURE_HSTS_SECONDS = _integer("QULAB_HSTS_SECONDS", 365 * 24 * 3600 if SECURE else 0)
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE
SECURE_HSTS_PRELOAD = SECURE
SESSION_COOKIE_SECURE = SECURE
# A browser takes a name with this prefix from the host itself alone, over TLS, and never from another subdomain.
SESSION_COOKIE_NAME = "__Host-qulab-session" if SECURE else "qulab-session"
CSRF_COOKIE_NAME = "__Host-qulab-csrf" if SECURE else "csrftoken"
CSRF_COOKIE_SECURE = SECURE
CSRF_COOKIE_HTTPONLY = True
CSRF_COOKIE_SAMESITE = "Lax"

DEFAULT_EXCEPTION_REPORTER_FILTER = "qulab.reports.Hiding"

# --- Logs ------------------------------------------------------------------------------------------------------------

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "filters": {
        "in_one_line": {"()": "qulab.logs.InOneLine"},
        "outages_in_one_line": {"()": "qulab.logs.OutagesInOneLine"},
    },
    "formatters": {
        "line": {
            "class": "qulab.logs.Clearing",
            "format": "%(asctime)s %(levelname)-7s %(name)s: %(message)s",
            "datefmt": "%H:%M:%S",
        }
    },
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"handlers": ["stderr"], "level": "INFO"},
    "loggers": {
        "django": {"handlers": [], "level": "INFO"},  # else it writes mail with the request in it
        "django.security.DisallowedHost": {"level": "WARNING", "filters": ["in_one_line"]},
        # One line for each tick would bury what happens.
        "celery.worker.strategy": {"level": "WARNING"},
        "celery.app.trace": {"level": "WARNING"},
        "celery.worker.request": {"level": "WARNING"},
        "celery.beat": {"level": "WARNING", "filters": ["outages_in_one_line"]},
        "alembic": {"level": "WARNING"},
        "qulab.db.pool": {"level": "WARNING"},  # it would tell of each Database that is closed
    },
}

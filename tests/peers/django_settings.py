"""Django with its own ORM, and the middlewares that this project has, except those for static files and sessions.

Connections as Django's documentation wants them under ASGI: none kept for a thread; on PostgreSQL psycopg's pool.
"""

import os
from typing import Any

from sqlalchemy import make_url

url = make_url(os.environ["PEER_DATABASE_URL"])
size = int(os.environ["PEER_POOL_SIZE"])

on_sqlite: dict[str, Any] = {"ENGINE": "django.db.backends.sqlite3", "NAME": url.database}
on_postgresql: dict[str, Any] = {
    "ENGINE": "django.db.backends.postgresql",
    "NAME": url.database,
    "USER": url.username,
    "PASSWORD": url.password,
    "HOST": url.host or url.query.get("host"),
    "PORT": url.port,
    "OPTIONS": {"pool": {"min_size": size, "max_size": size + int(os.environ["PEER_MAX_OVERFLOW"])}},
}
DATABASES = {"default": on_sqlite if url.get_backend_name() == "sqlite" else on_postgresql}
SECRET_KEY = os.environ["DJANGO_SECRET_KEY"]
ALLOWED_HOSTS = ["127.0.0.1"]
INSTALLED_APPS = ["tests.peers.django_orm"]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "csp.middleware.CSPMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]
ROOT_URLCONF = "tests.peers.django_orm.urls"
ASGI_APPLICATION = "tests.peers.django_orm.asgi.application"
USE_TZ = True
TIME_ZONE = "UTC"

"""The product's settings, with views that hold a connection long enough to be left."""

from qulab.settings import *  # noqa: F403

ROOT_URLCONF = "tests.process.leaving_urls"

"""The product's settings, with the addresses that are compared."""

from qulab.settings import *  # noqa: F403

ROOT_URLCONF = "tests.peers.qulab_urls"

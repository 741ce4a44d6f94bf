"""The embedded services of `manage.py lab` and of the tests: on loopback, in one folder, ended with their starter."""

from qulab.local.postgres import PostgresServer, start_postgres
from qulab.local.redis_server import RedisServer, find_redis, start_redis
from qulab.local.spawn import ServiceError

__all__ = ["PostgresServer", "RedisServer", "ServiceError", "find_redis", "start_postgres", "start_redis"]

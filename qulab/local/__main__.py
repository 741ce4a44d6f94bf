"""`python -m qulab.local COMMAND…` runs a command with a new PostgreSQL and a new Redis, and leaves nothing of them."""

import subprocess
import sys
import tempfile
from pathlib import Path

from qulab.local import ServiceError, start_postgres, start_redis
from qulab.local.commands import with_environment
from qulab.local.spawn import guard


def main(command: tuple[str, ...]) -> int:
    if not command:
        sys.exit("Name the command to run, for example: python -m qulab.local python manage.py db check")
    # ignore_cleanup_errors: as root, the files are another user's and may still be going away
    with tempfile.TemporaryDirectory(prefix="qulab-", ignore_cleanup_errors=True) as name:
        try:
            with start_postgres(Path(name) / "postgres") as postgres, start_redis(Path(name) / "redis") as redis:
                urls = {"DATABASE_URL": postgres.url, "REDIS_URL": redis.url, "QULAB_DATA_DIR": name}
                return subprocess.run(with_environment(urls, command), check=False).returncode
        except ServiceError as error:
            sys.exit(str(error))
        finally:
            guard.close()


if __name__ == "__main__":
    sys.exit(main(tuple(sys.argv[1:])))

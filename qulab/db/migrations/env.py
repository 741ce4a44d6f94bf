"""Alembic's entry: it runs on the connection that `qulab.db.migrate` hands over, inside its transaction."""

from typing import Any, Literal

from alembic import context

from qulab.db.base import Base, UTCDateTime

# Made by hand in a migration, without a model: the counter that feeds `seq` on SQLite.
WITHOUT_MODEL = {"outbox_sequence"}


def include_name(name: str | None, kind: str, _parents: Any) -> bool:
    return not (kind == "table" and name in WITHOUT_MODEL)


def render_item(kind: str, item: Any, autogen: Any) -> str | Literal[False]:
    if kind == "type" and isinstance(item, UTCDateTime):
        return "sa.DateTime(timezone=True)"
    return False


context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Base.metadata,
    include_name=include_name,
    render_item=render_item,
    render_as_batch=True,
)
with context.begin_transaction():
    context.run_migrations()

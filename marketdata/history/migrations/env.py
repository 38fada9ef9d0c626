"""Runs the migrations on the connection that marketdata.history.database hands over; it opens none itself."""

from alembic import context

from marketdata.history.schema import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata)
with context.begin_transaction():
    context.run_migrations()

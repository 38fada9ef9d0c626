"""Remarks: which transaction another takes back, who entered it, and why.

Revision ID: 0002
"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "remarks",
        sa.Column("event_seq", sa.BigInteger, autoincrement=False, nullable=False),
        sa.Column("reverses", sa.BigInteger),
        sa.Column("entered_by", sa.String, nullable=False),
        sa.Column("reference", sa.String, nullable=False),
        sa.PrimaryKeyConstraint("event_seq", name="pk_remarks"),
        sa.UniqueConstraint("reverses", name="uq_remarks_reverses"),
        sa.ForeignKeyConstraint(["event_seq"], ["transactions.event_seq"], name="fk_remarks_event_seq"),
        sa.ForeignKeyConstraint(["reverses"], ["transactions.event_seq"], name="fk_remarks_reverses"),
    )

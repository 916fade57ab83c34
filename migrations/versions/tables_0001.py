"""Tables: decided history and its views; always made fresh by a rebuild, never patched."""

import sqlalchemy as sa
from alembic import op

revision = "tables_0001"
down_revision = None
branch_labels = ("tables",)
depends_on = None


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "accesses",
        sa.Column("tenant", sa.String(), primary_key=True),
        sa.Column("idx", sa.BigInteger(), primary_key=True),
        sa.Column("cube", sa.String(), primary_key=True),
        sa.Column("actor", sa.String(), nullable=False),
        sa.Column("on_behalf_of", sa.String(), nullable=True),
        sa.Column("action", sa.String(), nullable=False),
        sa.Column("purpose", sa.String(), nullable=False),
        sa.Column("effect", sa.String(), nullable=False),
        sa.Column("reasons", sa.String(), nullable=False),
        sa.Column("rules", sa.String(), nullable=False),
        sa.Column("policy", sa.String(), nullable=False),
        sa.Column("time_s", sa.BigInteger(), nullable=False),
    )
    op.create_index("accesses_by_cube", "accesses", ["tenant", "cube", "idx"])
    op.create_table(
        "checkpoints",
        sa.Column("follower", sa.String(), primary_key=True),
        sa.Column("partition", sa.Integer(), primary_key=True),
        sa.Column("next_offset", sa.BigInteger(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("log_time_ms", sa.BigInteger(), nullable=False),
    )
    op.create_table(
        "cube_words",
        sa.Column("tenant", sa.String(), primary_key=True),
        sa.Column("cube", sa.String(), primary_key=True),
        sa.Column("kind", sa.String(), primary_key=True),
        sa.Column("value", sa.String(), primary_key=True),
    )
    op.create_index("cube_words_by_value", "cube_words", ["tenant", "kind", "value"])
    op.create_table(
        "cubes",
        sa.Column("tenant", sa.String(), primary_key=True),
        sa.Column("cube", sa.String(), primary_key=True),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("form", sa.String(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("label", sa.String(), nullable=False),
        sa.Column("owner", sa.String(), nullable=False),
        sa.Column("basis", sa.String(), nullable=False),
        sa.Column("region", sa.String(), nullable=False),
        sa.Column("retention_class", sa.String(), nullable=False),
        sa.Column("semantic_type", sa.String(), nullable=False),
        sa.Column("frozen", sa.Boolean(), nullable=False),
        sa.Column("quarantined", sa.Boolean(), nullable=False),
        sa.Column("recorded_at", sa.BigInteger(), nullable=False),
        sa.Column("valid_from", sa.BigInteger(), nullable=False),
    )
    op.create_index("cubes_by_owner", "cubes", ["tenant", "owner"])
    op.create_index("cubes_by_recorded", "cubes", ["tenant", "recorded_at", "cube"])
    op.create_table(
        "events",
        sa.Column("tenant", sa.String(), primary_key=True),
        sa.Column("idx", sa.BigInteger(), primary_key=True),
        sa.Column("seq", sa.Integer(), primary_key=True),
        sa.Column("type", sa.String(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("stream", sa.String(), nullable=False),
        sa.Column("header", sa.LargeBinary(), nullable=False),
        sa.Column("sealed", sa.Text(), nullable=True),
        sa.Column("key_id", sa.String(), nullable=True),
    )
    op.create_index("events_by_stream", "events", ["stream", "idx"])
    op.create_table(
        "facts",
        sa.Column("stream", sa.String(), primary_key=True),
        sa.Column("version", sa.Integer(), primary_key=True),
        sa.Column("tenant", sa.String(), nullable=False),
        sa.Column("idx", sa.BigInteger(), nullable=False),
        sa.Column("time_s", sa.BigInteger(), nullable=False),
        sa.Column("doc", sa.LargeBinary(), nullable=False),
    )
    op.create_table(
        "outcomes",
        sa.Column("partition", sa.Integer(), primary_key=True),
        sa.Column("log_offset", sa.BigInteger(), primary_key=True),
        sa.Column("tenant", sa.String(), nullable=False),
        sa.Column("idx", sa.BigInteger(), nullable=True),
        sa.Column("command_id", sa.String(), nullable=False),
        sa.Column("code", sa.String(), nullable=False),
        sa.Column("detail", sa.LargeBinary(), nullable=False),
        sa.Column("actor", sa.String(), nullable=False),
        sa.Column("command", sa.String(), nullable=False),
        sa.Column("time_ms", sa.BigInteger(), nullable=True),
        sa.Column("leaf", sa.LargeBinary(), nullable=True),
    )
    op.create_index("outcomes_by_command", "outcomes", ["tenant", "command_id"])
    op.create_index("outcomes_by_index", "outcomes", ["tenant", "idx"], unique=True)
    op.create_table(
        "streams",
        sa.Column("stream", sa.String(), primary_key=True),
        sa.Column("version", sa.Integer(), nullable=False),
    )
    op.create_table(
        "trees",
        sa.Column("tenant", sa.String(), primary_key=True),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("frontier", sa.LargeBinary(), nullable=False),
    )
    op.create_table(
        "usage",
        sa.Column("tenant", sa.String(), primary_key=True),
        sa.Column("cube", sa.String(), primary_key=True),
        sa.Column("reads", sa.Integer(), nullable=False),
        sa.Column("last_read_at", sa.BigInteger(), nullable=False),
    )

"""Tables of the second format: what is new here is made fresh with all the rest by a rebuild."""

revision = "tables_0002"
down_revision = "tables_0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Change nothing: facts have more fields, so that rows of the first format are made again."""

"""
Postgres for many machines: the tables, the vault and the operations, a database each.

`connection.py` opens connections the same way for all of them and turns every
driver error into one of ours; `migrate.py` makes databases and checks their
formats. psycopg is imported here and nowhere else.
"""

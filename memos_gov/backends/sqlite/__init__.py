"""
SQLite on one machine: the log, the tables, the vault and the index, a file each.

`connection.py` opens files the same way for all four and turns every driver
error into one of ours.
"""

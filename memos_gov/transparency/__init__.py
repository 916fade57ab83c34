"""
The tree over decided history: RFC 6962 hashing, leaves that survive erasure.

One tree a tenant. Here are the appender and the leaf's form; what reads the
tree is told by the functions' docstrings. No I/O.
"""

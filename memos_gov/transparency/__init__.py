"""
The tree over decided history: hashing, proofs, and the formats that outsiders read.

`merkle` appends (RFC 6962) and `leaf` says what a leaf holds; `proofs` makes
and verifies; `notes`, `checkpoints`, `tiles` and `tlog_proof` are the public
formats of C2SP. One tree a tenant. No I/O, and nothing of the core.
"""

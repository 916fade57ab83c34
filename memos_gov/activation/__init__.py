"""
Cubes as activation: what a base model keeps of having read them, sealed in a file.

    members in order -> tokens -> address -> file, or prefill -> KV cache

`members.py` orders cubes and gives their set an address, `sealed_file.py` is
the file, and `kv_caches.py` finds, verifies, computes and keeps. A file is a
shortcut and never a source: one that does not fit in any part is refused, and
what it would have held is computed from the text. Caches that were built apart
are never joined: what they would answer is wrong.
Deliberately not here: whether anybody may use one, which is a read of every
member, and when one is made or ends.
"""

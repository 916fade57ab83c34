"""
Start, stop and look at the engines of the connected set-up on this machine.

    python -m scripts.services up | down | status | reset [kafka postgres opa weaviate]

For development and tests: one node each, on ports of this project, reachable
from this machine alone (Weaviate opens its ports of gRPC and of cluster data on every
address) and without a password. Needs nothing but the standard
library. A file an engine; `engine` is what they share, `places` says where
everything lies, `process` never ends a process that is not the one started here.
"""

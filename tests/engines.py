"""Where the engines of a connected test answer; `MEMOS_GOV_TEST_*` names others."""

import os

KAFKA = os.environ.get("MEMOS_GOV_TEST_KAFKA", "127.0.0.1:19092")
POSTGRES = os.environ.get(
    "MEMOS_GOV_TEST_POSTGRES", "postgresql://memos_gov@127.0.0.1:15432/postgres"
)
OPA = os.environ.get("MEMOS_GOV_TEST_OPA", "http://127.0.0.1:18181")
WEAVIATE = os.environ.get("MEMOS_GOV_TEST_WEAVIATE", "http://127.0.0.1:18080")
# The folder that Weaviate keeps its data in, where it can be read from here.
WEAVIATE_DATA = os.environ.get("MEMOS_GOV_TEST_WEAVIATE_DATA")
WEAVIATE_GRPC_PORT = int(os.environ.get("MEMOS_GOV_TEST_WEAVIATE_GRPC_PORT", "15051"))

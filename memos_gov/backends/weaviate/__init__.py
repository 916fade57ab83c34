"""A CubeIndex in Weaviate; `index.py` says what it promises."""

import warnings

with warnings.catch_warnings(record=True):  # of what the client imports, about its own future
    import weaviate as _weaviate  # noqa: F401

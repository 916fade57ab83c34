"""One file per technology, each behind a port; only `bootstrap` knows them."""

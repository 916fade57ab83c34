"""An embedder in this process, and the words that it holds for akin; `minilm.py` says what."""

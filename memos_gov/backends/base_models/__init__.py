"""
A base model in this process, by the library `transformers` of the extra `models`.

`places.py` says where its files lie, `demo.py` makes those of the demo's base
model, and `language_model.py` is the port.
"""

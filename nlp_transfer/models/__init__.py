"""Build models from sources: encoders with the heads that tasks need, and decoders beside them.

`source` holds the interface of all sources. A source does not know what is built from it.
"""

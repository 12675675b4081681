"""Models assembled from sources: encoders under the heads that tasks need, decoders beside them.

What a source has to offer stands in `source`; the sources themselves know nothing of what is built from them.
"""

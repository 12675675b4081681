"""Know scripts and languages: find words, sentences and the meaning of line breaks.

A copy travels with exported models, so these files import nothing of this package but each other, by relative names.
"""

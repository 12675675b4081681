"""Open static word vectors: a file of any format is read and checked once, then mapped into memory each time."""

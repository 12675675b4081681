"""Models of which a part works, with the same result: rows of embeddings, a first token, the layers above one."""

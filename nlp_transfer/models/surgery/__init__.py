"""Let a part of a model work with the same result: some embedding rows, the first token, the layers above one."""

"""Train: phases in order, steps that fit in memory, whole checkpoints, and a check that frozen parts did not move."""

"""The loop: phases in order, steps that fit in memory, checkpoints that are whole, proof that the rest rested."""

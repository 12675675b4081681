"""Read files and data sets into splits: name the labels, cut missing splits from train, and report on all of it."""

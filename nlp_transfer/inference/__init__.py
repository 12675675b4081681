"""Work without gradients: predictions in input order, and frozen activations that are computed once and stored."""

"""How good it is: scores, simple methods beside them, verdicts with intervals, tables and pictures."""

"""Judge how good a model is: scores, simple methods beside them, verdicts with intervals, tables and pictures."""

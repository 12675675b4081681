"""The verbs, a file each: run, compare, check, predict, publish, doctor; and what a run folder goes through."""

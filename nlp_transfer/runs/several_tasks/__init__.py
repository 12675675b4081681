"""Train several tasks on one source, together or one after the other, and say what sharing brought."""

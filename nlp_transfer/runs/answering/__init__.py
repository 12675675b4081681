"""Answer texts by finished runs: one or several, a file in shards, beside the columns of a table."""

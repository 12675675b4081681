"""The command line: every verb is a thin call of a public function."""

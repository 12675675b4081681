"""Run the command line: every verb calls one public function."""

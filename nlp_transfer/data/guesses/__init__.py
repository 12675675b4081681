"""Guess from the rows of a user what each column holds, and which task they are for."""

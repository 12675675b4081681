"""Export a finished run to work without torch: its folder and card, and the proof that it answers the same."""

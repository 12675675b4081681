"""What others see of a run: its card, the tree that goes up, and the one commit that brings it there."""

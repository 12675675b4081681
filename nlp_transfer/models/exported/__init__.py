"""Write models so that they run elsewhere, without torch; `scripts` holds what is copied beside them to use them."""

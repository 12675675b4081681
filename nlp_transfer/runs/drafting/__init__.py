"""Look at data, and draft a configuration for them."""

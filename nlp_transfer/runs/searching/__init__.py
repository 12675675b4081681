"""Search for better settings of a configuration by trials on validation."""

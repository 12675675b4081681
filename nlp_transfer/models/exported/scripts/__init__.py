"""Answer texts by an exported model: copies of these files lie beside it, and import each other there by name."""

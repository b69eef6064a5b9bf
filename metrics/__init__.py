"""Pure metric functions on arrays."""

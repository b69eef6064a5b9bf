"""Runs that are killed, starved and damaged, and what is left of them."""

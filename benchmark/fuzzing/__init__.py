"""Fuzzes every parser of users' files: ``python -m benchmark.fuzzing``."""

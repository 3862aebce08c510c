"""Benchmarks: pytest-benchmark files, and `python -m bench`, the program behind scripts/bench."""

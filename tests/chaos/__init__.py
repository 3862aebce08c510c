"""Runs that are killed, interrupted, starved of disk and given damaged files, and must end as if nothing had happened.

It lies beside the tests because `tests/test_chaos.py` runs a short version of it; scripts/chaos runs the long one.
"""

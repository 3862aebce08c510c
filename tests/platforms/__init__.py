"""The tests on other vectors, processors, threading layers, dependencies and Pythons than those at hand.

It lies beside the tests because it runs them; scripts/platforms is the command.
"""

"""Hostile files, made at random by generators that know the formats, for `scripts/fuzz` and for a short test.

formats.py has the table of generators: a new kind of file gets a module with a generator, and a row there. It lies with
the tests since both share what makes files; nothing of it is installed with fastnet.
"""

"""Mistakes in Ray Data scripts, found by reading them: nothing is run, and Ray need not be installed.

`model` understands a module (names, pipelines, what is called per batch), `rules` look for mistakes in it, and the rest
reads files, settles what is asked for, mends and reports.
"""

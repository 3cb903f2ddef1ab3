"""What the command line is made of: help pages, completion, and the one way by which text leaves for a terminal.

It stands on the bottom floor because every folder offers commands. Imports little: ``spikec --help`` loads it.
"""

"""Programs on SANA-FE, an architecture simulator of neuromorphic chips: what it needs as files, and a backend.

SANA-FE is a program of its own that a user installs (``pip install sanafe``); nothing here imports it but the script
``run.py`` that is written beside the files and started in a process of its own.
"""

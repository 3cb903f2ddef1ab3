"""Other people's simulators as backends: they run our integers with their own neurons, so that they witness ours.

``backends.py`` starts ``on_sinabs.py`` or ``on_brian2.py`` in a process of its own. These scripts know nothing of
spikec: they read ``network.json`` and ``network.npz``, which ``files.py`` writes, and leave ``result.npz``.
"""

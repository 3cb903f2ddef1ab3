"""Programs as NIR graphs, which other people's simulators read, and what those readers make of them.

``graph.py`` writes the graph, ``check.py`` is the script beside it that loads it with sinabs and snnTorch, and
``other_readers.py`` says what a reader computes that ignores what the format has no place for.
"""

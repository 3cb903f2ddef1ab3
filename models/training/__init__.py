"""How a network is trained: rounds, their objectives, and what an interrupted run needs to go on."""

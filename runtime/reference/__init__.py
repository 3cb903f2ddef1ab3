"""The slow executor: every neuron and every step as the equations of a program say, against which all else is held."""

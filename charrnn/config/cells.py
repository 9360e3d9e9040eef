"""The recurrent cells and their gates, in one table.

From a row come the choice of the knob ``cell``, the shapes of the weights, and the order of their
blocks. The classes are in training/model.py and the steps in generation/network.py.
"""

# One letter for each gate, in the order in which their blocks of H rows are stacked in the weights.
GATES = {
    "lstm": "ifgo",  # input, forget, cell, output
    "gru": "rzn",  # reset, update, new
    "rnn": "h",
}

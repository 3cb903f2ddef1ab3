"""Codes 0xx of models that are given in Python, as objects rather than files."""

from __future__ import annotations

from ..code import Code

CODES: tuple[Code, ...] = (
    Code(
        "E022",
        "module and example do not go together",
        "A torch.nn.Module was given without an example of its input, or with one that it cannot be called on, or in a "
        "state in which it cannot be called: parameters without a shape or with values that are no numbers.",
        "A module does not say what it takes. It is called, in evaluation mode, to see what it computes.",
        "error E022: the module cannot be called on the example, in features.3: RuntimeError: mat1 and mat2 shapes "
        "cannot be multiplied (2x36 and 40x3)",
        "Give example=torch.zeros(1, ...) with the batch as axis 0, in the type that the module takes; calibration "
        "data that are given as arrays are an example too. The message names the innermost module that failed.",
    ),
    Code(
        "E023",
        "axis 0 is not the batch",
        "Called on two samples and on three, the module fails or does not return as many.",
        "A spiking network takes sample after sample, whatever the others are. A size of the batch that is written "
        "into forward, or a missing batch axis, would be compiled into the network.",
        "error E023: axis 0 of the module is not one of independent samples: it can be called on one sample, and not "
        "on 2",
        "Write x.flatten(1) for x.view(1, -1) and x.squeeze(-1) for x.squeeze(), and give the example with its batch "
        "axis.",
    ),
    Code(
        "E024",
        "torch does not export the module",
        "The exporter of torch raised an error on a module that can be called.",
        "A module is read as what torch.onnx.export writes of it. Operators that ONNX does not have are no reason: "
        "they are told as E101, all at once.",
        "error E024: torch.onnx does not export what is computed in head: ...",
        "Change the module that is named, or have another exporter write the whole as an .onnx file and give that.",
    ),
    Code(
        "E025",
        "values decide what forward computes",
        "Python looks at values of the input in the module's forward, and on other values the module computes "
        "something else than on the example.",
        "What is compiled is one fixed network. The export holds the way that the example took, and nothing would look "
        "wrong.",
        "error E025: Python sees values of the input in forward, and acts on them (net.py:12)",
        "Compute both ways and join them by torch.where, or take the choice out of the module. Choices by shapes, and "
        "by parameters, are fine.",
    ),
    Code(
        "W022",
        "forward looks at values",
        "Python looks at values of the input in the module's forward; on all values tried it computed the same.",
        "An assertion does that and is harmless. A choice that rare inputs take otherwise would be lost.",
        "warning W022: forward looks at values of its input (net.py:12): what it does with the example is compiled",
        "Nothing for an assertion; else see E025.",
    ),
    Code(
        "E026",
        "no model",
        "What was given as a model is neither a torch.nn.Module, nor a path, nor a model that onnx has loaded.",
        "Nothing else says what it computes.",
        "error E026: the model is given as the class Net",
        "Give an instance (Net() in place of Net), or have its framework write an .onnx file and give the path.",
    ),
)

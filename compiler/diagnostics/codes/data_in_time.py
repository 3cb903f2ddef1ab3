"""Codes 0xx of data that change in time (frames for every step, files of events), and of artefacts without data."""

from __future__ import annotations

from ..code import Code

CODES: tuple[Code, ...] = (
    Code(
        "E027",
        "frames do not fit the window",
        "The data has frames for each sample (one axis more than the model's input), and their number is no "
        "multiple of the T steps of a window; where a recording is measured as a whole it has to be T.",
        "Each step of a window gets one frame: with too few some steps would get none, with too many some were lost.",
        "error E027: the data has 10 frames for each sample, which are no whole number of windows of 4 steps",
        "Give T frames, or a multiple of T for several windows in a row, or compile for another T. A file of events is "
        "counted into frames for every T.",
    ),
    Code(
        "E028",
        "the program takes no frames",
        "The data has a frame for every step, and the program was compiled with the schedule exact for inputs that "
        "stay the same over the window, or its neurons take steps to measure before those that count.",
        "Under the schedule exact the layers behind the input have no gate where equal messages need none: with frames "
        "their counts depend on when the input comes. In the steps that measure there is no frame to send.",
        "error E028: the program's counts are exact for inputs that are the same at every step, and the data has "
        "frames",
        "Compile again with --input frames, or with calibration data that has frames.",
    ),
    Code(
        "E029",
        "a file of events is not sound",
        "Events lack a field that is needed (x, y, t, p), or a field is of no integer type, a place is outside the "
        "model's input, or the offsets do not say where each recording begins and ends.",
        "An event at another place or in another recording would make other frames.",
        "error E029: gestures.npz: x goes from 0 to 127, and the input has 0..33",
        "Write the events of all recordings one after the other as 'events' with 'offsets' (N + 1,), or an array "
        "events_0, events_1, ... for each; scale x and y to the input's size. See docs/data-in-time.md.",
    ),
    Code(
        "E036",
        "events do not fit the model's input",
        "The data file holds events, and the model's input is neither (1, H, W) nor (2, H, W) nor (L,).",
        "There is no rule that would say which of its values an event is counted in.",
        "error E036: gestures.npz: the file holds events, and the model's input has shape 3x32x32",
        "Count the events into frames yourself and give 'inputs' (N, T, *input shape).",
    ),
    Code(
        "E037",
        "no inputs in the artefact",
        "'verify' was given no data, and the artefact carries none: it was compiled before artefacts did, or its "
        "network is so large that nothing is simulated as it is compiled.",
        "Without samples nothing can be compared.",
        "error E037: out: the artefact carries no inputs of its own to be verified with",
        "Give --data FILE.npz, or compile the model again.",
    ),
)

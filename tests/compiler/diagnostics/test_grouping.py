from __future__ import annotations

from dataclasses import replace

from spikec.compiler.diagnostics import diagnostic_json, render_line
from spikec.compiler.diagnostics.grouping import grouped
from spikec.targets.diagnostic import Diagnostic, Place


def relu(number: int, measured: float | None = None) -> Diagnostic:
    place = Place(layer=f"relu{number}", nodes=(f"/Relu_{number}",))
    return Diagnostic("E221", "the ReLU has no threshold", place, measured=measured, hint="give --calibration")


def test_equal_findings_of_many_layers_become_one_line_that_names_three() -> None:
    (found,) = grouped(relu(k) for k in range(19))
    assert render_line(found) == (
        "error E221: 19 layers: relu0, relu1, relu2 and 16 more: the ReLU has no threshold; hint: give --calibration"
    )
    place = diagnostic_json(found)["place"]
    assert (place["layer"], place["layers"]) == (None, [f"relu{k}" for k in range(19)])
    assert place["nodes"] == [f"/Relu_{k}" for k in range(19)]


def test_a_group_has_the_worst_measured_value() -> None:
    assert grouped([relu(0, -5.0), relu(1, -9.0), relu(2, -7.0)])[0].measured == -9.0


def test_a_finding_told_twice_is_told_once_and_a_single_one_stays_what_it_is() -> None:
    assert grouped([relu(0), relu(0)]) == (relu(0),)
    assert "layers" not in diagnostic_json(relu(0))["place"]


def test_findings_that_differ_in_more_than_their_place_stay_apart_and_in_order() -> None:
    limited = replace(relu(1), limit=4.0)
    elsewhere = replace(relu(2), place=replace(relu(2).place, file="other.onnx"))
    assert [d.place.layers for d in grouped([relu(0), limited, elsewhere, relu(3)])] == [("relu0", "relu3"), (), ()]


def test_grouping_again_changes_nothing() -> None:
    once = grouped([relu(0), relu(1), replace(relu(2), message="another")])
    assert grouped(once) == once
    assert grouped([*once, relu(4)])[0].place.layers == ("relu0", "relu1", "relu4")


def test_nodes_without_a_layer_are_counted_out() -> None:
    place = Place(file="net.onnx", nodes=tuple("abcdefghijklmn"))
    assert render_line(Diagnostic("E101", "Foo is unknown", place)) == (
        "error E101: net.onnx: onnx a, b, c, d, e, f, g, h, i, j, k, l and 2 more: Foo is unknown"
    )

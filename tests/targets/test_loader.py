from __future__ import annotations

from dataclasses import fields, is_dataclass, replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spikec import targets
from spikec.targets import Number, Status, Target
from spikec.targets.diagnostic import Diagnostic, UnusableInput

EXAMPLE = Path(__file__).parents[2] / "docs" / "chip.toml"
LEFT_OUT = {
    "neuron.models",
    "neuron.threshold_step",
    "neuron.spike_lowers_state",
    "neuron.lava_processes",
    "neuron.pulsed_bias",
    "synapses.block_size",
    "synapses.block_header_bits",
    "core.output_axons",
}
"""What few chips have, or what begins with a shipped target."""
NUMBER = '{ value = %s, unit = "%s", source = "data sheet", status = "published" }'


def _problems(name_or_path: str | Path) -> tuple[Diagnostic, ...]:
    with pytest.raises(UnusableInput) as refusal:
        targets.load(name_or_path)
    return refusal.value.diagnostics


def _written(folder: Path, text: str, name: str = "chip.toml") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def _codes(problems: tuple[Diagnostic, ...]) -> list[str]:
    return [problem.code for problem in problems]


EXTENDED = 'name = "mine"\ntitle = "My chip"\nbackends = ["simulator"]\nextends = "loihi1"\n'


def test_families_are_not_targets() -> None:
    assert targets.names() == ("lava", "lava-stock", "loihi1", "loihi2", "programmable", "speck2f", "spinnaker2")


@pytest.mark.parametrize("name", targets.names())
def test_every_shipped_number_has_unit_source_and_status(name: str) -> None:
    target = targets.load(name)
    assert target.name == name
    facts = dict(target.facts())
    assert len(facts) >= 8
    for key, fact in facts.items():
        assert fact.source.strip(), key
        assert isinstance(fact.status, Status), key
        assert getattr(fact, "unit", "flag"), key


def test_bounds_of_a_number(tmp_path: Path) -> None:
    target = targets.load(
        _written(tmp_path, EXTENDED + "[chip]\ncores = " + NUMBER % ("10, least = 8, most = 12", "cores"))
    )
    cores = target.chip.cores
    assert cores is not None
    assert (cores.least, cores.value, cores.most) == (8, 10, 12)
    assert [cores.leaves_open(used) for used in (11, 12, 13)] == [True, True, False]


def test_verdicts_rest_on_assumptions_without_a_bound(tmp_path: Path) -> None:
    guess = NUMBER.replace("published", "assumed")
    text = EXTENDED + "[chip]\ncores = " + guess % ("9, most = 12", "cores") + "\n[core]\nneurons = " + guess
    target = targets.load(_written(tmp_path, text % ("9", "compartments")))
    assert {"chip.cores", "core.neurons"} <= set(target.assumed())
    assert target.unbounded() == ("core.neurons",)


def test_the_example_to_copy_is_a_target() -> None:
    target = targets.load(EXAMPLE)
    assert (target.name, target.backends) == ("my-chip", ("simulator", "reference"))
    assert target.unbounded() == ("weights.exponent_maximum", "neuron.bias_exponent_maximum")
    keys = {key for key, _ in target.facts()}
    others = {key for name in targets.names() for key, _ in targets.load(name).facts()}
    written = EXAMPLE.read_text(encoding="utf-8")
    assert all(key in keys or key.split(".")[-1] in written for key in others - LEFT_OUT)


def test_facts_reach_every_number_of_the_schema() -> None:
    target = targets.load("loihi1")
    nested = [getattr(target, f.name) for f in fields(target) if is_dataclass(getattr(target, f.name))]
    inner = [n for n in nested if not isinstance(n, Number)]
    expected = sum(getattr(n, f.name) is not None for n in inner for f in fields(n))
    expected += sum(isinstance(n, Number) for n in nested)
    assert len(list(target.facts())) == expected


def test_loihi_numbers() -> None:
    target = targets.load("loihi1")
    assert (target.state_minimum, target.state_maximum) == (-131072, 131071)
    assert (target.weights.maximum.value, target.weights.step.value, target.weights.exponent_maximum.value) == (
        254,
        2,
        7,
    )
    assert target.core.neurons is not None
    assert target.core.neurons.value == 1024
    assert target.neuron.compartments_per_neuron.value == 2
    assert not target.neuron.native_subtractive_reset.value
    assert target.assumed() == ("neuron.compartments_per_neuron", "chip.host_messages", "graded_input")
    assert target.threshold_limit.value == 131071


def test_costs_of_loihi_and_none_of_loihi_2() -> None:
    cost = targets.load("loihi1").cost
    assert cost is not None
    assert (cost.synaptic_event_energy.value, cost.synaptic_event_energy.most) == (24_000, 35_500)
    assert [cost.barrier_time(tiles) for tiles in (1, 3, 4, 28, 29, 900)] == [600_000, 1_000_000] + 2 * [
        1_400_000
    ] + 2 * [1_800_000]
    assert cost.barrier_time(0) == 600_000
    loihi2 = targets.load("loihi2")
    assert loihi2.cost is None
    assert any("energy and time" in note for note in loihi2.notes)


def test_cores_that_differ_are_told_in_their_order(tmp_path: Path) -> None:
    speck = targets.load("speck2f").layer_cores
    assert speck is not None
    # By sinabs 272 Ki weights and 320 Ki neurons in all, large kernels beside few neurons.
    assert (sum(speck.kernel_memory.values), sum(speck.neuron_memory.values)) == (272 << 10, 320 << 10)
    assert speck.kernel_memory.values[5] == 4 * speck.kernel_memory.values[8]
    own = EXTENDED.replace("loihi1", "speck2f") + "[layer_cores]\n"
    memory = 'neuron_memory = { values = %s, unit = "neurons", source = "x", status = "published" }\n'
    reordered = targets.load(_written(tmp_path, own + memory % [9, 1, 2, 3, 4, 5, 6, 7, 8])).layer_cores
    assert reordered is not None
    assert reordered.neuron_memory.values == (9, 1, 2, 3, 4, 5, 6, 7, 8)
    (fewer,) = _problems(_written(tmp_path, own + memory % [1, 2]))
    assert (fewer.code, "same number of cores" in fewer.message) == ("E804", True)
    assert _codes(_problems(_written(tmp_path, own + memory % "7"))) == ["E804"]


def test_costs_are_whole_or_left_out(tmp_path: Path) -> None:
    dropped = targets.load(_written(tmp_path, EXTENDED + 'cost = "unlimited"\n'))
    assert dropped.cost is None
    alone = '[cost]\nspike_energy = { value = 1, unit = "fJ", source = "x", status = "assumed" }\n'
    own = EXTENDED.replace("loihi1", "loihi2")
    missing = {problem.message.split("'")[1] for problem in _problems(_written(tmp_path, own + alone))}
    assert {"cost.barrier_tiles", "cost.neuron_access_time"} <= missing
    guess = targets.load(_written(tmp_path, EXTENDED + alone))
    assert "cost.spike_energy" in guess.assumed()
    assert guess.unbounded() == ()


def test_barriers_go_in_pairs(tmp_path: Path) -> None:
    tiles = '[cost]\nbarrier_tiles = { values = [1, 2], unit = "tiles", source = "x", status = "assumed" }\n'
    (problem,) = _problems(_written(tmp_path, EXTENDED + tiles))
    assert problem.code == "E804"
    assert "in pairs" in problem.message


def test_lava_limits_only_arithmetic() -> None:
    target = targets.load("lava")
    assert (target.state_minimum, target.state_maximum) == (-(2**31), 2**31 - 1)
    assert target.neuron.input_bits_maximum is not None
    assert target.neuron.input_bits_maximum.value == 24
    assert target.core.neurons is None
    assert target.chip.cores is None
    assert target.assumed() == ()
    assert target.threshold_limit.value == 2**31 - 1


def test_digest_follows_every_change(tmp_path: Path) -> None:
    first = targets.load(_written(tmp_path, EXTENDED))
    again = targets.load(_written(tmp_path, EXTENDED))
    changed = targets.load(_written(tmp_path, EXTENDED + "[chip]\ncores = " + NUMBER % (127, "cores")))
    assert first.digest == again.digest != changed.digest


def test_own_file_extends_a_shipped_target_and_drops_a_limit(tmp_path: Path) -> None:
    path = _written(
        tmp_path, EXTENDED + '[core]\noutput_axons = "unlimited"\nneurons = ' + NUMBER % (7, "compartments")
    )
    target = targets.load(path)
    assert target.core.output_axons is None
    assert target.core.neurons == Number(7, "compartments", "data sheet", Status.PUBLISHED)
    assert target.core.input_axons == targets.load("loihi1").core.input_axons


def test_own_family_beside_the_file(tmp_path: Path) -> None:
    _written(tmp_path, EXTENDED + "abstract = true\n[chip]\ncores = " + NUMBER % (3, "cores"), "family.toml")
    own = _written(tmp_path, 'name = "small"\nextends = "family.toml"\n')
    target = targets.load(own)
    assert target.name == "small"
    assert target.chip.cores is not None
    assert target.chip.cores.value == 3


def test_unknown_name_suggests_the_nearest() -> None:
    (problem,) = _problems("loihi3")
    assert problem.code == "E801"
    assert problem.hint is not None
    assert "did you mean 'loihi" in problem.hint


@pytest.mark.parametrize("content", [b"cores 3", b"name = \xff", None])
def test_unreadable_file(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "chip.toml"
    if content is not None:
        path.write_bytes(content)
    (problem,) = _problems(path)
    assert problem.code == "E802"
    assert problem.place.file == str(path)


def test_folder_is_no_description(tmp_path: Path) -> None:
    (tmp_path / "chip.toml").mkdir()
    assert _codes(_problems(tmp_path / "chip.toml")) == ["E802"]


def test_unknown_keys_name_the_nearest(tmp_path: Path) -> None:
    path = _written(tmp_path, EXTENDED + 'cheap = 3\n[core]\nneurns = 3\n[chip.cores]\nvalue = 3\nsorce = "x"\n')
    problems = _problems(path)
    assert [p.message for p in problems if p.code == "E803"] == [
        "unknown key 'cheap'",
        "unknown key 'core.neurns'",
        "unknown key 'chip.cores.sorce'",
    ]
    assert problems[1].hint == "did you mean 'neurons'?"


@pytest.mark.parametrize(
    ("line", "code", "named"),
    [
        ("title = 3", "E804", "'title' is 3, not a text"),
        ('name = "x\\u001b[31m"', "E804", "not a name that can be printed"),
        ('name = "one\\ntwo"', "E804", "not a name that can be printed"),
        ('backends = "simulator"', "E804", "'backends' is 'simulator', not a list of texts"),
        ("core = 3", "E804", "'core' is 3, not a table"),
        ("extends = 3", "E804", "'extends' is 3"),
        ("abstract = 1", "E804", "'abstract' is 1"),
        ("[chip]\ncores = 128", "E804", "'chip.cores' is 128 without unit and source"),
        ("[chip]\ncores = " + NUMBER % ('"128"', "cores"), "E804", "is '128', not a whole number in 1.."),
        ("[chip]\ncores = " + NUMBER % ("1.5", "cores"), "E804", "is 1.5, not a whole number"),
        ("[chip]\ncores = " + NUMBER % ("true", "cores"), "E804", "is True, not a whole number"),
        ("[chip]\ncores = " + NUMBER % ("0", "cores"), "E804", "is 0, not a whole number in 1.."),
        ("[neuron]\nstate_bits = " + NUMBER % ("63", "bits"), "E804", "is 63, not a whole number in 2..62"),
        ("[chip]\ncores = " + NUMBER % ("9, least = 10", "cores"), "E804", "'chip.cores' has a value outside"),
        ("[chip]\ncores = " + NUMBER % ("9, most = 8", "cores"), "E804", "'chip.cores' has a value outside"),
        ("[chip]\ncores = " + NUMBER % ("9, most = '12'", "cores"), "E804", "'chip.cores.most' is '12', not a whole"),
        (
            "[chip]\ncores = " + NUMBER % ("9, least = 0", "cores"),
            "E804",
            "'chip.cores.least' is 0, not a whole number",
        ),
        (
            "[neuron]\nnative_subtractive_reset = { value = true, least = 1, source = 'x', status = 'assumed' }",
            "E803",
            "le",
        ),
        ("[chip]\ncores = " + NUMBER.replace("published", "rumour") % ("1", "cores"), "E804", "'rumour'"),
        ("[chip]\ncores = " + NUMBER.replace("data sheet", " ") % ("1", "cores"), "E804", "'chip.cores.source'"),
        ("[weights]\nmaximum = 'unlimited'", "E804", "'weights.maximum' is 'unlimited'"),
        ("[chip]\ncores = { value = 1, unit = 'cores', source = 'x' }", "E805", "'chip.cores' has no 'status'"),
        ("[chip]\ncores = { value = 1, unit = 'cores', status = 'assumed' }", "E805", "has no 'source'"),
        ("[core]\nsynapse_memory_bits = " + NUMBER % ("131072", "bytes"), "E806", "'bytes'"),
        ("[synapses]\nweight_bits = { values = 8, unit = 'bits', source = 'x', status = 'assumed' }", "E804", "8"),
        (
            "[neuron]\nnative_subtractive_reset = { value = 1, source = 'x', status = 'assumed' }",
            "E804",
            "true or false",
        ),
    ],
)
def test_wrong_values(tmp_path: Path, line: str, code: str, named: str) -> None:
    key = line.split(" = ")[0]
    base = "".join(f"{kept}\n" for kept in EXTENDED.splitlines() if kept.split(" = ")[0] != key)
    path = _written(tmp_path, base + line)
    problems = _problems(path)
    (problem,) = [p for p in problems if named in p.message]
    assert problem.code == code
    assert problem.place.file == str(path)
    if "extends" not in line:
        assert len(problems) == 1


def test_missing_keys_are_all_named(tmp_path: Path) -> None:
    problems = _problems(_written(tmp_path, 'name = "empty"\n'))
    assert set(_codes(problems)) == {"E805"}
    missing = {problem.message.split("'")[1] for problem in problems}
    assert {"title", "backends", "weights.maximum", "neuron.state_bits", "neuron.native_subtractive_reset"} <= missing


def test_extending_in_a_circle(tmp_path: Path) -> None:
    _written(tmp_path, EXTENDED.replace("loihi1", "b.toml"), "a.toml")
    _written(tmp_path, EXTENDED.replace("loihi1", "a.toml"), "b.toml")
    assert "E807" in _codes(_problems(tmp_path / "a.toml"))


def test_extending_an_unknown_target(tmp_path: Path) -> None:
    assert "E801" in _codes(_problems(_written(tmp_path, EXTENDED.replace("loihi1", "loihi9"))))


def test_a_family_is_refused() -> None:
    assert "E808" in _codes(_problems("loihi-family"))


@given(st.integers(-9000, 9000))
def test_nearest_bias_is_the_best_of_all_mantissas_and_exponents(bias: int) -> None:
    target = targets.load("loihi1")
    mantissas = np.arange(4096)
    # State units are 64 to a weight unit; only whole weight units count.
    state = np.concatenate([mantissas << exponent for exponent in range(8)])
    held = np.unique(np.concatenate([state, -state])[np.concatenate([state, state]) % 64 == 0]) // 64
    found = int(target.nearest_bias(np.array(bias)))
    assert found in held
    assert abs(found - bias) == np.abs(held - bias).min()
    assert bool(target.bias_representable(np.array(bias))) == (bias in held)


def test_every_bias_is_representable_without_a_limit() -> None:
    target: Target = targets.load("lava")
    biases = np.array([[-(10**9), 12345], [0, 10**9]])
    assert target.bias_representable(biases).all()
    assert (target.nearest_bias(biases) == biases).all()


def test_neuron_models_are_read_and_plain_where_nothing_is_said(tmp_path: Path) -> None:
    assert [name for name in targets.names() if targets.load(name).has_neuron("srp")] == ["programmable"]
    assert all(targets.load(name).has_neuron("if") for name in targets.names())
    silent = replace(targets.load("lava"), neuron=replace(targets.load("lava").neuron, models=None))
    assert silent.has_neuron("if")
    assert not silent.has_neuron("msat")
    known = '[neuron]\nmodels = { values = ["cos", "if"], source = "data sheet", status = "published" }\n'
    mine = targets.load(_written(tmp_path, EXTENDED + known))
    assert mine.neuron.models is not None
    assert mine.neuron.models.values == ("if", "cos")


@pytest.mark.parametrize(
    ("value", "code"),
    [
        ('{ values = ["lif"], source = "x", status = "published" }', "E804"),
        ('{ values = [], source = "x", status = "published" }', "E804"),
        ('{ values = ["if"], status = "published" }', "E805"),
        ('["if"]', "E804"),
    ],
)
def test_neuron_models_that_are_wrong(value: str, code: str, tmp_path: Path) -> None:
    assert _codes(_problems(_written(tmp_path, f"{EXTENDED}[neuron]\nmodels = {value}\n"))) == [code]

"""Neuron models beyond plain integrate-and-fire, with the state that each needs.

A plain neuron has v, theta, W, b and v0 (see ``program.Population``). The models here need more, so a chip without
programmable neurons cannot run them.
"""

from __future__ import annotations

from collections.abc import Iterator

from ...targets.facts import NEURON_MODELS
from ...targets.records import dataclass

IF, SRP, COS, MSAT, GRADED = NEURON_MODELS

PAYLOAD_BITS = 8
"""Bits of an MSAT spike's payload, and of the fraction of the potentials that it is added to."""

LARGEST_PAYLOAD = 1 << PAYLOAD_BITS
"""Payload of a spike at the largest threshold; the least is 1, so a payload less one fits ``PAYLOAD_BITS`` bits."""

CONFIDENCE_STEPS = 16
"""An MSAT spike is dropped by confidence at steps t < 16 only, t from 1, as published."""

_LONGEST_FIRST_PASS = 4096
_LARGEST_PARAMETER = 1e6

_EXTRA_STATE = {
    SRP: ("1 mask bit per neuron and sample, which gates its output",),
    COS: (
        "1 initial membrane potential per neuron and sample",
        "the least membrane potential at which the neuron fired and the largest at which it did not",
    ),
    MSAT: (
        "1 threshold per neuron and step, from an exponential, a softplus and a sigmoid",
        "the running mean of the membrane potential, in 64-bit floats",
        f"{PAYLOAD_BITS} fractional bits of membrane potential and spikes with a payload of {PAYLOAD_BITS} bits",
        "a random number generator that drops spikes by confidence",
    ),
    GRADED: ("a payload in each message, the quotient of the sum of its input by the threshold",),
}


@dataclass(frozen=True, slots=True)
class MsatLayer:
    """What MSAT knows of the population ``name``.

    ``threshold_value`` > 0 is its largest threshold theta_max in the values that the equations are written in, those
    of a float network whose layer is scaled so; ``confidence`` (0..1) the probability that a spike before step
    ``CONFIDENCE_STEPS`` is sent.
    """

    name: str
    threshold_value: float = 1.0
    confidence: float = 1.0


@dataclass(frozen=True, slots=True)
class MsatParameters:
    """Constants of MSAT in values of the float network; see ``msat``.

    The defaults are those of the published VGG-16; its ResNet-20 has alpha 0.3, tau_mp 0.5, tau_rd 0.5. Populations
    without an entry in ``layers`` have that of ``MsatLayer``'s defaults. ``seed`` 0..2^63-1 starts the dropping.
    """

    alpha: float = 0.03
    k_a: float = 1.0
    k_i: float = 1.0
    c: float = 5.0
    tau_mp: float = 1.0
    tau_rd: float = 1.0
    layers: tuple[MsatLayer, ...] = ()
    seed: int = 0

    def layer(self, name: str) -> MsatLayer:
        """What is known of the population ``name``."""
        return next((each for each in self.layers if each.name == name), MsatLayer(name))


@dataclass(frozen=True, slots=True)
class NeuronModel:
    """Which neuron a program's firing populations have.

    ``first_pass`` are the steps tau of ``srp`` or rho of ``cos``, 0 for the others; ``parameters`` are those of
    ``msat``, None for the others.
    """

    name: str
    first_pass: int = 0
    parameters: MsatParameters | None = None

    @property
    def extra_state(self) -> tuple[str, ...]:
        """What each neuron keeps or sends beyond the plain integrate-and-fire neuron, one text each."""
        return _EXTRA_STATE.get(self.name, ())

    @property
    def charge_units(self) -> int:
        """Parts of a weight unit in which potentials are held: 256 under ``msat``, else 1."""
        return LARGEST_PAYLOAD if self.name == MSAT else 1

    @property
    def msat(self) -> MsatParameters:
        """Parameters of MSAT; AssertionError for another model."""
        assert self.parameters is not None, "only msat has parameters"
        return self.parameters


PLAIN_IF = NeuronModel(IF)
"""The plain integrate-and-fire neuron of ``program.Population``."""


def srp(first_pass: int = 4) -> NeuronModel:
    """Residual membrane potential: neurons that fired more than their input adds up to are silenced.

        first pass, tau steps:   plain neurons in every layer, from v0
        mask_i = 1[v_i(tau) > theta_i / 1000]            strict, so v = 0 is silenced too
        second pass, T steps:    plain neurons from v0 again, output mask_i * s_i(t)

    A silenced neuron goes on to integrate, fire and reset. The read-out integrates the second pass. Published with
    v <- theta/2 between the passes; here v <- v0 of the program, which is theta/2 for a network trained with QCFS.
    Source: Hao et al., AAAI 2023, and its code.
    """
    return NeuronModel(SRP, first_pass)


def cos(first_pass: int = 4) -> NeuronModel:
    """Offset spikes: a neuron that fired once too often or too seldom starts from a shifted potential.

    Layer after layer, rho steps on the shifted output of the sources, with m = min u where the neuron fired and
    M = max u where it did not (u before the reset):

        v(rho) < 0 and N > 0:            v0' = v0 - max(m - theta + 1, theta)
        v(rho) >= theta and N < rho:     v0' = v0 + max(theta - M, theta)
        else                             v0' = v0

    Then T steps of every layer from v0'. On the first pass's own input the shift changes N by exactly one: published
    as eps = 1e-3 either way, which in integers is 1 downwards, where u must fall below theta, and 0 upwards, where
    u = theta fires. Layers that are shifted already run again in every later first pass, so that no spike train
    is stored; a chip that stores trains instead takes the same steps. Source: Hao et al., ICLR 2023, and its code.
    """
    return NeuronModel(COS, first_pass)


def msat(parameters: MsatParameters | None = None) -> NeuronModel:
    """Multi-stage adaptive threshold; theta_max = theta of the population, and published with v0 = 0, one spike a step.

    With input x = I(t), v = v(t-1) after the reset and V_m its mean over the steps before t, in values of the float
    network, theta(1) = theta_max and for t >= 2

        DTT = tau_mp (alpha (v - V_m) - theta_max + k_a ln(1 + exp((v - V_m) / k_i)))
        DET = tau_rd exp(-x / C)
        theta(t) = theta_max sigmoid(DET + DTT)
        s(t) = 1[u(t) >= theta(t)];  v(t) = u(t) - theta(t) s(t);  sent: theta(t) s(t)

    Here theta(t) is rounded to p theta_max / 256 with p in 1..256, and a spike carries p: potentials, biases and
    thresholds are held in 1/256 of a weight unit, so that sent and subtracted charge are equal integers. A spike is
    dropped with probability 1 - confidence at steps t < 16, after the reset, drawn from (seed, sample, layer, step,
    neuron). The read-out counts in 1/256 weight units too. Source: He et al., Neural Comput. Appl. 2024, and its code.
    """
    return NeuronModel(MSAT, parameters=parameters or MsatParameters())


def graded() -> NeuronModel:
    """One message with a payload in place of a window of spikes; T = 1.

        u = saturate(v0 + I + b);   sent: n = clip(floor(u / theta), low, high), a message where n is not 0

    with ``payloads`` (low, high) of the population. No state outlives the step. With v0 = s theta and theta one level
    of a quantiser with L of them and the shift s, payloads 0..L are that quantiser; payloads below 0 those of one
    with levels on either side of zero. 0..1 is the plain neuron at T = 1.
    """
    return NeuronModel(GRADED)


def model_faults(model: NeuronModel, populations: tuple[str, ...]) -> Iterator[str]:
    """Yield what is wrong with ``model`` for a program with ``populations`` that fire."""
    if model.name not in NEURON_MODELS:
        yield f"the neuron model '{model.name}' is not known"
        return
    has_first_pass, has_parameters = model.name in (SRP, COS), model.name == MSAT
    if has_first_pass and not 1 <= model.first_pass <= _LONGEST_FIRST_PASS:
        yield f"the first pass of '{model.name}' takes {model.first_pass} steps, not 1 to {_LONGEST_FIRST_PASS}"
    if not has_first_pass and model.first_pass:
        yield f"the neuron model '{model.name}' has no first pass, but one of {model.first_pass} steps is given"
    if has_parameters != (model.parameters is not None):
        yield f"the neuron model '{model.name}' {'lacks its' if has_parameters else 'has no'} parameters"
    elif model.parameters is not None:
        yield from _parameter_faults(model.parameters, populations)


def _parameter_faults(parameters: MsatParameters, populations: tuple[str, ...]) -> Iterator[str]:
    for title in ("alpha", "k_a", "tau_mp", "tau_rd"):
        if not abs(getattr(parameters, title)) <= _LARGEST_PARAMETER:
            yield f"{title} = {getattr(parameters, title)} is not within +-{_LARGEST_PARAMETER:g}"
    for title in ("k_i", "c"):
        if not 1 / _LARGEST_PARAMETER <= getattr(parameters, title) <= _LARGEST_PARAMETER:
            yield f"{title} = {getattr(parameters, title)} is not a positive number up to {_LARGEST_PARAMETER:g}"
    if not 0 <= parameters.seed < 1 << 63:
        yield f"the seed {parameters.seed} is not one of 63 bits"
    names = [each.name for each in parameters.layers]
    for name in sorted(set(names)):
        if name not in populations or names.count(name) > 1:
            yield f"MSAT's layer '{name}' does not name one population that fires"
    for each in parameters.layers:
        if not 1 / _LARGEST_PARAMETER <= each.threshold_value <= _LARGEST_PARAMETER:
            yield f"the threshold value {each.threshold_value} of '{each.name}' is not a positive number"
        if not 0 <= each.confidence <= 1:
            yield f"the confidence {each.confidence} of '{each.name}' is not a probability"

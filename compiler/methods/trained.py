"""Methods that are a way of training: what is left to the compiler is to run the network as it was trained to run.

    rate-norm            thresholds m sigmoid(p) found by training alone, v0 = 0          (Ding et al. 2021)
    qcfs                 a = theta clip(floor(z L / theta + 1/2) / L, 0, 1), v0 = theta/2  (Bu et al. 2022)
    noise                QCFS with the residual error as noise in its activations          (Huang et al. 2024)
    local-noise          the same with errors per level, measured on equal input           (ours)
    deploy               the spiking network trained through time at its T                 (ours)
    deploy-untaught      the same without the ANN as teacher
    deploy-unrounded     the same with weights of 16 bits or more while training
    deploy-gradient-norm the same with the gradient of a batch shortened where it is longer than 1
    deploy-from-relu     the same from the ReLU network on, which is the teacher           (ours)
    hybrid               the same from the ReLU network on, by the labels alone            (Rathi et al. 2020)
    calibration-weights  weights fitted layer by layer on mean inputs, v0 = theta/2        (Li et al. 2021)
    lwc, lmpc-lwc        weights fitted layer by layer through time, without and with LMPC (Xiong et al. 2025)
    lwc-paper            the same as lwc, fitted and run from v0 = s theta, as printed     (Xiong et al. 2025)

The equations stand where the training is: ``models/rate_norm.py``, ``noise.py``, ``objectives.py`` and
``weight_calibration.py``. Li et al. add theta/(2T) at every step instead of v0 = theta/2: the same over a window, and
26 points less at T = 2 on Fashion-MNIST (55.5 and 81.5 %, one seed, 2,000 images).
"""

from __future__ import annotations

from dataclasses import replace

from .membrane_potential import LMPC as SIGNED_POTENTIALS
from .method import Method, uncalibrated
from .quantise_clip import from_shift
from .threshold_norm import MAX_NORM

RATE_NORM = replace(MAX_NORM, needs_relu=False, trained="ratenorm", compared_on=())
"""The clipped activations reach their thresholds on calibration data, so the largest one is the threshold."""

QCFS = Method(uncalibrated, trained="round")
NOISE = Method(uncalibrated, trained="noise")
LOCAL_NOISE = Method(uncalibrated, trained="local-noise")
DEPLOY = Method(uncalibrated, trained="deploy")
DEPLOY_UNTAUGHT = Method(uncalibrated, trained="deploy-untaught")
DEPLOY_UNROUNDED = Method(uncalibrated, trained="deploy-unrounded")
DEPLOY_GRADIENT_NORM = Method(uncalibrated, trained="deploy-gradient-norm")
DEPLOY_FROM_RELU = Method(uncalibrated, trained="deploy-from-relu")
HYBRID = Method(uncalibrated, trained="hybrid")
"""Published with a leak and thresholds of its own per layer; here on the neuron that all rows have."""
CALIBRATED_WEIGHTS = Method(uncalibrated, trained="calibration-weights")
LWC = Method(uncalibrated, trained="lwc")
LWC_AS_PRINTED = Method(uncalibrated, from_shift, trained="lwc-paper")
LMPC_LWC = replace(SIGNED_POTENTIALS, trained="lmpc-lwc", aims_at_start=True)

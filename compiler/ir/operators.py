"""Operators of the float network (level 1): what one node computes on a batch of samples.

Shapes are per sample, without the batch axis: (channels, rows, columns) or (features,). ``evaluate`` takes and
returns float arrays with a leading batch axis.
"""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from ...runtime.program.geometry import ConvGeometry
from ...targets.records import dataclass
from ..arithmetic import convolve, matmul, sum_pool

FloatArray = npt.NDArray[np.float64]
AnyFloat = npt.NDArray[np.floating[Any]]
Shape = tuple[int, ...]


class Operator(Protocol):
    """One float operation; a frozen dataclass."""

    def result_shape(self, shapes: tuple[Shape, ...]) -> Shape:
        """Shape of the result per sample; ValueError says why the inputs do not fit."""

    def evaluate(self, inputs: tuple[AnyFloat, ...]) -> AnyFloat:
        """Value of the operator on a batch."""


@dataclass(frozen=True, slots=True, eq=False)
class Conv:
    """y = x * weight + bias, cross-correlation; ``weight`` (O, I/groups, rows, columns), ``bias`` (O,)."""

    weight: FloatArray
    bias: FloatArray
    geometry: ConvGeometry = ConvGeometry()

    def result_shape(self, shapes: tuple[Shape, ...]) -> Shape:
        """(O, rows, columns) by the usual floor formula."""
        (shape,) = shapes
        outputs, inputs, *kernel = self.weight.shape
        if len(shape) != 3 or shape[0] != inputs * self.geometry.groups:
            raise ValueError(
                f"weight {self.weight.shape} with {self.geometry.groups} groups does not fit an input of shape {shape}"
            )
        rows, columns = self.geometry.output_size((shape[1], shape[2]), (kernel[0], kernel[1]))
        if min(rows, columns) < 1:
            raise ValueError(f"kernel {tuple(kernel)} is larger than the padded input of shape {shape}")
        return outputs, rows, columns

    def evaluate(self, inputs: tuple[AnyFloat, ...]) -> AnyFloat:
        """Convolve every sample."""
        bias = self.bias.astype(inputs[0].dtype)
        return np.asarray(convolve(inputs[0], self.weight.astype(inputs[0].dtype), self.geometry) + bias[:, None, None])


@dataclass(frozen=True, slots=True, eq=False)
class Dense:
    """y = weight x + bias; ``weight`` (outputs, inputs), ``bias`` (outputs,)."""

    weight: FloatArray
    bias: FloatArray

    def result_shape(self, shapes: tuple[Shape, ...]) -> Shape:
        """(outputs,)."""
        (shape,) = shapes
        if shape != (self.weight.shape[1],):
            raise ValueError(f"weight {self.weight.shape} does not fit an input of shape {shape}")
        return (self.weight.shape[0],)

    def evaluate(self, inputs: tuple[AnyFloat, ...]) -> AnyFloat:
        """Multiply every sample."""
        dtype = inputs[0].dtype
        return np.asarray(matmul(inputs[0], self.weight.T.astype(dtype)) + self.bias.astype(dtype))


@dataclass(frozen=True, slots=True, eq=False)
class BatchNorm:
    """y = scale * (x - mean) / sqrt(variance + epsilon) + offset per channel, statistics frozen; each (C,)."""

    scale: FloatArray
    offset: FloatArray
    mean: FloatArray
    variance: FloatArray
    epsilon: float

    def result_shape(self, shapes: tuple[Shape, ...]) -> Shape:
        """Unchanged; axis 0 is the channel."""
        if shapes[0][0] != self.scale.size:
            raise ValueError(f"{self.scale.size} channels of batch norm do not fit an input of shape {shapes[0]}")
        return shapes[0]

    @property
    def gain(self) -> FloatArray:
        """Slope per channel: scale / sqrt(variance + epsilon)."""
        return np.asarray(self.scale / np.sqrt(self.variance + self.epsilon))

    @property
    def shift(self) -> FloatArray:
        """Value at zero per channel: offset - mean * gain."""
        return self.offset - self.mean * self.gain

    def evaluate(self, inputs: tuple[AnyFloat, ...]) -> AnyFloat:
        """Apply the frozen affine map."""
        (x,) = inputs
        tail = (1,) * (x.ndim - 2)
        return x * self.gain.reshape(-1, *tail).astype(x.dtype) + self.shift.reshape(-1, *tail).astype(x.dtype)


@dataclass(frozen=True, slots=True)
class Relu:
    """y = max(x, 0)."""

    def result_shape(self, shapes: tuple[Shape, ...]) -> Shape:
        """Unchanged."""
        return shapes[0]

    def evaluate(self, inputs: tuple[AnyFloat, ...]) -> AnyFloat:
        """Rectify."""
        return np.maximum(inputs[0], 0)


@dataclass(frozen=True, slots=True)
class Clip:
    """y = min(max(x, low), high); a bound that is left out is infinite."""

    low: float
    high: float

    def result_shape(self, shapes: tuple[Shape, ...]) -> Shape:
        """Unchanged."""
        return shapes[0]

    def evaluate(self, inputs: tuple[AnyFloat, ...]) -> AnyFloat:
        """Clip."""
        return np.clip(inputs[0], self.low, self.high)


@dataclass(frozen=True, slots=True)
class Floor:
    """y = floor(x)."""

    def result_shape(self, shapes: tuple[Shape, ...]) -> Shape:
        """Unchanged."""
        return shapes[0]

    def evaluate(self, inputs: tuple[AnyFloat, ...]) -> AnyFloat:
        """Floor."""
        return np.asarray(np.floor(inputs[0]))


@dataclass(frozen=True, slots=True)
class Round:
    """y = x rounded to the nearest integer, halves to even (ONNX Round)."""

    def result_shape(self, shapes: tuple[Shape, ...]) -> Shape:
        """Unchanged."""
        return shapes[0]

    def evaluate(self, inputs: tuple[AnyFloat, ...]) -> AnyFloat:
        """Round."""
        return np.asarray(np.rint(inputs[0]))


@dataclass(frozen=True, slots=True, eq=False)
class Scale:
    """y = factor * x; ``factor`` broadcasts to the sample's shape."""

    factor: FloatArray

    def result_shape(self, shapes: tuple[Shape, ...]) -> Shape:
        """Unchanged: a factor that would enlarge the sample is an error."""
        return unchanged_by(self.factor, shapes[0])

    def evaluate(self, inputs: tuple[AnyFloat, ...]) -> AnyFloat:
        """Multiply."""
        return np.asarray(inputs[0] * self.factor.astype(inputs[0].dtype))


@dataclass(frozen=True, slots=True, eq=False)
class Offset:
    """y = x + amount; ``amount`` broadcasts to the sample's shape."""

    amount: FloatArray

    def result_shape(self, shapes: tuple[Shape, ...]) -> Shape:
        """Unchanged: an amount that would enlarge the sample is an error."""
        return unchanged_by(self.amount, shapes[0])

    def evaluate(self, inputs: tuple[AnyFloat, ...]) -> AnyFloat:
        """Add."""
        return np.asarray(inputs[0] + self.amount.astype(inputs[0].dtype))


@dataclass(frozen=True, slots=True)
class AveragePool:
    """Mean over a window per channel.

    ``padding`` is (top, left, bottom, right). The divisor is the number of entries of the map under the window, with
    ``count_padding`` those of the padded map. ``ceil`` keeps a last window that runs past the padding; what lies there
    is never counted, as in torch.nn.AvgPool2d.
    """

    # Where such a window lacks rows, ONNX Runtime counts them (to opset 18) and the evaluator moves all windows up.
    kernel: tuple[int, int]
    stride: tuple[int, int]
    padding: tuple[int, int, int, int] = (0, 0, 0, 0)
    count_padding: bool = True
    ceil: bool = False

    def geometry(self, size: tuple[int, int]) -> ConvGeometry:
        """Geometry of the windows on a map of ``size``; a ceil window shows up as more bottom or right padding."""
        top, left, bottom, right = self.padding
        if self.ceil:
            bottom += self._missing(0, size[0], top, bottom)
            right += self._missing(1, size[1], left, right)
        return ConvGeometry(self.stride, (top, left, bottom, right))

    def _missing(self, axis: int, size: int, before: int, after: int) -> int:
        remainder = (size + before + after - self.kernel[axis]) % self.stride[axis]
        extra = (self.stride[axis] - remainder) % self.stride[axis]
        last_start = size + after + extra - self.kernel[axis]
        return extra if last_start < size else 0

    def divisor(self, size: tuple[int, int]) -> FloatArray:
        """Divisor per window, (rows, columns)."""
        top, left, bottom, right = self.padding
        counted = np.ones((1, 1, *size))
        geometry = self.geometry(size)
        if self.count_padding:
            counted = np.ones((1, 1, size[0] + top + bottom, size[1] + left + right))
            extra = (geometry.padding[2] - bottom, geometry.padding[3] - right)
            geometry = ConvGeometry(self.stride, (0, 0, *extra))
        return np.asarray(sum_pool(counted, self.kernel, geometry)[0, 0], dtype=np.float64)

    def result_shape(self, shapes: tuple[Shape, ...]) -> Shape:
        """(channels, rows, columns)."""
        (shape,) = shapes
        if len(shape) != 3:
            raise ValueError(f"average pooling needs (channels, rows, columns), not {shape}")
        rows, columns = self.geometry((shape[1], shape[2])).output_size((shape[1], shape[2]), self.kernel)
        if min(rows, columns) < 1:
            raise ValueError(f"pooling window {self.kernel} is larger than the padded input of shape {shape}")
        return shape[0], rows, columns

    def evaluate(self, inputs: tuple[AnyFloat, ...]) -> AnyFloat:
        """Pool."""
        (x,) = inputs
        size = (x.shape[2], x.shape[3])
        return np.asarray(sum_pool(x, self.kernel, self.geometry(size)) / self.divisor(size).astype(x.dtype))


@dataclass(frozen=True, slots=True)
class Pad:
    """Surround with zeros; ``before`` and ``after`` per axis of the sample; negative entries crop."""

    before: Shape
    after: Shape

    def result_shape(self, shapes: tuple[Shape, ...]) -> Shape:
        """Each axis grows by its two entries."""
        (shape,) = shapes
        if len(shape) != len(self.before):
            raise ValueError(f"padding {self.before} does not fit an input of shape {shape}")
        padded = tuple(n + b + a for n, b, a in zip(shape, self.before, self.after, strict=True))
        if min(padded) < 1:
            raise ValueError(f"cropping by {self.before} and {self.after} leaves nothing of shape {shape}")
        return padded

    def evaluate(self, inputs: tuple[AnyFloat, ...]) -> AnyFloat:
        """Pad or crop."""
        (x,) = inputs
        result = np.zeros((len(x), *self.result_shape((x.shape[1:],))), dtype=x.dtype)
        ranges = [(max(0, -b), n + min(0, a)) for n, b, a in zip(x.shape[1:], self.before, self.after, strict=True)]
        if all(stop > start for start, stop in ranges):
            kept = (slice(None), *(slice(start, stop) for start, stop in ranges))
            places = (slice(r[0] + b, r[1] + b) for r, b in zip(ranges, self.before, strict=True))
            inside = (slice(None), *places)
            result[inside] = x[kept]
        return result


@dataclass(frozen=True, slots=True)
class Slice:
    """Keep ``start:stop:step`` (step > 0, 0 <= start < stop <= size) along each axis of the sample."""

    start: Shape
    stop: Shape
    step: Shape

    @property
    def slices(self) -> tuple[slice, ...]:
        """One slice per axis of the sample."""
        return tuple(slice(a, b, c) for a, b, c in zip(self.start, self.stop, self.step, strict=True))

    def result_shape(self, shapes: tuple[Shape, ...]) -> Shape:
        """Number of kept entries per axis."""
        (shape,) = shapes
        if len(shape) != len(self.start):
            raise ValueError(f"slice of {len(self.start)} axes does not fit an input of shape {shape}")
        return tuple(len(range(*s.indices(n))) for s, n in zip(self.slices, shape, strict=True))

    def evaluate(self, inputs: tuple[AnyFloat, ...]) -> AnyFloat:
        """Take the kept entries."""
        kept = (slice(None), *self.slices)
        return inputs[0][kept]


@dataclass(frozen=True, slots=True)
class Reshape:
    """Same values in C order under another shape."""

    shape: Shape

    def result_shape(self, shapes: tuple[Shape, ...]) -> Shape:
        """The new shape; the number of values stays."""
        if int(np.prod(shapes[0])) != int(np.prod(self.shape)):
            raise ValueError(f"cannot view an input of shape {shapes[0]} as {self.shape}")
        return self.shape

    def evaluate(self, inputs: tuple[AnyFloat, ...]) -> AnyFloat:
        """View under the new shape."""
        return inputs[0].reshape(len(inputs[0]), *self.shape)


@dataclass(frozen=True, slots=True)
class Transpose:
    """Permute the axes of the sample: axis i of the result is axis ``axes[i]`` of the input."""

    axes: Shape

    def result_shape(self, shapes: tuple[Shape, ...]) -> Shape:
        """Permuted."""
        (shape,) = shapes
        if len(shape) != len(self.axes):
            raise ValueError(f"axes {self.axes} do not fit an input of shape {shape}")
        return tuple(shape[a] for a in self.axes)

    def evaluate(self, inputs: tuple[AnyFloat, ...]) -> AnyFloat:
        """Permute."""
        return inputs[0].transpose(0, *(a + 1 for a in self.axes))


@dataclass(frozen=True, slots=True)
class Add:
    """y = sum of two or more inputs of the same shape."""

    def result_shape(self, shapes: tuple[Shape, ...]) -> Shape:
        """That shape."""
        if len(set(shapes)) != 1:
            raise ValueError(f"cannot add inputs of shapes {', '.join(map(str, shapes))}")
        return shapes[0]

    def evaluate(self, inputs: tuple[AnyFloat, ...]) -> AnyFloat:
        """Add all."""
        total = inputs[0]
        for other in inputs[1:]:
            total = total + other
        return total


@dataclass(frozen=True, slots=True)
class QuantizeClip:
    """a = threshold * clip(floor(x * levels / threshold + shift) / levels, 0, 1).

    Xiong et al. 2025, eq. 8, with shift 0; QCFS with shift 1/2.

    ``levels`` None is the limit of many levels: a = clip(x, 0, threshold).
    """

    threshold: float
    levels: int | None
    shift: float = 0.0

    def result_shape(self, shapes: tuple[Shape, ...]) -> Shape:
        """Unchanged."""
        return shapes[0]

    def evaluate(self, inputs: tuple[AnyFloat, ...]) -> AnyFloat:
        """Quantise and clip."""
        (x,) = inputs
        if self.levels is None:
            return np.clip(x, 0, self.threshold)
        steps = np.floor(x * (self.levels / self.threshold) + self.shift)
        return np.asarray(np.clip(steps, 0, self.levels) * (self.threshold / self.levels), dtype=x.dtype)


ACTIVATIONS = (QuantizeClip, Relu, Clip)
ELEMENTWISE = (Relu, Clip, Floor, Round, Scale, Offset, QuantizeClip)
LINEAR = (Conv, Dense, BatchNorm, Scale, Offset, AveragePool, Pad, Slice, Reshape, Transpose, Add)


def unchanged_by(operand: FloatArray, shape: Shape) -> Shape:
    """Shape of a value that ``operand`` is applied to; ValueError where broadcasting would enlarge it."""
    if np.broadcast_shapes(operand.shape, shape) != shape:
        raise ValueError(f"a constant of shape {operand.shape} does not fit an input of shape {shape}")
    return shape

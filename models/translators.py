"""Networks that turn an example into another of the same kind, or of another shape."""

from __future__ import annotations

from torch import Tensor, nn

from models.networks import Activation, activation_layer, flat, mlp

SMALLEST = 16  # pixels of a side from which an image is halved within the network


class DenseTranslator(nn.Module):
    """A multilayer perceptron between examples of any two shapes: (B, *before) -> (B, *after)."""

    def __init__(
        self, before: tuple[int, ...], after: tuple[int, ...], hidden: int, layers: int, activation: Activation
    ) -> None:
        super().__init__()
        self.after = after
        self.layers = mlp([_size(before), *[hidden] * layers, _size(after)], activation)

    def forward(self, x: Tensor) -> Tensor:
        translated: Tensor = self.layers(flat(x))
        return translated.reshape(-1, *self.after)


class ResidualTranslator(nn.Module):
    """Convolutions between images of one size, whose channels may differ: (B, C, H, W) -> (B, C', H, W).

    Zhu et al. (2017), section 4 and appendix 7.2, after Johnson et al. (2016): wide windows at both ends, residual
    blocks between, features of each image normalised by its own mean and deviation (instance norm). Images of 16 and
    more pixels are halved before the blocks and doubled behind them, smaller ones keep their size.
    """

    def __init__(
        self, before: tuple[int, ...], after: tuple[int, ...], channels: int, blocks: int, activation: Activation
    ) -> None:
        super().__init__()
        halves = min(before[1:]) >= SMALLEST
        inner = channels * (1 + halves)
        ends = 7 if halves else 3
        layers: list[nn.Module] = [*_convolution(before[0], channels, ends), activation_layer(activation)]
        if halves:
            layers += [*_convolution(channels, inner, 3, stride=2), activation_layer(activation)]
        layers += [_Residual(inner, activation) for _ in range(blocks)]
        if halves:
            # enlarged, then convolved: windows of a transposed convolution would leave a checkerboard
            enlarged = nn.Upsample(size=before[1:], mode="nearest")
            layers += [enlarged, *_convolution(inner, channels, 3), activation_layer(activation)]
        self.layers = nn.Sequential(*layers, nn.Conv2d(channels, after[0], ends, padding=ends // 2))

    def forward(self, x: Tensor) -> Tensor:
        translated: Tensor = self.layers(x)
        return translated


class _Residual(nn.Module):
    def __init__(self, channels: int, activation: Activation) -> None:
        super().__init__()
        first, second = _convolution(channels, channels, 3), _convolution(channels, channels, 3)
        self.layers = nn.Sequential(*first, activation_layer(activation), *second)

    def forward(self, x: Tensor) -> Tensor:
        changed: Tensor = self.layers(x)
        return x + changed


class _InstanceNorm(nn.Module):
    """Each channel of each image with mean 0 and deviation 1 over its pixels (Ulyanov et al., 2016). Of a single pixel
    nothing is left, which torch's own refuses."""

    def forward(self, x: Tensor) -> Tensor:
        mean = x.mean((2, 3), keepdim=True)
        variance = (x - mean).square().mean((2, 3), keepdim=True)
        return (x - mean) * (variance + 1e-5).rsqrt()


def _convolution(before: int, after: int, kernel: int, stride: int = 1) -> list[nn.Module]:
    return [nn.Conv2d(before, after, kernel, stride, padding=kernel // 2), _InstanceNorm()]


def _size(shape: tuple[int, ...]) -> int:
    size = 1
    for side in shape:
        size *= side
    return size

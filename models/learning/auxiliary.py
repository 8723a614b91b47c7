"""A second decoder, which cannot do without the code."""

from __future__ import annotations

from torch import Tensor, nn

from models.likelihoods import LikelihoodSettings, chosen_likelihood
from models.networks import mlp
from models.spec import DataSpec


class AuxiliaryDecoder(nn.Module):
    """p(x | z) with coordinates that are independent given z, by one hidden layer: whatever it knows of x comes through
    z, also where the model's own decoder could do without (Goyal et al., 2017, section 3; Lucas & Verbeek, 2018)."""

    def __init__(self, latent: int, hidden: int, spec: DataSpec) -> None:
        super().__init__()
        self.event_shape = spec.event_shape
        self.likelihood = chosen_likelihood(LikelihoodSettings(), spec)
        self.network = mlp([latent, hidden, self.likelihood.outputs * spec.dimensions])

    def log_likelihood(self, x: Tensor, z: Tensor) -> Tensor:
        """log p(x | z) in nats: (B, *event), (B, latent) -> (B,)."""
        said = self.network(z).reshape(len(z), self.likelihood.outputs, *self.event_shape)
        return self.likelihood.log_prob(x, said)

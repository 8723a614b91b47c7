"""What machines with a visible and a hidden layer share, each layer easy to draw given the other."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping

import torch
from torch import Generator, Tensor, nn

from models.capabilities import NOTHING_HELD, ChainState, Held
from models.distributions import require_temperature
from models.settings import Settings, setting


class ChainSettings(Settings):
    """For models whose samples are states of a Markov chain."""

    sweeps: int = setting(
        200,
        title="Gibbs sweeps per sample",
        help="Transitions of the chain, started from noise, before its state counts as a sample.",
        unit="sweeps",
        reference="Salakhutdinov & Murray (2008), section 2",
        ge=1,
        le=100_000,
    )


class GibbsChain(nn.Module):
    """A model whose samples are drawn by its own chain: `start_chain`, then `sweeps` transitions."""

    sweeps: int

    @abstractmethod
    def start_chain(self, n: int, generator: Generator | None = None) -> ChainState:
        raise NotImplementedError

    @abstractmethod
    def move(
        self, state: ChainState, held: Held = NOTHING_HELD, temperature: float = 1.0, generator: Generator | None = None
    ) -> ChainState:
        raise NotImplementedError

    def transition(
        self,
        x: Tensor,
        clamp: Tensor | None = None,
        temperature: float = 1.0,
        generator: Generator | None = None,
    ) -> ChainState:
        """One transition of the machine with all energies divided by `temperature`, from x alone."""
        return self.move(ChainState(x, x), Held(clamp), temperature, generator)

    def sample(self, n: int, generator: Generator | None = None) -> Tensor:
        """States of n chains after `sweeps` transitions: samples as far as the chain has mixed."""
        return self._run_chain(n, generator).x

    def sample_mean(self, n: int, generator: Generator | None = None) -> Tensor:
        return self._run_chain(n, generator).mean

    def _run_chain(self, n: int, generator: Generator | None) -> ChainState:
        state = self.start_chain(n, generator)
        for _ in range(self.sweeps):
            state = self.move(state, generator=generator)
        return state


class Harmonium(GibbsChain):
    """P(v, h) = exp(-E(v, h)) / Z in which each layer's units are independent given the other layer (Smolensky, 1986;
    Welling, Rosen-Zvi & Hinton, 2005).

    v: (B, *event); h: (B, *hidden). A temperature divides all energies. Subclasses say what the two conditionals are.
    """

    event_shape: tuple[int, ...]
    hidden_shape: tuple[int, ...]

    # What a subclass says.

    @abstractmethod
    def energy(self, v: Tensor, h: Tensor) -> Tensor:
        """E(v, h) in nats: (B, *event), (B, *hidden) -> (B,)."""
        raise NotImplementedError

    @abstractmethod
    def hidden_mean(self, v: Tensor, temperature: float = 1.0) -> Tensor:
        """E[h | v]: (B, *event) -> (B, *hidden)."""
        raise NotImplementedError

    @abstractmethod
    def visible_mean(self, h: Tensor, temperature: float = 1.0) -> Tensor:
        """E[v | h]: (B, *hidden) -> (B, *event)."""
        raise NotImplementedError

    @abstractmethod
    def draw_hidden(self, mean: Tensor, generator: Generator | None = None) -> Tensor:
        """h given its conditional mean: (B, *hidden)."""
        raise NotImplementedError

    @abstractmethod
    def draw_visible(self, mean: Tensor, generator: Generator | None = None, temperature: float = 1.0) -> Tensor:
        """v given its conditional mean: (B, *event)."""
        raise NotImplementedError

    @abstractmethod
    def add_statistics(self, sums: Mapping[str, Tensor], v: Tensor, h: Tensor, scale: float, keep: float = 1) -> None:
        """sums[name of θ] ← keep × itself + scale × Σ_batch -∂E(v, h)/∂θ, in place. h may be its conditional mean."""
        raise NotImplementedError

    def hidden_mean_given_held(self, mean: Tensor, held: Tensor, h: Tensor) -> Tensor:
        """The means of free hidden units given v, with mean `mean`, and given that those `held` are as in h: the same
        where hidden units are independent given v. (B, *hidden), bool (*hidden) or (B, *hidden), (B, *hidden) -> (B,
        *hidden); what it says of held ones does not matter."""
        return mean

    # What learners ask.

    def hidden_given(self, v: Tensor, generator: Generator | None = None) -> Tensor:
        return self.hidden_mean(v)

    def sweep(
        self, v: Tensor, h: Tensor, generator: Generator | None = None, temperature: float = 1.0
    ) -> tuple[Tensor, Tensor]:
        """v drawn given h, and the hidden means given it; the v that is handed in does not matter."""
        v = self.draw_visible(self.visible_mean(h, temperature), generator, temperature)
        return v, self.hidden_mean(v, temperature)

    def reconstruct(self, v: Tensor, h: Tensor) -> Tensor:
        return self.visible_mean(h)

    # The chain.

    def hidden_shapes(self) -> tuple[tuple[int, ...], ...]:
        return (self.hidden_shape,)

    def move(
        self, state: ChainState, held: Held = NOTHING_HELD, temperature: float = 1.0, generator: Generator | None = None
    ) -> ChainState:
        """h ~ P(h | x), then x ~ P(x | h); but for held units."""
        require_temperature(temperature)
        of_hidden, kept = self.hidden_mean(state.x, temperature), held.hidden[0] if held.hidden else None
        if kept is not None:
            of_hidden = self.hidden_mean_given_held(of_hidden, kept, state.hidden[0])
        h = self.draw_hidden(of_hidden, generator)
        if kept is not None:
            h = torch.where(kept, state.hidden[0], h)
        mean = self.visible_mean(h, temperature)
        x = self.draw_visible(mean, generator, temperature)
        if held.x is not None:
            x, mean = torch.where(held.x, state.x, x), torch.where(held.x, state.x, mean)
        return ChainState(x, mean, (h,))

    def infer(self, x: Tensor, generator: Generator | None = None) -> tuple[Tensor, ...]:
        return (self.draw_hidden(self.hidden_mean(x), generator),)

    def top_down(self, layer: int, h: Tensor) -> Tensor:
        return self.visible_mean(h)

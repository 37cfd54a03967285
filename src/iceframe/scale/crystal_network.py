"""A graph network on crystals whose answer is a mean, or a sum, over their sites.

Sites ``i`` begin as what is known of their element and exchange messages with all sites ``j``
(periodic images too) nearer than a cutoff ``R``:

    m_i = (1/c) Σ_j u(d_ij) σ(g_ij) ⊙ silu(v_ij),   (g, v)_ij = A h_i + B h_j + C e(d_ij),
    x_i ← x_i + D m_i,   x_i ← x_i + MLP(Norm x_i),   h = Norm x,

with Gaussians ``e`` of the distance, the mean number of neighbours ``c``, and an envelope ``u``
that falls to 0 at ``R`` with two derivatives: energies and forces stay continuous when a site comes
within the cutoff. A perceptron of ``x_i`` and a number for the element give the site's own value.
Sites of different crystals never meet, and only distances enter: the answer is the same for
rotated, moved, reordered, reflected and repeated cells.

References: Xie & Grossman 2018, crystal graph networks, doi:10.1103/PhysRevLett.120.145301;
Gasteiger et al. 2020, the envelope, https://arxiv.org/abs/2003.03123.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from iceframe.scale.crystal_graph import GraphBatch
from iceframe.scale.element_features import feature_tensor

SPACING = 0.25
"""Å between two Gaussians of the distance, and their width."""

FARTHEST = 50.0
"""Square at which a Gaussian ends, at 1e-22: numbers below 1e-38 make products ten times slower."""

FIRST_OWN = 0.1
"""Spread of what an element has of its own at first, beside its properties."""


def pooled(values: Tensor, graph: GraphBatch, pool: str) -> Tensor:
    """Mean (or sum) over the sites of each crystal: ``(m, k)`` to ``(n, k)``."""
    total = values.new_zeros(graph.n_crystals, values.shape[1])
    total = total.index_add(0, graph.node_owners, values)
    if pool == "sum":
        return total
    sizes = torch.bincount(graph.node_owners, minlength=graph.n_crystals)
    return total / sizes[:, None]


def envelope(distances: Tensor, cutoff: float) -> Tensor:
    """1 at distance 0, and 0 from the cutoff on, with two continuous derivatives.

    Examples
    --------
    >>> envelope(torch.tensor([0.0, 2.5, 5.0, 6.0]), 5.0).tolist()
    [1.0, 0.85546875, 0.0, 0.0]
    """
    x = (distances / cutoff).clamp(max=1.0)
    return 1 - 28 * x**6 + 48 * x**7 - 21 * x**8


class Messages(nn.Module):
    """One exchange of messages, and a perceptron at every site."""

    def __init__(self, width: int, gaussians: int, dropout: float) -> None:
        super().__init__()
        self.norms = nn.ModuleList([nn.LayerNorm(width), nn.LayerNorm(width)])
        self.here = nn.Linear(width, 2 * width)
        self.there = nn.Linear(width, 2 * width, bias=False)
        self.along = nn.Linear(gaussians, 2 * width, bias=False)
        self.join = nn.Linear(width, width, bias=False)
        self.perceptron = nn.Sequential(
            nn.Linear(width, 2 * width),
            nn.SiLU(),
            nn.Dropout(dropout),
            nn.Linear(2 * width, width),
        )

    def forward(self, x: Tensor, graph: GraphBatch, edges: Tensor, weights: Tensor) -> Tensor:
        h = self.norms[0](x)
        mixed = self.here(h).index_select(0, graph.centre)  # (e, 2 width)
        mixed = mixed + self.there(h).index_select(0, graph.neighbour) + self.along(edges)
        gate, value = mixed.chunk(2, dim=1)
        message = torch.sigmoid(gate) * nn.functional.silu(value) * weights  # (e, width)
        x = x + self.join(torch.zeros_like(x).index_add(0, graph.centre, message))
        return x + self.perceptron(self.norms[1](x))


class CrystalNetwork(nn.Module):
    """Graphs to ``(n, outputs)``; :meth:`sites` gives what every site adds.

    ``degree``: mean number of neighbours within the cutoff; ``reference``: ``(119, outputs)``,
    the first guess of what an element adds wherever it stands.
    """

    features: Tensor
    centres: Tensor

    def __init__(
        self,
        outputs: int,
        *,
        cutoff: float,
        width: int,
        layers: int,
        degree: float,
        pool: str = "mean",
        dropout: float = 0.0,
        reference: Tensor | None = None,
    ) -> None:
        super().__init__()
        self.cutoff, self.degree, self.pool = cutoff, max(degree, 1.0), pool
        self.register_buffer("features", feature_tensor())  # (119, p)
        elements, properties = self.features.shape
        gaussians = max(4, round(cutoff / SPACING))
        self.register_buffer("centres", torch.linspace(0.0, cutoff, gaussians))
        self.known = nn.Linear(properties, width)
        self.own = nn.Parameter(FIRST_OWN * torch.randn(elements, width))
        self.layers = nn.ModuleList([Messages(width, gaussians, dropout) for _ in range(layers)])
        self.norm = nn.LayerNorm(width)
        self.head = nn.Sequential(
            nn.Linear(width, width), nn.SiLU(), nn.Dropout(dropout), nn.Linear(width, outputs)
        )
        start = torch.zeros(elements, outputs) if reference is None else reference
        self.reference = nn.Parameter(start.clone())

    def sites(self, graph: GraphBatch, positions: Tensor | None = None) -> Tensor:
        """What each site adds ``(m, outputs)``; a function of ``positions`` where they are given,
        Cartesian in Å ``(m, 3)``."""
        x = (self.known(self.features) + self.own).index_select(0, graph.numbers)
        d = graph.distance if positions is None else graph.vectors(positions).norm(dim=1)
        spacing = self.cutoff / (len(self.centres) - 1)
        apart = ((d[:, None] - self.centres) / spacing).square().clamp(max=FARTHEST)
        edges = torch.exp(-apart)  # (e, gaussians)
        weights = (envelope(d, self.cutoff) / self.degree)[:, None]
        for layer in self.layers:
            x = layer(x, graph, edges, weights)
        own = self.reference.index_select(0, graph.numbers)
        return self.head(self.norm(x)) + own

    def forward(self, graph: GraphBatch) -> Tensor:
        return pooled(self.sites(graph), graph, self.pool)


class WithForces(nn.Module):
    """``graph -> (f, F)``: the network's answer, and forces ``-∂Σ_i f_i/∂r`` ``(m, 3)``."""

    def __init__(self, network: CrystalNetwork) -> None:
        super().__init__()
        self.network = network

    def forward(self, graph: GraphBatch) -> tuple[Tensor, Tensor]:
        with torch.enable_grad():
            positions = graph.positions.detach().requires_grad_()
            values = self.network.sites(graph, positions)
            (gradient,) = torch.autograd.grad(
                values.sum(), positions, create_graph=self.training, materialize_grads=True
            )
        return pooled(values, graph, self.network.pool), -gradient

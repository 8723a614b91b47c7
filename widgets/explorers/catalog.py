"""Every explorer: the one list from which the window offers those that a run admits."""

from __future__ import annotations

from widgets.explorers.base import Explorer
from widgets.explorers.canvases import CanvasesView
from widgets.explorers.codes import Codes
from widgets.explorers.complete import CompleteIt
from widgets.explorers.domains import DomainsView
from widgets.explorers.draw_it import DrawIt
from widgets.explorers.dream import Dream
from widgets.explorers.ellipses import EllipsesView
from widgets.explorers.landscape import LandscapeView
from widgets.explorers.latent_map import LatentMap
from widgets.explorers.receptive_field import ReceptiveFieldView
from widgets.explorers.sequence import SequenceView
from widgets.explorers.translate import Translate
from widgets.explorers.write_on import WriteOn

EXPLORERS: tuple[type[Explorer], ...] = (
    LatentMap,
    DomainsView,
    DrawIt,
    CanvasesView,
    Codes,
    EllipsesView,
    LandscapeView,
    Translate,
    CompleteIt,
    ReceptiveFieldView,
    Dream,
    SequenceView,
    WriteOn,
)

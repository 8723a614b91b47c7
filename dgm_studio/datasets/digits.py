"""The 8×8 handwritten digits that scikit-learn carries: always at hand, 1797 examples."""

from __future__ import annotations

import gzip
import hashlib
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from dgm_studio.datasets.base import BadData, Provenance, RawData, Report, Source, View
from models.settings import NoSettings
from models.spec import Layout, Support


def _load(settings: NoSettings, report: Report) -> RawData:
    # The file is read from scikit-learn's folder, because importing scikit-learn takes longer than all of this.
    package = find_spec("sklearn")
    if package is None or package.origin is None:
        raise BadData("The digits come with scikit-learn, which is not installed. Install it, or choose other data.")
    path = Path(package.origin).parent / "datasets" / "data" / "digits.csv.gz"
    content = path.read_bytes()
    table = np.loadtxt(gzip.decompress(content).decode().splitlines(), delimiter=",", dtype=np.float32)
    return RawData(
        x=table[:, :64].reshape(-1, 1, 8, 8) / 16,
        y=table[:, 64].astype(np.int64),
        support=Support.UNIT,
        layout=Layout.IMAGE,
        class_names=tuple("0123456789"),
        provenance=Provenance(
            "Handwritten digits 8×8",
            ((path.name, hashlib.sha256(content).hexdigest()),),
            ("grey values 0…16 divided by 16",),
            "CC BY 4.0 (Alpaydin & Kaynak, 1998)",
        ),
        view=View("digits", lambda x: x, lambda x: x),
    )


SOURCE = Source("digits", "Handwritten digits 8×8", "1797 grey images that come with the studio.", NoSettings, _load)

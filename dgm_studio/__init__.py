"""The studio: data, runs, training sessions, evaluations, project files, the command line. No window here."""

import sys
from pathlib import Path

__version__ = "0.1.0"

# `models`, `widgets` and `resources` are top-level folders in a clone and lie under _app in an installed copy.
_installed = Path(__file__).parent / "_app"
ROOT = _installed if _installed.is_dir() else Path(__file__).parent.parent
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))

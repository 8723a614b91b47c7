"""Settings files from outside that are wrong, odd or made to do harm."""

from __future__ import annotations

import os
from pathlib import Path

from tests.faults._crafted_data import READ, Item, written

VAE = 'family = "vae"\n'


def _toml(name: str, content: str | bytes, says: str) -> Item:
    return Item(f"settings: {name}", "settings", written("run.toml", content), says)


def _json(name: str, content: str | bytes, says: str) -> Item:
    return Item(f"settings: {name}", "settings", written("run.json", content), says)


def _pipe(folder: Path) -> Path:
    os.mkfifo(folder / "run.toml")
    return folder / "run.toml"


SETTINGS = (
    _toml("a family alone", VAE, READ),
    _toml("a preset alone", 'preset = "vae-digits"', READ),
    _toml("every group", VAE + '[data]\nsource = "digits"\nbinarization = "fixed"\n[model]\nhidden = 9\n[learning]\n'
          "learning_rate = 1e-3\n[training]\nsteps = 5\n", READ),
    _toml("a byte order mark", b"\xef\xbb\xbf" + VAE.encode(), READ),
    _json("JSON", '{"family": "vae", "model": {"hidden": 9}}', READ),
    _json("an export", '{"studio": "0.1", "config": {"family": "vae", "learner": "reparameterized-elbo"}}', READ),
    _toml("nothing", "", "run.toml must name a family or a preset"),
    _toml("a family and a preset", VAE + 'preset = "vae-digits"', "and not both"),
    _toml("an unknown key", VAE + "modle = 3", "modle: unknown setting (there are: preset, family, learner"),
    _toml("an unknown key, meant", VAE + "[modle]\nhidden = 9", "Did you mean model?"),
    _toml("an unknown setting", VAE + "[model]\nhiden = 9", "model.hiden: unknown setting (there are: likelihood, "),
    _toml("an unknown setting, meant", VAE + "[model]\nhiden = 9", "Did you mean hidden?"),
    _toml("an unknown training setting", VAE + "[training]\nstep = 9", "training.step: unknown setting (there are: st"),
    _toml("an unknown data setting", VAE + '[data]\npath = "x"', "data.path: unknown setting (there are: source"),
    _toml("an unknown source setting", VAE + '[data]\nsource = "csv"\nsettings = {pth = "x"}', "Did you mean path?"),
    _toml("an unknown family", 'family = "nonsense"', "family: There is no family named 'nonsense'"),
    _toml("an unknown preset", 'preset = "nonsense"', "preset: There is no preset named 'nonsense'"),
    _toml("an unknown learner", VAE + 'learner = "nonsense"', "cannot learn by 'nonsense'; it learns by: "),
    _toml("an unknown source", VAE + '[data]\nsource = "nonsense"', "data.source: There is no data set named"),
    _toml("a wrong type", VAE + '[model]\nhidden = "many"', "model.hidden: Input should be a valid integer"),
    _toml("a group that is a number", VAE.replace("family", "model = 3\nfamily"), "model: Input should be a valid"),
    _toml("a family that is a number", "family = 3", "family: Input should be a valid string"),
    _toml("a date", VAE + "[model]\nhidden = 2020-01-01", "model.hidden: Input should be a valid integer"),
    _toml("NaN", VAE + "[learning]\nlearning_rate = nan", "learning.learning_rate: Input should be"),
    _toml("infinity", VAE + "[learning]\nlearning_rate = inf", "learning.learning_rate: Input should be"),
    _toml("out of range", VAE + "[training]\nsteps = 0", "training.steps: Input should be greater than or equal to 1"),
    _toml("beyond 64 bits", VAE + f"[training]\nseed = {2**70}", "training.seed: Input should be less than or equal"),
    _toml("a number of 5000 digits", VAE + f"[training]\nseed = {'1' * 5000}", "is not TOML that can be read"),
    _toml("the same key twice", VAE + VAE, "run.toml is not TOML that can be read: Cannot overwrite a value"),
    _toml("the same group twice", VAE + "[model]\n[model]", "Cannot declare ('model',) twice"),
    _toml("a line that is cut off", VAE + "[model", "is not TOML that can be read"),
    _toml("brackets 5000 deep", VAE + "x = " + "[" * 5000, "nested too deeply"),
    _toml("a table 5000 deep", VAE + "[data.settings." + ".".join("a" * 5000) + "]", "data.settings"),
    _toml("a value 20 deep", VAE + "[model]\nhidden = " + "[" * 20 + "]" * 20, "model.hidden: Input should be"),
    _toml("a text of 60000 signs", VAE + f'[model]\nhidden = "{"x" * 60_000}"', "model.hidden: Input should be"),
    _toml("a key of 60000 signs", VAE + f"[model]\n{'x' * 60_000} = 1", "unknown setting"),
    _toml("3000 unknown keys", VAE + "[model]\n" + "".join(f"x{k} = 1\n" for k in range(3000)), "and 2995 more"),
    _toml("signs that steer terminals", VAE + '[model]\n"\\u001b[2J" = 1', "model.�[2J: unknown setting"),
    _toml("larger than 64 kB", VAE + "#" * 70_000, "larger than settings are (up to 64 kB)"),
    _toml("1 MB", bytes(10**6), "larger than settings are"),
    _toml("zero bytes", b"\0" * 99, "is not TOML that can be read"),
    _toml("UTF-16", VAE.encode("utf-16"), "is not text in UTF-8"),
    _json("JSON: the same key twice", '{"family": "vae", "family": "rbm"}', "the key 'family' stands there twice"),
    _json("JSON: brackets 30000 deep", "[" * 30_000, "nested too deeply"),
    _json("JSON: a list", "[1]", "holds no settings"),
    _json("JSON: NaN", '{"family": "vae", "learning": {"learning_rate": NaN}}', "learning.learning_rate: Input should"),
    _json("JSON: a number of 60000 digits", f'{{"family": {"1" * 60_000}}}', "a number of 60000 digits"),
    _json("JSON: 1e999", '{"family": "vae", "learning": {"learning_rate": 1e999}}', "learning.learning_rate"),
    _json("JSON: cut off", '{"family": "vae"', "is not JSON that can be read"),
    Item("settings: a folder", "settings", lambda f: f, "is not a file"),
    Item("settings: a pipe", "settings", _pipe, "is not a file"),
    Item("settings: gone", "settings", lambda f: f / "run.toml", "cannot be read: No such file"),
)  # fmt: skip

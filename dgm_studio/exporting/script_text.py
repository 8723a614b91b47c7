"""The two files of an exported script that are not copies."""

SETTINGS = '''"""Settings as plain values. They were checked when the model was exported."""


class Settings:
    """Fields are declared by `setting`, on the class; values are what is given, else the defaults."""

    def __init__(self, **values):
        for name, value in values.items():
            if not hasattr(type(self), name):
                raise TypeError(f"{type(self).__name__} has no field {name!r}")
            setattr(self, name, tuple(value) if isinstance(value, list) else value)


class NoSettings(Settings):
    """For a model that has nothing to set."""


class Names:
    """What values are called in the studio, which nothing here asks for."""

    def __init__(self, of):
        pass


def setting(default, **described):
    return default
'''

SAMPLE = '''"""$title

Builds the model from model.json and model.safetensors, beside this file, and uses it. It needs torch, safetensors and
numpy, and nothing of DGM Studio but the folder models/ beside it.

    python sample.py                              64 samples to samples.npy, samples.png or samples.txt
    python sample.py --n 100 --seed 3 --means     conditional means, where the model has them
    python sample.py --of-class 3                 of one class, where it was told classes
    python sample.py --do decode  --given z.npy   from codes to examples
    python sample.py --do encode  --given x.npy   from examples to the means of their codes
    python sample.py --do score   --given x.npy   log p(x) of each example, in nats
    python sample.py --do bound   --given x.npy   a lower bound of it
    python sample.py --do energy  --given x.npy   the free energy of each example
    python sample.py --do translate --given x.npy from the first domain to the second
    python sample.py --do classify  --given x.npy log-probabilities of the classes
"""

import argparse
import json
import struct
import sys
import zlib
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_model

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

from $model_module import $model  # noqa: E402
from $settings_module import $settings  # noqa: E402
from models.spec import DataSpec, Layout, Support  # noqa: E402


def data_spec(values):
    """What the model was told of its data."""
    lists = {key: tuple(values[key]) for key in ("event_shape", "class_names", "symbols")}
    other = values["other"] and data_spec(values["other"])
    kinds = {"support": Support(values["support"]), "layout": Layout(values["layout"]), "other": other}
    return DataSpec(**{**values, **lists, **kinds})


def build(device="cpu"):
    """The model with its weights, and what it knows of its data."""
    values = json.loads((HERE / "model.json").read_text(encoding="utf-8"))
    spec = data_spec(values["data"])
    model = $model($settings(**values["settings"]), spec)
    load_model(model, HERE / "model.safetensors", device=device)
    return model.to(device).eval(), spec


ACTIONS = {  # what is asked for, the method that it takes, and how it is called
    "decode": ("decode", lambda model, z, noise: model.decode(z)),
    "encode": ("encode", lambda model, x, noise: model.encode(x).mean),
    "score": ("log_prob", lambda model, x, noise: model.log_prob(x)),
    "bound": ("elbo", lambda model, x, noise: model.elbo(x, noise).value),
    "energy": ("free_energy", lambda model, x, noise: model.free_energy(x)),
    "translate": ("translate", lambda model, x, noise: model.translate(x)),
    "classify": ("features", lambda model, x, noise: model.classify(model.features(x)).log_softmax(-1)),
}


def answer(model, do, given=None, n=64, seed=0, means=False, of_class=None):
    """What the model says, as an array."""
    device = next(model.parameters()).device
    noise = torch.Generator(device).manual_seed(seed)
    method = ACTIONS[do][0] if do != "sample" else "sample" if of_class is None else "sample_of_class"
    if not hasattr(model, method):
        able = [one for one, (needs, _) in ACTIONS.items() if hasattr(model, needs)]
        raise SystemExit(f"This model has no {method}. With --do it can: {', '.join(able)}.")
    with torch.no_grad():
        if do != "sample":
            return ACTIONS[do][1](model, torch.from_numpy(given).float().to(device), noise).cpu().numpy()
        if of_class is not None:
            return model.sample_of_class(torch.full((n,), of_class, device=device), noise).cpu().numpy()
        if means and hasattr(model, "sample_mean"):
            return model.sample_mean(n, noise).cpu().numpy()
        return model.sample(n, noise).cpu().numpy()


def sheet(images, brightest):
    """Images (N, C, H, W) side by side, (height, width, 3) of bytes."""
    n, channels, height, width = images.shape
    columns = int(np.ceil(np.sqrt(n)))
    page = np.zeros((-(-n // columns) * (height + 1), columns * (width + 1), 3), np.uint8)
    for i, image in enumerate((images / brightest).clip(0, 1) * 255):
        top, left = i // columns * (height + 1), i % columns * (width + 1)
        page[top : top + height, left : left + width] = image.round().transpose(1, 2, 0)
    return page


def png(pixels):
    """(height, width, 3) bytes as a PNG file."""
    height, width, _ = pixels.shape
    rows = b"".join(b"\\0" + row.tobytes() for row in pixels)
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    parts = ((b"IHDR", head), (b"IDAT", zlib.compress(rows)), (b"IEND", b""))
    chunks = (struct.pack(">I", len(d)) + k + d + struct.pack(">I", zlib.crc32(k + d)) for k, d in parts)
    return b"\\x89PNG\\r\\n\\x1a\\n" + b"".join(chunks)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--do", default="sample", choices=["sample", *ACTIONS])
    parser.add_argument("--given", type=Path, help="a .npy file for everything but sample")
    parser.add_argument("--n", type=int, default=64)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--means", action="store_true")
    parser.add_argument("--of-class", type=int)
    parser.add_argument("--out", type=Path, help="ends in .npy, .png (images) or .txt (symbols that are letters)")
    parser.add_argument("--device", default="cpu")
    options = parser.parse_args()
    model, spec = build(options.device)
    if options.do != "sample" and options.given is None:
        parser.error("--given says which file holds what it is done to")
    given = None if options.given is None else np.load(options.given)
    made = answer(model, options.do, given, options.n, options.seed, options.means, options.of_class)
    examples = options.do in ("sample", "decode") and made.shape[1:] == spec.event_shape
    text = examples and all(len(symbol) == 1 for symbol in spec.symbols) and spec.symbols
    image = examples and spec.layout is Layout.IMAGE
    out = options.out or Path("samples.png" if image else "samples.txt" if text else f"{options.do}.npy")
    if out.suffix == ".txt" and text:
        lines = ["".join(spec.symbols[int(i)] for i in row.flat) for row in made]
        out.write_text("\\n".join(lines) + "\\n", encoding="utf-8")
    elif out.suffix == ".png" and image:
        out.write_bytes(png(sheet(made, spec.brightest)))
    else:
        np.save(out.with_suffix(".npy"), made)
        out = out.with_suffix(".npy")
    print(out, made.shape)


if __name__ == "__main__":
    main()
'''

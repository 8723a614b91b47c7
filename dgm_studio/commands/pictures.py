"""Pictures of what a model makes, as files, and `preset-pictures`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont

from dgm_studio.commands.output import CommandError, Output
from dgm_studio.datasets.sources import load
from dgm_studio.device import resolve
from dgm_studio.evaluation import subject_from
from dgm_studio.events import Checkpoint, Failed
from dgm_studio.presets import FOLDER, presets
from dgm_studio.sequence_pictures import PALETTE, sequences_picture, symbols_in
from dgm_studio.shown import beside, shown
from dgm_studio.subject import Subject
from dgm_studio.training import TrainingSession
from dgm_studio.written import is_text, written
from models.capabilities import Decodes, Samples, SamplesMeans, Translates
from models.catalog import Recipe
from models.spec import DataSpec, Layout

CARD = (416, 200)  # pixels of a preset's picture
INK = (76, 140, 214)  # reads on light and on dark


def samples_of(subject: Subject, n: int, means: bool) -> np.ndarray:
    """n examples (n, *event) float32; with `means` their conditional means where the model has them."""
    model = subject.model
    if not isinstance(model, Samples):
        raise CommandError("This model cannot be sampled.")
    with torch.no_grad():
        if means and isinstance(model, SamplesMeans):
            drawn = model.sample_mean(n, subject.generator)
        else:
            drawn = model.sample(n, subject.generator)
    return drawn.float().cpu().numpy()


def picture(samples: np.ndarray, spec: DataSpec, width: int = 640) -> Image.Image:
    """Samples as one picture about `width` pixels wide: images in rows, points in a plane, sequences below each other.
    Raises CommandError for data that has no picture."""
    if spec.layout is Layout.IMAGE:
        samples = samples / spec.brightest
        columns = int(np.ceil(np.sqrt(len(samples))))
        return grid(samples, columns, max(1, width // (columns * (samples.shape[-1] + 1))))
    if spec.layout is Layout.POINTS:
        return plane(samples, (width, width))
    if is_text(spec.symbols):
        return text_page(written(samples, spec.symbols), (width, width))
    if spec.layout is Layout.SEQUENCE:
        return sequences_picture(samples, spec, (width, len(samples) * (12 if symbols_in(spec) else 48)))
    raise CommandError(
        f"Only images, points in a plane and sequences can be drawn, not a {spec.layout}. Write to a .npz file."
    )


def grid(images: np.ndarray, columns: int, scale: int) -> Image.Image:
    """Images (N, C, H, W) with values in 0…1, `columns` in a row, each pixel `scale` pixels wide, one apart. What is
    between them is transparent."""
    n, _, height, width = images.shape
    rows = -(-n // columns)
    sheet = np.zeros((rows * (height + 1) - 1, columns * (width + 1) - 1, 4), np.uint8)
    for index, image in enumerate(np.round(images.clip(0, 1) * 255).astype(np.uint8)):
        top, left = index // columns * (height + 1), index % columns * (width + 1)
        sheet[top : top + height, left : left + width, :3] = image.transpose(1, 2, 0)
        sheet[top : top + height, left : left + width, 3] = 255
    made = Image.fromarray(sheet)
    return made.resize((made.width * scale, made.height * scale), Image.Resampling.NEAREST)


def plane(points: np.ndarray, size: tuple[int, int], limit: float | None = None) -> Image.Image:
    """Points (N, 2) in a square of side 2 `limit` around the origin (99.5 % of them without it), denser where they are.
    The ground is transparent."""
    side = min(size)
    reach = limit or float(np.quantile(np.abs(points), 0.995)) * 1.1 or 1.0
    bins = np.linspace(-reach, reach, side + 1)
    counts, _, _ = np.histogram2d(-points[:, 1], points[:, 0], bins=(bins, bins))
    soft = sum(np.roll(counts, (dy, dx), (0, 1)) for dy in (-1, 0, 1) for dx in (-1, 0, 1))
    dots = np.empty((side, side, 4), np.uint8)
    dots[..., :3] = INK
    dots[..., 3] = np.round(255 * (1 - np.exp(-soft)))
    square = Image.fromarray(dots)
    page = Image.new("RGBA", size)
    page.paste(square, ((size[0] - side) // 2, (size[1] - side) // 2))
    return page


def text_page(texts: list[str], size: tuple[int, int], letter: int = 13) -> Image.Image:
    """As many texts below each other as there is room for, `letter` pixels high. The ground is transparent."""
    made = Image.new("RGBA", size)
    draw = ImageDraw.Draw(made)
    font = ImageFont.load_default(letter)
    across, down = size[0] - 2 * letter, size[1] - letter // 2
    top = letter // 2
    for text in texts:
        for line in wrapped(text, lambda part: draw.textlength(part, font), across):
            if top + letter > down:
                return made
            draw.text((letter, top), line, INK, font)
            top += letter * 5 // 4
        top += letter // 2
    return made


def wrapped(text: str, width: Callable[[str], float], across: float) -> list[str]:
    """The words of a text in lines that are no wider than `across`."""
    lines = [""]
    for word in text.split():
        longer = f"{lines[-1]} {word}".lstrip()
        if lines[-1] and width(longer) > across:
            lines.append(word)
        else:
            lines[-1] = longer
    return lines


def preset_pictures(*keys: str, to: Path = FOLDER) -> int:
    """Train presets and write the pictures of their cards.

    Parameters
    ----------
    keys
        Which presets; all if none is named.
    to
        The folder for KEY.png.
    """
    output = Output(as_json=False)
    for preset in presets():
        if keys and preset.key not in keys:
            continue
        dataset = load(preset.config.data)
        state = None
        for event in TrainingSession(preset.config, dataset).events():
            if isinstance(event, Checkpoint):
                state = event.state
            if isinstance(event, Failed):
                raise CommandError(f"{preset.key}: {event.text}", code=1)
        assert state is not None, "a session that did not fail has kept its last step"
        config = preset.config
        recipe = Recipe.read(config.family, config.learner, config.model, config.learning)
        card = _card(subject_from(recipe, dataset, state, resolve("cpu"), seed=0))
        to.mkdir(parents=True, exist_ok=True)
        card.save(to / f"{preset.key}.png", optimize=True)
        output.say(str(to / f"{preset.key}.png"))
    return 0


def _card(subject: Subject) -> Image.Image:
    """The manifold where the model decodes a plane; samples elsewhere; what a run shows that draws none."""
    if subject.spec.layout is Layout.POINTS and not isinstance(subject.model, Samples | Translates):
        return _classes_card(subject)
    if subject.spec.layout is Layout.POINTS:
        return _points_card(subject)
    if is_text(subject.spec.symbols):
        return text_page(written(samples_of(subject, 16, means=False), subject.spec.symbols), CARD, letter=18)
    if subject.spec.layout is Layout.SEQUENCE:
        steps = CARD[0] // (5 if symbols_in(subject.spec) else 2)  # what can be told apart
        return sequences_picture(samples_of(subject, 10, means=False)[:, :steps], subject.spec, CARD)
    of = beside(type(subject.model), subject.dataset).spec
    draws_none = not isinstance(subject.model, Samples)
    height, width = of.event_shape[1:]
    scale = max(1, (36 if draws_none else 24) // width)  # held-out examples are few
    rows, columns = CARD[1] // ((height + 1) * scale), CARD[0] // ((width + 1) * scale)
    model = subject.model
    if isinstance(model, Decodes) and model.prior().mean.shape == (2,):
        with torch.no_grad():
            draws = model.prior().sample(100_000, subject.generator)
            down = draws[:, 1].quantile(torch.linspace(0.97, 0.03, rows))
            right = draws[:, 0].quantile(torch.linspace(0.02, 0.98, columns))
            images = model.decode(torch.cartesian_prod(down, right).flip(1)).numpy()
    else:
        with torch.no_grad():
            shows, _ = shown(subject.learner, subject.dataset, rows * columns, True, subject.generator)
        images = shows.float().cpu().numpy()
    page = Image.new("RGBA", CARD)
    sheet = grid(images / of.brightest, columns, scale)
    page.paste(sheet, ((CARD[0] - sheet.width) // 2, (CARD[1] - sheet.height) // 2))
    return page


def _points_card(subject: Subject) -> Image.Image:
    if isinstance(subject.model, Samples):
        return plane(samples_of(subject, 4000, means=False), CARD)
    with torch.no_grad():
        points, _ = shown(subject.learner, subject.dataset, 4000, False, subject.generator)
    return plane(points[:, :2].float().cpu().numpy(), CARD)


def _classes_card(subject: Subject) -> Image.Image:
    """The plane in the colours of the classes it is taken for, under held-out points of each domain: the first ones
    faint, in their own colour those of the second."""
    scale = 3  # drawn larger, so that dots are round
    width, height = (scale * side for side in CARD)
    points = [domain.test.x[:600].numpy() for domain in subject.dataset.domains]
    reach = float(np.quantile(np.abs(np.concatenate(points)), 0.999)) * 1.08
    zoom = height / 2 / reach  # pixels for each unit
    x = (np.arange(CARD[0]) + 0.5 - CARD[0] / 2) * scale / zoom
    y = (CARD[1] / 2 - np.arange(CARD[1]) - 0.5) * scale / zoom
    places = torch.from_numpy(np.stack(np.meshgrid(x, y), -1).reshape(-1, 2)).float()
    with torch.no_grad():
        taken_for = subject.model.class_log_prob(places).exp().reshape(*CARD[::-1], -1).numpy()
    colours = np.array([PALETTE[k % len(PALETTE)] for k in range(subject.spec.classes)], np.float32)
    ground = np.empty((*CARD[::-1], 4), np.uint8)
    ground[..., :3] = np.round(taken_for @ colours)
    ground[..., 3] = 90
    page = Image.fromarray(ground).resize((width, height), Image.Resampling.BILINEAR)
    draw = ImageDraw.Draw(page)
    for domain, place in zip(subject.dataset.domains, points, strict=True):
        second = domain is subject.dataset.domains[-1]
        for (across, up), label in zip(place, domain.test.y[: len(place)].tolist(), strict=True):
            shade = (*(int(c) for c in colours[label]), 255) if second and label >= 0 else (128, 132, 140, 255)
            middle = width / 2 + zoom * across, height / 2 - zoom * up
            draw.circle(middle, 5, fill=shade)
    return page.resize(CARD, Image.Resampling.LANCZOS)

"""What a run is made of, as it stands in the project file and on the command line. Imports no torch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field, field_validator

from models.settings import Names, Settings, setting

if TYPE_CHECKING:
    from models.catalog import Family

MAX_STEPS = 100_000_000

BINARIZATION_TEXT = {
    "none": "values as they are",
    "threshold": "bits: value > 0.5",
    "fixed": "bits drawn once with the split's seed",
    "dynamic": "bits drawn anew at each visit (held-out bits drawn once)",
}

Binarization = Annotated[Literal["none", "threshold", "fixed", "dynamic"], Names(BINARIZATION_TEXT)]


class DataChoice(Settings):
    """Which data a run is trained on, and how it is prepared. `other` chooses the second domain, for what learns from
    two; each is prepared by itself."""

    source: str = setting("digits", title="Data", help="Where the examples come from.")
    settings: dict[str, Any] = Field(default_factory=dict)
    binarization: Binarization = setting(
        "none",
        title="Binarisation",
        help="How values in 0…1 become bits. Likelihoods under different protocols cannot be compared.",
    )
    levels: int = setting(
        0,
        title="Grey levels",
        help="Values in 0…1 become this many whole levels, 256 for bytes, for models of discrete colours; 0 keeps them "
        "as they are.",
        reference="van den Oord et al. (2016), section 3",
        zero="off",
        ge=0,
        le=256,
    )
    split_seed: int = setting(
        0, title="Split seed", help="Decides which examples are held out, and fixed bits.", ge=0, le=2**31 - 1
    )
    # left out where there is none, as in projects from before there were two domains
    other: DataChoice | None = Field(default=None, exclude_if=lambda other: other is None)

    @field_validator("other")
    @classmethod
    def _no_third(cls, other: DataChoice | None) -> DataChoice | None:
        if other is not None and other.other is not None:
            raise ValueError("the second domain has no further one")
        return other

    @property
    def domains(self) -> tuple[DataChoice, ...]:
        """The choice of each domain, without the other."""
        first = self.model_copy(update={"other": None})
        return (first,) if self.other is None else (first, self.other)


def of_domains(first: DataChoice, *second: DataChoice) -> DataChoice:
    """The choice of these domains, one or two."""
    return first.model_copy(update={"other": second[0] if second else None})


def default_data(family: Family) -> DataChoice:
    """The data of a run of which nothing else is said."""
    other = None if family.other is None else {"binarization": family.binarization, **family.other}
    return DataChoice.model_validate({"source": family.data, "binarization": family.binarization, "other": other})


def carried_over(data: DataChoice, before: Family, after: Family) -> DataChoice:
    """The data of a run of `before` for one of `after`: what was chosen stays, prepared as `after` has it where the two
    differ in that; where nothing was chosen it is the data that `after` has of its own."""
    own = default_data(after)
    if data == default_data(before):
        return own
    first, *second = data.domains
    if own.other is not None and not second:
        second = [own.other]
    domains = (first, *second)[: len(own.domains)]
    if before.binarization == after.binarization:
        return of_domains(*domains)
    prepared = {"binarization": after.binarization, **takes_back("binarization", after.binarization)}
    return of_domains(*(domain.model_copy(update=prepared) for domain in domains))


def takes_back(field: str, value: Any) -> dict[str, Any]:
    """What setting a field of DataChoice takes back: values become bits or levels, whichever is chosen last."""
    if field == "levels" and value != 0:
        return {"binarization": "none"}
    return {"levels": 0} if field == "binarization" and value != "none" else {}


class TrainingSettings(Settings):
    """How long, with what batches and where."""

    steps: int = setting(4000, title="Steps", help="Parameter updates.", ge=1, le=MAX_STEPS)
    batch_size: int = setting(100, title="Batch size", help="Examples in each step.", ge=1, le=1_000_000)
    seed: int = setting(0, title="Seed", help="Start of every random number of the run.", ge=0, le=2**31 - 1)
    device: str = setting(
        "auto", title="Device", help="auto, cpu, cuda, cuda:N or mps.", pattern=r"^(auto|cpu|cuda(:\d+)?|mps)$"
    )


class RunConfig(Settings):
    """Everything that decides what a run does. Model and learner settings are checked against the catalogue."""

    family: str
    learner: str
    data: DataChoice = Field(default_factory=DataChoice)
    model: dict[str, Any] = Field(default_factory=dict)
    learning: dict[str, Any] = Field(default_factory=dict)
    training: TrainingSettings = Field(default_factory=TrainingSettings)

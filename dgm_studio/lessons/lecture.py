"""The parts of the lecture that the lessons follow, in its order."""

PARTS = (
    "Autoregressive nets",
    "Boltzmann machines",
    "Belief nets",
    "Approximate inference",
    "Variational auto-encoders",
    "Adversarial nets",
    "Evaluation",
    "Chains",
)

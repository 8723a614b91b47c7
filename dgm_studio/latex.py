"""Plain text as LaTeX that pdfTeX sets without further packages."""

from __future__ import annotations

_SPECIAL = {
    "\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}",
    "<": r"\textless{}", ">": r"\textgreater{}", "|": r"\textbar{}",
    **{sign: f"\\{sign}" for sign in "&%$#_{}"},
}  # fmt: skip
_TEXT = {
    "–": "--", "—": "---", "…": r"\ldots{}", "\u2009": r"\,", "\u202f": r"\,", "\u00a0": "~",
    "“": "``", "”": "''", "‘": "`", "’": "'", "°": r"\textdegree{}",
}  # fmt: skip
_MATHS = {
    "−": "-", "∞": r"\infty", "×": r"\times", "·": r"\cdot", "±": r"\pm", "≤": r"\le", "≥": r"\ge", "≈": r"\approx",
    "≠": r"\ne", "→": r"\to", "←": r"\leftarrow", "↔": r"\leftrightarrow", "∑": r"\sum", "√": r"\surd",
    "∈": r"\in", "∝": r"\propto", "∂": r"\partial", "∇": r"\nabla", "‖": r"\Vert", "∣": r"\mid", "∼": r"\sim",
    **dict(zip("αβγδεζηθικλμνξπρστυφχψω", (
        r"\alpha", r"\beta", r"\gamma", r"\delta", r"\varepsilon", r"\zeta", r"\eta", r"\theta", r"\iota", r"\kappa",
        r"\lambda", r"\mu", r"\nu", r"\xi", r"\pi", r"\rho", r"\sigma", r"\tau", r"\upsilon", r"\varphi", r"\chi",
        r"\psi", r"\omega"), strict=True)),
    **dict(zip("ΓΔΘΛΞΠΣΥΦΨΩ", (
        r"\Gamma", r"\Delta", r"\Theta", r"\Lambda", r"\Xi", r"\Pi", r"\Sigma", r"\Upsilon", r"\Phi", r"\Psi",
        r"\Omega"), strict=True)),
    **{sign: f"^{{{n}}}" for n, sign in enumerate("⁰¹²³⁴⁵⁶⁷⁸⁹")}, "⁻": "^{-}", "⁺": "^{+}",
    **{sign: f"_{{{n}}}" for n, sign in enumerate("₀₁₂₃₄₅₆₇₈₉")}, "₋": "_{-}", "₊": "_{+}",
    "ₖ": "_{k}", "ᵢ": "_{i}", "ⱼ": "_{j}", "ₜ": "_{t}", "ₙ": "_{n}",
}  # fmt: skip
_SIGNS = str.maketrans({**_SPECIAL, **_TEXT, **{sign: f"${maths}$" for sign, maths in _MATHS.items()}, "\n": " "})


def escaped(text: str) -> str:
    """`text` in LaTeX: what LaTeX reads as commands is escaped, and signs of mathematics are set as such. Other letters
    stay as they are: UTF-8 is LaTeX's own encoding since 2018."""
    return text.translate(_SIGNS)

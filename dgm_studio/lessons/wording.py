"""The figure of a check as a sentence: `max(abs(value.near - best.near), abs(value.far - best.far))` as “the larger
distance between the value and the best one in near and far”."""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping, Sequence

from dgm_studio.lessons.expressions import Expression
from dgm_studio.number_texts import signed

_ENDS = {"min": ("smaller", "smallest"), "max": ("larger", "largest")}
_OPERATORS: dict[type[ast.operator], str] = {ast.Add: "plus", ast.Sub: "minus", ast.Mult: "times"}
_LOOSE = (ast.Add, ast.Sub)  # inside another operation their words would run into its own


def worded(figure: Expression, quantities: Mapping[str, str], runs: Mapping[str, str]) -> str:
    """A figure in words, with what quantities are called, and runs where a lesson has more than one. Both may hold
    markup: the words between them have none."""
    of = {run for _, run in figure.values}
    everywhere = of.pop() if len(of) == 1 and len(figure.values) > 1 and len(runs) > 1 else ""
    text = _Words(quantities, {} if everywhere or len(runs) == 1 else runs).of(figure.tree)
    text = f"{text}, in {_called(runs[everywhere])}" if everywhere else text
    return text[:1].upper() + text[1:]


class _Words:
    """Says a tree that was checked; of runs only those that have a name."""

    def __init__(self, quantities: Mapping[str, str], runs: Mapping[str, str]) -> None:
        self._quantities, self._runs = quantities, runs

    def of(self, node: ast.expr) -> str:
        """A part of the figure; what is all of one run has it behind it, once."""
        runs = _runs(node)
        if self._runs and len(runs) == 1 and _count(node) > 1:
            text = _Words(self._quantities, {}).of(node)
            return f"{f'({text})' if _is_loose(node) else text}{self._within(runs)}"
        match node:
            case ast.Constant(value=int() | float() as number):
                return signed(f"{number}")
            case ast.Attribute(value=ast.Name(id=quantity), attr=run):
                return f"{self._quantities[quantity]}{self._within([run])}"
            case ast.UnaryOp(operand=inner):
                return f"minus {self._part(inner)}"
            case ast.BinOp(op=ast.Div()):
                return self._quotient(node)
            case ast.BinOp(left=left, op=ast.Pow(), right=right):
                return f"{self._operand(left)} to the power of {self._operand(right)}"
            case ast.BinOp(left=left, op=sign, right=right):
                second = self._other(left, right, self._operand)
                if _same(left, right) or (isinstance(sign, _LOOSE) and _is_loose(left)):  # said as it is computed
                    return f"{self.of(left)} {_OPERATORS[type(sign)]} {second}"
                return f"{self._operand(left)} {_OPERATORS[type(sign)]} {second}"
            case ast.Call(func=ast.Name(id="abs"), args=[ast.BinOp(left=left, op=ast.Sub(), right=right)]):
                if isinstance(right, ast.Constant):
                    return f"the distance of {self._part(left)} from {self.of(right)}"
                return f"the distance between {self._part(left)} and {self._other(left, right)}"
            case ast.Call(func=ast.Name(id=("min" | "max") as end)):
                return self._end(end, _flat(node, end))
            case ast.Call(func=ast.Name(id=name), args=[argument]):
                return self._function(name, argument)
        raise AssertionError(f"{ast.dump(node)} was not checked")

    def _quotient(self, node: ast.BinOp) -> str:
        left, right = node.left, node.right
        match left, right:
            case (
                ast.Call(func=ast.Name(id="log"), args=[argument]),
                ast.Call(func=ast.Name(id="log"), args=[ast.Constant() as base]),
            ):
                return f"the logarithm of {self._part(argument)} to base {self.of(base)}"
            case (
                ast.Call(func=ast.Name(id=("min" | "max") as one), args=first),
                ast.Call(func=ast.Name(id=("min" | "max") as other), args=second),
            ) if one != other and list(map(ast.dump, first)) == list(map(ast.dump, second)):
                place, names = _over_runs(first)
                if place is not None:
                    words, divisor = _ENDS[one][len(first) > 2], _ENDS[other][len(first) > 2]
                    return f"the {words} {self._bare(place)}, divided by the {divisor}{self._within(names)}"
        if isinstance(right, ast.Constant):
            return f"{self._operand(left)} divided by {self.of(right)}"
        return f"the ratio of {self._part(left)} to {self._other(left, right)}"

    def _end(self, end: str, args: Sequence[ast.expr]) -> str:
        words = _ENDS[end][len(args) > 2]
        place, names = _over_runs(args)
        if place is not None and self._runs:
            return f"the {words} {self._bare(place)}{self._within(names)}"
        return f"the {words} of {_listed([self.of(argument) for argument in args])}"

    def _function(self, name: str, argument: ast.expr) -> str:
        if name == "log" and isinstance(argument, ast.Constant):
            return f"log {self.of(argument)}"
        said = {
            "abs": "the absolute value of {}",
            "log": "the logarithm of {}",
            "exp": "the exponential of {}",
            "sqrt": "the square root of {}",
        }
        return said[name].format(self._part(argument))

    def _bare(self, node: ast.expr) -> str:
        """What is the same in all runs, as what a largest or smallest one is of."""
        text = _Words(self._quantities, {}).of(node)
        return f"value of ({text})" if _is_loose(node) else text.removeprefix("the ")

    def _part(self, node: ast.expr) -> str:
        """Inside something else."""
        text = self.of(node)
        return f"({text})" if _is_loose(node) and not text.startswith("(") else text

    def _operand(self, node: ast.expr) -> str:
        """Where words follow, or go before, that its last ones, or first, would run into."""
        text = self._part(node)
        return f"({text})" if text.startswith("the ") else text

    def _other(self, left: ast.expr, right: ast.expr, say: Callable[[ast.expr], str] | None = None) -> str:
        """The second of two; what they have in common was said of the first, and the rest is to `say`."""
        if self._runs and _same(left, right):
            return f"that{self._within(_runs(right))}"
        match right:
            case ast.Call(func=ast.Name(id=("min" | "max") as end)):
                args = _flat(right, end)
                place, names = _over_runs(args)
                if self._runs and place is not None and _same(left, place):
                    return f"the {_ENDS[end][len(args) > 2]}{self._within(names)}"
        return (say or self._part)(right)

    def _within(self, runs: Sequence[str]) -> str:
        named = [_called(self._runs[run]) for run in runs if run in self._runs]
        return f" in {_listed(named)}" if named else ""


def _called(run: str) -> str:
    return f"“{run}”"


def _listed(parts: Sequence[str]) -> str:
    return " and ".join(part for part in (", ".join(parts[:-1]), parts[-1]) if part)


def _flat(node: ast.expr, end: str) -> list[ast.expr]:
    """The arguments of the smallest of some and the smallest of others, as those of one."""
    match node:
        case ast.Call(func=ast.Name(id=name), args=args) if name == end:
            return [one for argument in args for one in _flat(argument, end)]
    return [node]


def _is_loose(node: ast.expr) -> bool:
    return isinstance(node, ast.BinOp) and isinstance(node.op, _LOOSE)


def _count(node: ast.expr) -> int:
    """Of the quantities in it."""
    return sum(isinstance(of, ast.Attribute) for of in ast.walk(node))


def _runs(node: ast.expr) -> list[str]:
    """The runs that are named in it, each once."""
    return list(dict.fromkeys(of.attr for of in ast.walk(node) if isinstance(of, ast.Attribute)))


def _same(one: ast.expr, other: ast.expr) -> bool:
    """Whether they are the same but for their runs, of which each has one."""
    return len(_runs(one)) == len(_runs(other)) == 1 and _of_any_run(one) == _of_any_run(other)


def _of_any_run(node: ast.expr) -> str:
    text = ast.unparse(node)
    for run in _runs(node):
        text = text.replace(f".{run}", ".")
    return text


def _over_runs(args: Sequence[ast.expr]) -> tuple[ast.expr | None, list[str]]:
    """The first of several that are the same but for their runs, and these runs; None where they are not."""
    first = args[0]
    if len(args) > 1 and all(_same(first, other) for other in args[1:]):
        return first, [_runs(argument)[0] for argument in args]
    return None, []

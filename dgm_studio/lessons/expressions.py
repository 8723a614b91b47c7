"""Figures of a check: arithmetic over quantities of runs, as `modes.unrolled - modes.plain`."""

from __future__ import annotations

import ast
import math
import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass

Value = tuple[str, str]  # quantity, run

_BINARY: dict[type[ast.operator], Callable[[float, float], float]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.Pow: math.pow,  # which has no complex roots
}
_OF_ONE: dict[str, Callable[[float], float]] = {"abs": abs, "log": math.log, "exp": math.exp, "sqrt": math.sqrt}
_OF_SOME: dict[str, Callable[[list[float]], float]] = {"min": min, "max": max}
_FUNCTIONS = (*_OF_ONE, *_OF_SOME)
_LONGEST = 500  # characters


class BadExpression(ValueError):
    """A text that is no figure; the sentence says what it may hold."""


@dataclass(frozen=True)
class Expression:
    """A figure and the values that it needs, each once, in the order in which they stand in it."""

    text: str
    values: tuple[Value, ...]
    tree: ast.expr

    def of(self, values: Mapping[Value, float]) -> float:
        """The figure; NaN where it is not defined (the logarithm of a negative number, say)."""
        try:
            return float(_value(self.tree, values))
        except (ValueError, ZeroDivisionError, OverflowError):
            return math.nan

    @classmethod
    def read(cls, text: str) -> Expression:
        """Raises BadExpression."""
        if len(text) > _LONGEST:
            raise BadExpression(f"has more than {_LONGEST} characters")
        try:
            tree = ast.parse(text.strip(), mode="eval").body
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            raise BadExpression(f"{text!r} is no arithmetic over QUANTITY.RUN and numbers") from None
        found: dict[Value, None] = {}
        _check(tree, found)
        return cls(text.strip(), tuple(found), tree)


def _check(node: ast.expr, found: dict[Value, None]) -> None:
    match node:
        case ast.Constant(value=int() | float()) if not isinstance(node.value, bool):
            pass
        case ast.Attribute(value=ast.Name(id=quantity), attr=run):
            found[quantity, run] = None
        case ast.UnaryOp(op=ast.USub(), operand=inner):
            _check(inner, found)
        case ast.BinOp(op=sign) if type(sign) in _BINARY:
            _check(node.left, found)
            _check(node.right, found)
        case ast.Call(func=ast.Name(id=name), args=arguments, keywords=[]) if name in _FUNCTIONS:
            if name in _OF_ONE and len(arguments) != 1:
                raise BadExpression(f"{ast.unparse(node)!r}: {name} is of one figure")
            if name in _OF_SOME and len(arguments) < 2:
                raise BadExpression(f"{ast.unparse(node)!r}: {name} is of two figures or more")
            for argument in arguments:
                _check(argument, found)
        case _:
            what = ast.unparse(node)
            known = ", ".join(_FUNCTIONS)
            raise BadExpression(f"{what!r} is none of QUANTITY.RUN, numbers, + - * / ** and {known}")


def _value(node: ast.expr, values: Mapping[Value, float]) -> float:
    match node:
        case ast.Constant(value=number):
            return float(number)  # type: ignore[arg-type]
        case ast.Attribute(value=ast.Name(id=quantity), attr=run):
            return values[quantity, run]
        case ast.UnaryOp(operand=inner):
            return -_value(inner, values)
        case ast.BinOp(left=left, op=sign, right=right):
            return _BINARY[type(sign)](_value(left, values), _value(right, values))
        case ast.Call(func=ast.Name(id=name), args=arguments):
            figures = [_value(argument, values) for argument in arguments]
            if name in _OF_ONE:
                return _OF_ONE[name](figures[0])
            return math.nan if any(map(math.isnan, figures)) else _OF_SOME[name](figures)  # which pass over a NaN
    raise AssertionError(f"{ast.dump(node)} was not checked")

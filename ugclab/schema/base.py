"""What every schema type shares: frozen, closed to unknown fields, and exact about time."""

from decimal import Decimal
from fractions import Fraction
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, PlainSerializer, ValidationError, WithJsonSchema


class Frozen(BaseModel):
    """Base of all schema types: immutable, hashable where its fields are, no unknown fields."""

    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True)


def to_fraction(value: Any) -> Fraction:
    """Read an exact number: a Fraction, an int, "num/den", a decimal string, a float by its shortest form."""
    if isinstance(value, Fraction):
        return value
    if isinstance(value, bool):
        raise ValueError("a number is expected, not a truth value")
    if isinstance(value, int):
        return Fraction(value)
    if isinstance(value, float):
        return Fraction(Decimal(repr(value)))  # 0.1 means 1/10, not the nearest binary double
    if isinstance(value, str):
        return Fraction(value.strip())
    raise ValueError(f"a number is expected, not {type(value).__name__}")


Rational = Annotated[
    Fraction,
    BeforeValidator(to_fraction),
    PlainSerializer(lambda f: f"{f.numerator}/{f.denominator}", return_type=str),
    WithJsonSchema({"type": "string", "pattern": r"^-?\d+/\d+$", "examples": ["30000/1001"]}),
]
"""An exact rational; in JSON as "num/den". Times are seconds, rates are per second."""


def first_fault(error: ValidationError) -> tuple[str, str]:
    """Where the first wrong field of a document lies ("" for the document as a whole), and what is wrong with it."""
    first = error.errors(include_url=False)[0]
    return ".".join(str(part) for part in first["loc"]), first["msg"]

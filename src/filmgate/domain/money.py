"""Count money in whole millionths of a US dollar, never in floats."""

from dataclasses import dataclass
from decimal import ROUND_CEILING, Decimal
from typing import Self

_MICROS = Decimal(1_000_000)


@dataclass(frozen=True, slots=True, order=True)
class Money:
    """An amount of US dollars, kept as integer micro-dollars."""

    micros: int

    @classmethod
    def parse(cls, dollars: str | int | Decimal) -> Self:
        """Return the amount for a decimal number of dollars, rounded up to a micro-dollar."""
        return cls(int((Decimal(dollars) * _MICROS).to_integral_value(ROUND_CEILING)))

    @property
    def dollars(self) -> Decimal:
        """The amount in dollars."""
        return Decimal(self.micros) / _MICROS

    def __add__(self, other: Self) -> Self:
        """Return the sum."""
        return type(self)(self.micros + other.micros)

    def __sub__(self, other: Self) -> Self:
        """Return the difference, which may be negative."""
        return type(self)(self.micros - other.micros)

    def times(self, factor: float | int | Decimal) -> Self:
        """Return the amount multiplied, rounded up to a micro-dollar."""
        whole = int(factor)
        if whole == factor:
            # The usual case: Decimal would set up a context of its own in every task.
            return type(self)(self.micros * whole)
        product = Decimal(self.micros) * Decimal(str(factor))
        return type(self)(int(product.to_integral_value(ROUND_CEILING)))

    def __str__(self) -> str:
        """Write the amount as people read it: ``$0.64``, with more digits only where needed."""
        sign = "-" if self.micros < 0 else ""
        digits = f"{abs(self.dollars):.6f}".rstrip("0")
        whole, _, fraction = digits.partition(".")
        return f"{sign}${whole}.{fraction.ljust(2, '0')}"


FREE = Money(0)

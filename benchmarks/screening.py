"""How often the outlier rule touches a clean cell, and how often it finds a slowed run.

    python benchmarks/screening.py                  the table below, about a minute
    python benchmarks/screening.py --cutoffs        simulate the cut-offs anew

Cells are simulated around T = 20 s with a given spread (standard deviation in % of T); the rule
that judges them is the one in use, ``morocco.screen.outliers.find_outliers``.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable

import numpy as np

from morocco.screen.outliers import CUTOFFS, find_outliers

Noise = Callable[[np.random.Generator, tuple[int, int]], np.ndarray]
T = 20.0


def lognormal(rng: np.random.Generator, shape: tuple[int, int]) -> np.ndarray:
    """Skewness 1.75, as of times with a lower bound and a tail; mean 0, deviation 1."""
    sigma = 0.5
    mean = math.exp(sigma**2 / 2)
    return (rng.lognormal(0, sigma, shape) - mean) / (mean * math.sqrt(math.expm1(sigma**2)))


DISTRIBUTIONS: dict[str, Noise] = {
    "normal": lambda rng, shape: rng.standard_normal(shape),
    "lognormal, skewness 1.75": lognormal,
    # deviation 1: the variance of Student's t is df / (df - 2)
    "heavy tail (t, 5 df)": lambda rng, shape: rng.standard_t(5, shape) * math.sqrt(3 / 5),
}


def cells(noise: Noise, n: int, spread: float, count: int, seed: int) -> list[list[float]]:
    rng = np.random.default_rng([seed, n, round(1000 * spread)])
    return np.maximum(T * (1 + spread * noise(rng, (count, n))), 0.05).tolist()


def false_alarms(noise: Noise, n: int, spread: float, count: int, seed: int) -> float:
    drawn = cells(noise, n, spread, count, seed)
    return sum(bool(find_outliers(cell)) for cell in drawn) / count


def power(
    noise: Noise, n: int, spread: float, factors: tuple[float, ...], count: int, seed: int
) -> float:
    """Share of cells in which every slowed run is found."""
    hits = 0
    for cell in cells(noise, n, spread, count, seed):
        slowed = [value * factor for value, factor in zip(cell, factors, strict=False)]
        found = {outlier.position for outlier in find_outliers(slowed + cell[len(slowed) :])}
        hits += set(range(len(factors))) <= found
    return hits / count


def print_table(count: int, seed: int) -> None:
    print(f"{count} cells a row. Clean: share of clean cells that lose any run. Others: share of")
    print("cells in which the slowed runs are all found: one at 1.5 or 2 times T, two at 1.5.")
    columns = ("distribution", "n", "spread", "clean", "1.5", "2.0", "two 1.5")
    print("{:26}{:>4}{:>8}{:>9}{:>8}{:>8}{:>9}".format(*columns))
    for name, noise in DISTRIBUTIONS.items():
        for n in (3, 4, 5, 8, 10, 20):
            for spread in (0.01, 0.03, 0.10):
                alarm = false_alarms(noise, n, spread, count, seed)
                once = [power(noise, n, spread, (f,), count // 4, seed) for f in (1.5, 2.0)]
                twice = power(noise, n, spread, (1.5, 1.5), count // 4, seed) if n >= 5 else None
                print(
                    f"{name:26}{n:4}{spread:8.0%}{alarm:9.2%}{once[0]:8.1%}{once[1]:8.1%}"
                    + (f"{twice:9.1%}" if twice is not None else f"{'-':>9}")
                )


def print_cutoffs(seed: int) -> None:
    """99.2 % quantile of the largest modified z-score of n normal values, against the table."""
    rng = np.random.default_rng(seed)
    print("   n  simulated  in use")
    for n, used in CUTOFFS.items():
        largest = []
        for _ in range(10):
            values = rng.standard_normal((200_000 if n < 9 else 50_000, n))
            distance = np.abs(values - np.median(values, axis=1, keepdims=True))
            largest.append(0.6745 * distance.max(axis=1) / np.median(distance, axis=1))
        print(f"{n:4}{np.quantile(np.concatenate(largest), 0.992):11.2f}{used:8.2f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cutoffs", action="store_true", help="simulate the cut-offs anew")
    parser.add_argument("--cells", type=int, default=20_000, help="simulated cells a row")
    parser.add_argument("--seed", type=int, default=20210121)
    args = parser.parse_args()
    if args.cutoffs:
        print_cutoffs(args.seed)
    else:
        print_table(args.cells, args.seed)


if __name__ == "__main__":
    main()

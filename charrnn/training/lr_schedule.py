"""The learning rate as a function of the step."""

import math

WARMUP = 0.03  # share of the steps
FLOOR = 0.01  # the last learning rate, as a share of the highest


def learning_rate(step: int, steps: int, highest: float) -> float:
    """Linear warm-up, then half a cosine (Loshchilov and Hutter 2017) down to 1 % of the highest.

    Args:
        step: counted from 0.
        steps: of the whole run.
        highest: the learning rate at the end of the warm-up.
    """
    warmup = max(1, round(WARMUP * steps))
    if step < warmup:
        return highest * (step + 1) / warmup
    remaining = max(1, steps - warmup)
    progress = min(1.0, (step - warmup) / remaining)
    cosine = 1 + math.cos(math.pi * progress)  # from 2 to 0
    share = FLOOR + (1 - FLOOR) * cosine / 2
    return highest * share

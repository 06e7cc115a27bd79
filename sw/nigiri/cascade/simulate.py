"""What a cascade answers and costs, given the confidences of all its models for all images.

Source: HybridServe (arXiv 2505.12566) as its first author's prototype has it: an image starts at the smallest model; a
model that is confident enough answers; one that is not hands on, and how far depends on how unsure it is.
"""
from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nigiri.cascade.errors import CascadeError

__all__ = ["Outcome", "ensemble", "run_cascade"]


@dataclass(frozen=True, kw_only=True, eq=False)
class Outcome:
    """Of a set of images.

    Parameters
    ----------
    accuracy: share of right answers.
    reach: float64 [models], share of images that each model works on.
    energy: mean energy of an image, in the unit of the models' energies.
    answered_by: int64 [images], the model that answered.
    right: bool [images], whether its answer was right.
    energies: float64 [images].
    """

    accuracy: float
    reach: np.ndarray
    energy: float
    answered_by: np.ndarray
    right: np.ndarray
    energies: np.ndarray


def run_cascade(confidence: np.ndarray, correct: np.ndarray, thresholds: np.ndarray, energy: np.ndarray, *,
                skip: bool = True) -> Outcome:
    """Serve every image.

    A model m with later models 1 to n behind it answers when its confidence is at least its threshold.  With `skip`
    the range below the threshold is cut into n equal steps: just below it the next model follows, in the lowest step
    the last one.  Without, the next model always follows.

    Parameters
    ----------
    confidence: float64 [models, images]; correct: bool, the same shape.
    thresholds: [models - 1]; the last model always answers.
    energy: [models], of one image.

    Raises
    ------
    CascadeError: shapes that do not agree, or no model.
    """
    models, images = np.shape(confidence)
    if (np.shape(correct) != (models, images) or np.shape(thresholds) != (models - 1,) or np.shape(energy) != (models,)
            or not models or not images):
        raise CascadeError(f"a cascade of {models} models and {images} images needs as many answers, {models - 1} "
                           f"thresholds and {models} energies, not {np.shape(correct)}, {np.shape(thresholds)} and "
                           f"{np.shape(energy)}")
    at = np.zeros(images, np.int64)                        # the model that works on an image next
    answered = np.full(images, models - 1, np.int64)
    energies = np.zeros(images)
    reach = np.zeros(models)
    for m in range(models):
        here = at == m
        reach[m] = here.mean()
        energies[here] += energy[m]
        if m == models - 1:
            break
        later, limit = models - 1 - m, float(thresholds[m])
        c = confidence[m]
        stays = here & (c >= limit)
        answered[stays] = m
        at[stays] = models
        leaves = here & ~stays
        if skip and limit > 0:
            # c in [limit (n-1-s)/n, limit (n-s)/n) goes s models further than the next.
            step = np.clip(later - 1 - np.floor(c[leaves] * later / limit).astype(np.int64), 0, later - 1)
            at[leaves] = m + 1 + step
        else:
            at[leaves] = m + 1
    right = np.asarray(correct)[answered, np.arange(images)]
    return Outcome(accuracy=float(right.mean()), reach=reach, energy=float(energies.mean()), answered_by=answered,
                   right=right, energies=energies)


def ensemble(logits: np.ndarray, alpha: float) -> np.ndarray:
    """Logits of every model behind every first one, float64 [models, models, images, classes].

    The prototype carries logits along: h <- (1 - alpha) h + alpha logits.  Here h is that of the cascade's first model,
    which every image comes through, so that it does not matter which models were jumped over.  Entry [f, m] is
    (1 - alpha) logits[f] + alpha logits[m], and logits[f] itself for m = f.

    Parameters
    ----------
    logits: [models, images, classes], in one unit (divided by each model's temperature).
    alpha: above 0 and at most 1; 1 uses each model's own.

    Raises
    ------
    CascadeError: alpha out of range.
    """
    if not 0 < alpha <= 1:
        raise CascadeError(f"alpha must be above 0 and at most 1, not {alpha}")
    z = np.asarray(logits, np.float64)
    out: np.ndarray = (1 - alpha) * z[:, None] + alpha * z[None]
    return out

"""Notice images whose background has the other polarity than that of the training images.

A model trained on white digits on black takes black digits on white for something else. The
background is measured at the border: an image's brightness is the median of its outermost pixels.
"""

import numpy as np
import numpy.typing as npt

from jcnn.data.dataset import Dataset

_MOST_IMAGES = 200
# An image of the training set's own kind is rarely so many standard deviations from the mean.
_DEVIATIONS = 4.0
# Uniform backgrounds deviate by less, and compression of an image by more.
_LEAST_DEVIATION = 0.02

Border = tuple[float, float]
"""Mean and standard deviation of the border's brightness over images, in 0..1."""


def border_brightness(images: npt.NDArray[np.uint8]) -> npt.NDArray[np.float64]:
    """The median brightness of the outermost pixels of each image.

    Args:
        images: `(N, H, W, C)` uint8.

    Returns:
        `(N,)` float64, 0 for black to 1 for white. A pixel's brightness is the mean of its
        channels.
    """
    sides = (images[:, 0], images[:, -1], images[:, 1:-1, 0], images[:, 1:-1, -1])
    ring = np.concatenate(sides, axis=1).mean(axis=-1)
    return np.asarray(np.median(ring, axis=1) / 255)


def training_border(dataset: Dataset) -> Border | None:
    """The border's brightness of training images, from up to 200 of them at equal distances.

    None if the data set holds no images, such as features of frozen layers.
    """
    images = dataset.images
    if images.dtype != np.uint8 or images.ndim != 4:
        return None
    count = len(images)
    rows = np.unique(np.linspace(0, count - 1, min(count, _MOST_IMAGES)).astype(np.intp))
    found = border_brightness(np.asarray(images[rows]))
    return round(float(found.mean()), 4), round(float(found.std()), 4)


def has_other_polarity(images: npt.NDArray[np.uint8], border: Border) -> npt.NDArray[np.bool_]:
    """Mark the images whose background is that of inverted training images.

    Their border is nearer to the mean of inverted training images than to that of the training
    images, from which it differs by more than four standard deviations. Photographs, whose
    borders have any brightness, are never marked.

    Args:
        images: `(N, H, W, C)` uint8.
        border: from `training_border`.

    Returns:
        `(N,)` bool.
    """
    mean, deviation = border
    found = border_brightness(images)
    away = np.abs(found - mean)
    is_far = away > _DEVIATIONS * max(deviation, _LEAST_DEVIATION)
    return np.asarray(is_far & (np.abs(found - (1 - mean)) < away))

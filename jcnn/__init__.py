"""Convolutional neural networks in JAX: readable, verified and fast.

The packages, in the order of the data flow:

    jcnn.data      images and labels, from files or packages
    jcnn.ops       pure functions: convolution, pooling, dense, dropout
    jcnn.layers    the same functions with parameters, as Flax NNX modules
    jcnn.models    the zoo, and `summary`
    jcnn.train     fit, evaluate, predict
    jcnn.runs      run folders: save, load, resume

Importing `jcnn` imports none of them, so that `jcnn --help` does not load JAX.
"""

__version__ = "0.1.0"

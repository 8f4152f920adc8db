"""jcnn: convolutional neural networks in JAX, to be read, checked and run at full speed.

The rooms, in the order in which data flows through them:

    jcnn.data      pictures and labels, from files or embedded
    jcnn.ops       pure functions: convolution, pooling, dense, dropout
    jcnn.layers    those functions with parameters, as Flax NNX modules
    jcnn.models    the zoo, and `summary`
    jcnn.train     fit, evaluate, predict
    jcnn.runs       run folders: save, load, resume

Importing this package imports none of them, so that `jcnn --help` need not load JAX.
"""

__version__ = "0.1.0"

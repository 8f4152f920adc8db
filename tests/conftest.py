"""Settings of every test: random cases are new each run, and a failing one can be replayed."""

from hypothesis import settings

# No deadline: the first call of a shape compiles. A failure prints the line that replays it.
settings.register_profile("jcnn", deadline=None, print_blob=True)
settings.load_profile("jcnn")

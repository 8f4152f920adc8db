"""Why a dense network grows with the picture and a convolution does not.

    python -m experiments.parameters_vs_size

Counts, for pictures of 28, 224 and 1024 pixels a side, the parameters of a dense layer of ten
units on the pixels, of a convolution of 32 kernels of 3x3, and of whole models of the zoo.
Nothing is trained and no parameter is drawn, so a model of gigabytes is counted as quickly.

Time: seconds. Expected: 784, 50,176 and 1,048,576 inputs; ten times that and ten biases for the
dense layer; 320 parameters for the convolution at every size. What still grows in a CNN is the
dense layer at its end: pooling makes it grow 16 times more slowly in `conv4`.
--quick is the same.
"""

from experiments.command_line import markdown, parser
from jcnn.models import zoo_summary

SIZES = (28, 224, 1024)


def main(arguments: list[str] | None = None) -> list[list[str]]:
    """Count and print."""
    parser(__doc__).parse_args(arguments)
    rows = []
    for size in SIZES:
        conv4 = zoo_summary("conv4", (size, size, 1), 10)
        convolutions = sum(row.params for row in conv4.layers if row.type == "Conv2D")
        first = next(row for row in conv4.layers if row.type == "Conv2D")
        mlp = zoo_summary("mlp", (size, size, 1), 10)
        inputs = size * size
        numbers = (inputs, 10 * inputs + 10, mlp.params, first.params, convolutions, conv4.params)
        rows.append([f"{size} x {size}", *(f"{number:,}" for number in numbers)])
    header = ["picture", "inputs", "dense 10", "`mlp`", "conv 32 of 3x3"]
    header += ["all convolutions of `conv4`", "`conv4`"]
    print(markdown(header, rows))
    return rows


if __name__ == "__main__":
    main()

"""How the number of parameters grows with the image size, for dense layers and convolutions.

    python -m experiments.parameters_vs_size

Counts the parameters for images of 28, 224 and 1024 pixels per side: of a dense layer of ten units
on the pixels, of a convolution of 32 kernels of 3x3, and of whole models of the zoo. Nothing is
trained or initialised, so even a model of gigabytes takes no time.

Time: seconds. Expected: 784, 50,176 and 1,048,576 inputs; ten times that and ten biases for the
dense layer; 320 parameters for the convolution at every size. In a CNN only the last, dense
layer grows; in `conv4` pooling makes it 16 times smaller.
--quick changes nothing.
"""

from experiments.command_line import markdown, parser
from jcnn.models import zoo_summary

SIZES = (28, 224, 1024)


def main(arguments: list[str] | None = None) -> list[list[str]]:
    """Count the parameters and print the table."""
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
    header = ["image", "inputs", "dense 10", "`mlp`", "conv 32 of 3x3"]
    header += ["all convolutions of `conv4`", "`conv4`"]
    print(markdown(header, rows))
    return rows


if __name__ == "__main__":
    main()

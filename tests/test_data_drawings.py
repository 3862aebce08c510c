"""Drawings brought to the form of MNIST's digits: where the ink is, how large, and whether a network knows them."""

import numpy as np
import pytest

from fastnet import Momentum, Network, train
from fastnet.data import drawings, glyphs, strokes
from fastnet.data.drawings import is_light, otsu, prepare, resized

SHAPE = (240, 330)


def drawn(digit, pen=7.0, centre=(80, 240), light=True):
    """uint8 (240, 330): a digit drawn about as large as 80 x 130 pixels, out of the centre, with soft edges."""
    bits = glyphs._random_bits((1,), (10 * strokes.HANDS, 64))
    points = list(strokes.points_of_hands(bits))[digit * strokes.HANDS] * 65 + np.array([centre[1], centre[0]])
    rows, columns = np.mgrid[: SHAPE[0], : SHAPE[1]]
    distance = np.min([(rows - y) ** 2 + (columns - x) ** 2 for x, y in points], axis=0) ** 0.5
    ink = 255 * np.clip(pen / 2 + 0.5 - distance, 0, 1)
    return np.rint(255 - ink if light else ink).astype(np.uint8)


def mass_centre(image):
    return [image.sum(axis=1 - axis) @ np.arange(image.shape[axis]) / image.sum() for axis in (0, 1)]


def spans(image):
    return [int(np.ptp(np.flatnonzero(image.any(axis=1 - axis)))) + 1 for axis in (0, 1)]


@pytest.mark.parametrize("digit", range(10))
def test_drawings_have_the_place_and_the_size_of_mnist(digit):
    image, steps = prepare(drawn(digit), 28)
    assert (image.dtype, image.shape, image.max()) == (np.uint8, (28, 28), 255)
    assert max(spans(image)) == 20
    assert all(abs(centre - 14) < 0.51 for centre in mass_centre(image))
    assert steps.startswith("inverted, ")
    assert steps.endswith(f"scaled to {spans(image)[1]} x {spans(image)[0]}, centred by mass")


def test_both_kinds_of_background():
    image, steps = prepare(drawn(3, pen=16, light=False), 28)
    np.testing.assert_array_equal(image, prepare(drawn(3, pen=16), 28)[0])
    assert steps.startswith("cropped to ")
    assert (is_light(drawn(3)), is_light(drawn(3, light=False))) == (True, False)


def test_the_place_in_the_picture_does_not_count():
    image = prepare(drawn(5, pen=14), 28)[0]
    other = prepare(drawn(5, pen=14, centre=(160, 70)), 28)[0]
    assert np.abs(image.astype(int) - other).mean() < 3


@pytest.mark.parametrize(("side", "box"), [(8, 6), (14, 10), (56, 40)])
def test_other_sides_have_the_same_share(side, box):
    image, _ = prepare(drawn(2, pen=14), side)
    assert image.shape == (side, side)
    assert max(spans(image)) == box


def test_sizes_are_told_in_pixels_of_the_picture():
    square = np.zeros((1200, 2000), np.uint8)
    square[100:700, 300:600] = 255
    image, steps = prepare(square, 28)
    assert steps == "cropped to 300 x 600, scaled to 10 x 20, centred by mass"
    assert (image[image > 0] == 255).all()


def test_an_image_of_mnist_is_hardly_changed(mnist):
    _, test = mnist
    for image in test.X[:50].reshape(-1, 28, 28):
        assert np.abs(prepare(image, 28)[0].astype(int) - image).mean() < 5


def test_enlarged_digits_of_mnist_are_recognized(mnist, rng):
    data, test = mnist
    net = Network([784, 32, 10], seed=1)
    train(net, data.X[:20000], data.y[:20000], epochs=2, optimizer=Momentum(4.0, ema=True), seed=1)
    images, y = test.X[:300].reshape(-1, 28, 28), test.y[:300]
    pages = [255 - np.pad(image.repeat(8, 0).repeat(8, 1), rng.integers(0, 90, (2, 2))) for image in images]
    accuracy = net.evaluate(test.X[:300], y).accuracy
    assert accuracy > 0.85
    assert net.evaluate(np.array([prepare(page, 28)[0] for page in pages]), y).accuracy > accuracy - 0.02


def test_shadows_and_noise_are_removed(rng):
    clean = drawn(8, pen=14)
    light = np.linspace(1, 0.4, SHAPE[1]) * np.linspace(1, 0.8, SHAPE[0])[:, None]
    photo = (40 + clean * 0.75) * light + 3 * rng.standard_normal(SHAPE)
    image, steps = prepare(photo.clip(0, 255).astype(np.uint8), 28)
    assert "inverted, shadows removed, cropped" in steps
    assert np.abs(image.astype(int) - prepare(clean, 28)[0]).mean() < 12
    corners = [image[:4, :4], image[-4:, :4], image[:4, -4:], image[-4:, -4:]]
    assert not np.any(corners)


@pytest.mark.parametrize("digit", [1, 4, 7])
def test_thin_strokes_are_thickened(digit):
    image, steps = prepare(drawn(digit, pen=1.5), 28)
    assert "strokes thickened" in steps
    thick, plain = prepare(drawn(digit, pen=16), 28)
    assert "thickened" not in plain
    assert 0.6 < image.sum() / thick.sum() < 1.4
    assert max(spans(image)) == 20


@pytest.mark.parametrize("noise", [0, 5])
@pytest.mark.parametrize("level", [0, 200, 255])
def test_an_empty_picture(rng, level, noise):
    empty = (level + noise * rng.random((40, 50))).clip(0, 255).astype(np.uint8)
    with pytest.raises(ValueError, match=r"expected a drawing, got an empty picture"):
        prepare(empty, 28)


def test_a_very_long_picture_is_refused():
    with pytest.raises(ValueError, match=r"at most 10000 pixels a side, got 10001"):
        prepare(np.zeros((1, 10001), np.uint8), 28)


def test_odd_drawings():
    dot = np.zeros((40, 60), np.uint8)
    dot[7, 50] = 255
    image, _ = prepare(dot, 28)
    assert spans(image) == [20, 20]
    line = np.zeros((40, 300), np.uint8)
    line[20] = 255
    assert prepare(line, 28)[0].any()
    far = np.zeros((900, 900), np.uint8)
    far[[3, 890], [5, 880]] = 255
    assert prepare(far, 28)[0].any()


def test_any_picture_gives_an_image_or_a_clear_error(rng):
    refusals = set()
    for _ in range(150):
        shape = rng.integers(1, 70, 2)
        picture = rng.integers(0, rng.choice([2, 30, 256]), shape) * rng.integers(0, 2, shape) ** rng.integers(0, 2)
        try:
            image, _ = prepare(picture.astype(np.uint8), 28)
        except ValueError as error:
            refusals.add(str(error).partition(":")[0])
        else:
            assert image.shape == (28, 28)
            assert image.max() == 255
    assert refusals == {"expected a drawing, got an empty picture"}


def test_otsu_parts_two_groups(rng):
    levels = np.concatenate([rng.normal(20, 4, 900), rng.normal(90, 9, 60)])
    assert 30 < otsu(levels) < 65


def test_resizing_takes_the_mean_of_areas(rng):
    picture = rng.random((30, 42), np.float32)
    np.testing.assert_allclose(resized(picture, 10, 6), picture.reshape(10, 3, 6, 7).mean(axis=(1, 3)), rtol=1e-5)
    np.testing.assert_allclose(resized(picture, 60, 84), picture.repeat(2, 0).repeat(2, 1), rtol=1e-5)
    for shape in ((7, 11), (31, 100)):
        assert resized(picture, *shape).mean() == pytest.approx(picture.mean(), rel=1e-5)


def test_shadows_are_found_on_a_coarse_grid_whatever_the_size():
    ramp = np.tile(np.linspace(0, 90, 400, dtype=np.float32), (300, 1))
    assert np.abs(drawings._opened(ramp) - ramp)[40:-40, 40:-40].max() < 8

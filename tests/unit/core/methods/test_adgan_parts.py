import numpy as np
import pytest
import torch

from napari_cellseg_ssl.core.data.maps import RECONSTRUCTION
from napari_cellseg_ssl.core.data.synthetic_masks import MaskPrior, draw_mask
from napari_cellseg_ssl.core.errors import WrongOption
from napari_cellseg_ssl.core.methods.adgan import METHOD
from napari_cellseg_ssl.core.methods.adgan.domains import IMAGE, MASK, domain
from napari_cellseg_ssl.core.methods.adgan.empty_fields import is_only_noise
from napari_cellseg_ssl.core.methods.adgan.greys import Greys, greys_for
from napari_cellseg_ssl.core.methods.adgan.learner import route
from napari_cellseg_ssl.core.methods.adgan.network import AdganPredictor
from napari_cellseg_ssl.core.methods.adgan.options import AdganSegmentOptions
from napari_cellseg_ssl.core.methods.adgan.pool import SIZE, ReplayPool
from napari_cellseg_ssl.core.methods.adgan.prior import estimate_coverage
from napari_cellseg_ssl.core.methods.adgan.segment import segment_frame
from napari_cellseg_ssl.core.metrics.scores import image_scores
from napari_cellseg_ssl.core.nets.adaptive_autoencoder import AutoEncoder, adaptive_norm
from napari_cellseg_ssl.core.nets.domain_discriminator import DomainDiscriminator

ALONE = Greys(weights=np.ones(1, np.float32), is_dark=False, gamma=1.0)


def network(ndim=2, seed=0, **settings):
    torch.manual_seed(seed)
    return AutoEncoder(ndim=ndim, **{"width": 8, "blocks": 1, "upsampling": "resize"} | settings)


def predictor(net=None, diameter=14.0):
    return AdganPredictor((net or network()).eval(), ALONE, working_diameter=diameter, device="cpu")


def cells(shape=(96, 96), diameter=14.0, coverage=0.25, seed=0, rim=False):
    prior = MaskPrior(diameter=diameter, coverage=(coverage,), rim=rim)
    return draw_mask(prior, shape, np.random.default_rng(seed))


def photographed(labels, noise=0.05, seed=0):
    """A normalised picture (1, *S) of bright objects."""
    grain = np.random.default_rng(seed).normal(0, noise, labels.shape)
    return (0.1 + 0.8 * (labels > 0) + grain).astype(np.float32)[np.newaxis]


# --- normalisation ---------------------------------------------------------------------------------------------------


def test_features_get_the_mean_and_the_spread_of_the_style():
    features = 3 * torch.randn(2, 4, 9, 11) + 5
    style = torch.randn(2, 8)

    normed = adaptive_norm(features, style)

    torch.testing.assert_close(normed.mean((2, 3)), style[:, :4], atol=1e-4, rtol=0)
    torch.testing.assert_close(normed.std((2, 3), correction=0), (1 + style[:, 4:]).abs(), atol=1e-3, rtol=0)


def test_a_style_of_zeros_is_a_plain_normalisation():
    features = torch.randn(2, 4, 6, 7, 5)

    plain = torch.nn.functional.instance_norm(features)

    torch.testing.assert_close(adaptive_norm(features, torch.zeros(2, 8)), plain, atol=1e-5, rtol=0)


def test_given_moments_do_what_measured_ones_do():
    features, style = torch.randn(1, 4, 9, 9), torch.randn(1, 8)
    variance, mean = torch.var_mean(features, (2, 3), correction=0, keepdim=True)

    given = adaptive_norm(features, style, lambda _: (mean, variance))

    torch.testing.assert_close(given, adaptive_norm(features, style), atol=1e-5, rtol=0)


def test_styles_are_as_long_as_in_the_paper():
    net = AutoEncoder(width=64, blocks=4)

    assert sum(net.encoder.style.sizes) == 4992
    assert sum(net.decoder.style.sizes) == 4480
    assert sum(p.numel() for p in net.encoder.parameters()) == pytest.approx(5.42e6, rel=0.01)
    assert sum(p.numel() for p in net.decoder.parameters()) == pytest.approx(5.39e6, rel=0.01)


def test_every_part_of_a_style_is_used():
    net, images = network(blocks=2), torch.randn(2, 1, 16, 16)

    for half, shown in ((net.encoder, images), (net.decoder, net.encoder(images, domain(IMAGE, 2)).detach())):
        last = half.style.layers[-1]
        half(shown, domain(MASK, 2)).square().sum().backward()
        assert (last.bias.grad != 0).float().mean() > 0.9


def test_the_domain_changes_what_comes_out():
    net, images = network(), torch.randn(1, 1, 24, 24)

    assert not torch.allclose(
        net(images, domain(IMAGE, 1), domain(IMAGE, 1)), net(images, domain(IMAGE, 1), domain(MASK, 1))
    )
    assert not torch.allclose(net.encoder(images, domain(IMAGE, 1)), net.encoder(images, domain(MASK, 1)))


def test_an_encoder_that_is_not_told_the_domain_does_the_same_for_both():
    net, images = network(domain_in_encoder=False), torch.randn(1, 1, 24, 24)

    assert torch.equal(net.encode(images, domain(IMAGE, 1)), net.encode(images, domain(MASK, 1)))
    assert not torch.allclose(
        net(images, domain(IMAGE, 1), domain(IMAGE, 1)), net(images, domain(IMAGE, 1), domain(MASK, 1))
    )


# --- training --------------------------------------------------------------------------------------------------------


def losses_of(net):
    torch.manual_seed(1)
    images = torch.randn(2, 1, 24, 24)
    contents = net.encoder(images, domain(IMAGE, 2))
    same = (net.decoder(contents, domain(IMAGE, 2)) - images).abs().mean()
    rest = net.decoder(contents, domain(MASK, 2)).square().mean()
    return same, rest


def gradients(net, teach):
    net.zero_grad(set_to_none=True)
    teach(*losses_of(net))
    return {name: p.grad.clone() for name, p in net.named_parameters()}


def test_only_reconstructions_teach_the_decoder_and_everything_teaches_the_encoder():
    net = network()
    routed = gradients(net, lambda same, rest: route(net, same, rest))
    alone = gradients(net, lambda same, rest: same.backward())
    together = gradients(net, lambda same, rest: (same + rest).backward())

    for name, gradient in routed.items():
        expected = alone if name.startswith("decoder") else together
        torch.testing.assert_close(gradient, expected[name], atol=1e-6, rtol=1e-4)
    assert any(not torch.allclose(alone[name], together[name]) for name in alone if name.startswith("decoder.style"))


def test_the_discriminator_judges_by_the_map_of_the_domain_alone():
    torch.manual_seed(0)
    critic, images = DomainDiscriminator(width=8, patch=(32, 32)), torch.randn(2, 1, 32, 32)
    before = critic(images, domain(MASK, 2))

    with torch.no_grad():
        critic.layers[-1].weight[int(IMAGE)] += 1.0

    assert before.shape == (2, 2, 2)
    torch.testing.assert_close(critic(images, domain(MASK, 2)), before)
    assert not torch.allclose(critic(images, domain(IMAGE, 2)), before)


def test_crops_too_small_to_judge_are_refused_in_words():
    with pytest.raises(WrongOption, match="24 x 24 px"):
        DomainDiscriminator(width=8, patch=(20, 64))
    with pytest.raises(WrongOption, match="8 x 24 x 24 px"):
        DomainDiscriminator(width=8, patch=(4, 64, 64))


@pytest.mark.parametrize("depth", [8, 12, 16, 24, 32])
def test_thin_volumes_can_be_judged(depth):
    judged = DomainDiscriminator(width=4, patch=(depth, 32, 32))(torch.randn(1, 1, depth, 32, 32), domain(MASK, 1))

    assert min(judged.shape) >= 1
    assert torch.isfinite(judged).all()


def test_the_pool_keeps_fifty_images_and_mixes_old_ones_in():
    pool, rng = ReplayPool(), np.random.default_rng(0)
    for step in range(40):
        images = torch.full((4, 1, 2, 2), float(step), requires_grad=True)
        shown = pool.exchange(images, rng)

    assert len(pool.images) == SIZE
    assert shown.shape == (4, 1, 2, 2)
    assert len({float(one.mean()) for one in pool.images}) > 10
    assert not any(one.requires_grad for one in pool.images)


def test_the_pool_holds_copies():
    pool, images = ReplayPool(), torch.zeros(2, 1, 2, 2)
    pool.exchange(images, np.random.default_rng(0))

    images += 1

    assert all(float(one.sum()) == 0 for one in pool.images)


# --- what the network is shown ---------------------------------------------------------------------------------------


def test_whatever_is_rarer_is_made_bright():
    bright = photographed(cells().labels)[np.newaxis]

    for crops, is_dark in ((bright, False), (1 - bright, True)):
        greys = greys_for(crops, polarity="auto", gamma=0.5)
        assert greys.is_dark == is_dark
        assert greys(crops).min() >= -1
        assert np.corrcoef(greys(crops).ravel(), bright.ravel())[0, 1] > 0.9
    assert greys_for(bright, polarity="dark", gamma=0.5).is_dark


def test_brightness_comes_back_from_greys():
    crops = np.random.default_rng(0).random((2, 1, 8, 8)).astype(np.float32)

    for is_dark in (False, True):
        greys = Greys(weights=np.ones(1, np.float32), is_dark=is_dark, gamma=0.5)
        np.testing.assert_allclose(greys.brightness(greys(crops)), crops, atol=1e-5)


def test_the_coverage_is_that_of_the_images():
    greys = np.stack([2 * photographed(cells(coverage=share, seed=n).labels) - 1 for n, share in enumerate((0.1, 0.3))])

    sparse, dense = estimate_coverage(greys)

    assert sparse == pytest.approx(0.1, abs=0.04)
    assert dense == pytest.approx(0.3, abs=0.06)


@pytest.mark.parametrize("shape", [(128, 128), (24, 48, 48)])
def test_noise_is_told_from_objects(shape):
    noise = np.random.default_rng(0).normal(0.5, 0.2, shape).astype(np.float32)
    labels = cells(shape, coverage=0.1).labels

    assert is_only_noise(noise[np.newaxis], 14.0)
    assert is_only_noise(np.full((1, *shape), 0.3, np.float32), 14.0)
    assert not is_only_noise(photographed(labels), 14.0)
    assert not is_only_noise((noise + 0.5 * (labels > 0))[np.newaxis], 14.0)


# --- prediction ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(33, 47), (5, 90), (13, 22, 19)])
@pytest.mark.parametrize("upsampling", ["resize", "transposed"])
def test_images_of_any_size_are_translated_into_masks_of_that_size(shape, upsampling):
    crops = np.random.default_rng(0).random((2, 1, *shape)).astype(np.float32)

    maps = predictor(network(len(shape), upsampling=upsampling))(crops, np.zeros((2, len(shape)), int))

    for name in ("translated-mask", "intensity"):
        assert maps[name].shape == crops.shape
        assert maps[name].dtype == np.float32
    assert np.abs(maps["translated-mask"]).max() <= 1


def test_tiles_of_a_field_are_normalised_by_the_whole_field():
    field = photographed(cells((160, 160)).labels)
    known = predictor().for_field(field)
    origin = np.zeros((1, 2), int)

    whole = known(field[np.newaxis], origin)["translated-mask"]
    tile = known(field[np.newaxis, :, :120, :120], origin)["translated-mask"]
    alone = predictor()(field[np.newaxis, :, :120, :120], origin)["translated-mask"]

    inner = (..., slice(0, 120 - known.halo), slice(0, 120 - known.halo))
    np.testing.assert_allclose(tile[inner], whole[inner], atol=1e-4)
    assert np.abs(alone[inner] - whole[inner]).max() > 1e-2


def test_large_fields_are_judged_by_parts_of_them(monkeypatch):
    monkeypatch.setattr("napari_cellseg_ssl.core.methods.adgan.network.FIELD", 64 * 64)
    field = photographed(cells((300, 200)).labels)

    maps = predictor().for_field(field)(field[np.newaxis], np.zeros((1, 2), int))

    assert maps["translated-mask"].shape == (1, 1, 300, 200)


def test_nothing_is_found_in_empty_fields():
    noise = np.random.default_rng(0).normal(0.5, 0.2, (1, 96, 96)).astype(np.float32)

    for field in (noise, np.zeros((1, 96, 96), np.float32)):
        maps = predictor().for_field(field)(field[np.newaxis], np.zeros((1, 2), int))
        assert (maps["translated-mask"] == -1).all()


def test_an_image_becomes_its_mask_by_degrees():
    image = photographed(cells().labels)
    one, nowhere = predictor(), np.zeros((1, 2), int)
    greys = np.clip(2 * image[np.newaxis] - 1, -1, 1)

    between = [one.towards(tau)(image[np.newaxis], nowhere)["translated-mask"] for tau in (0, 0.5, 1)]

    np.testing.assert_allclose(between[0], one.translate(greys, IMAGE, IMAGE), atol=1e-6)
    np.testing.assert_allclose(between[2], one.translate(greys, IMAGE, MASK), atol=1e-6)
    assert np.abs(between[1] - between[0]).max() > 1e-3


def test_on_the_way_to_a_mask_the_statistics_of_the_field_are_those_of_the_way():
    image, nowhere = photographed(cells().labels), np.zeros((1, 2), int)
    half = predictor().towards(0.5)

    informed = half.for_field(image)(image[np.newaxis], nowhere)["translated-mask"]

    # 0.2 and more with those of the way to the mask
    assert np.abs(informed - half(image[np.newaxis], nowhere)["translated-mask"]).mean() < 0.02


def test_an_image_is_redrawn_with_the_statistics_of_that_way():
    image, nowhere = photographed(cells().labels), np.zeros((1, 2), int)

    redrawn = predictor().reconstructing().for_field(image)(image[np.newaxis], nowhere)[RECONSTRUCTION.name]

    greys = predictor().towards(IMAGE)(image[np.newaxis], nowhere)["translated-mask"]
    assert np.abs(redrawn - (greys + 1) / 2).mean() < 0.01


def test_an_empty_field_fades_into_an_empty_mask():
    noise = np.random.default_rng(0).normal(0.5, 0.2, (1, 96, 96)).astype(np.float32)
    one = predictor()

    faded = one.towards(0.5).for_field(noise)(noise[np.newaxis], np.zeros((1, 2), int))["translated-mask"]

    greys = np.clip(2 * noise[np.newaxis] - 1, -1, 1)
    np.testing.assert_allclose(faded, (greys - 1) / 2, atol=1e-6)


# --- instances -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("split", ["shape", "rim"])
@pytest.mark.parametrize("shape", [(160, 160), (40, 64, 64)])
def test_ideal_masks_give_back_every_object(split, shape):
    mask = cells(shape, diameter=20.0, coverage=0.3, rim=split == "rim", seed=3)

    found = segment_frame(
        mask.image, 20.0, AdganSegmentOptions(split=split, threshold=-0.5, smoothing=0.0, smallest=0.02)
    )

    assert image_scores(mask.labels, found).f1_50 > 0.95


def test_touching_objects_are_told_apart_by_their_rims():
    grid = np.indices((60, 80))
    labels = np.zeros((60, 80), np.int32)
    for index, x in enumerate((25, 49), start=1):
        labels[((grid[0] - 30) ** 2 + (grid[1] - x) ** 2 <= 12**2) & (labels == 0)] = index
    from napari_cellseg_ssl.core.data.synthetic_masks import objects_to_mask

    found = segment_frame(objects_to_mask(labels, rim=True), 24.0, AdganSegmentOptions(split="rim", threshold=-0.5))

    assert found.max() == 2
    assert image_scores(labels, found).seg > 0.9


def test_objects_too_dim_for_a_core_are_kept_whole():
    mask = np.full((60, 60), -1.0, np.float32)
    mask[20:40, 20:40] = 0.0

    assert segment_frame(mask, 20.0, AdganSegmentOptions(split="rim", threshold=-0.5)).max() == 1


def test_the_method_describes_both_ways_to_split():
    assert {"shape", "rim"} == set(
        METHOD.info.segment_options.__dataclass_fields__["split"].metadata["option"]["choices"]
    )

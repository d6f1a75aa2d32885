# ruff: noqa: E402, F811
import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torchvision.transforms import v2

from dalib_edu.data import drawn_apart

MEAN, STD = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]


# mutant a random flip: random
def eval_transform(size):
    return v2.Compose(
        [
            v2.ToImage(),
            v2.Resize(round(size * 8 / 7)),
            v2.CenterCrop(size),
            v2.RandomHorizontalFlip(),
            v2.ToDtype(torch.float32, scale=True),
            v2.Normalize(MEAN, STD),
        ]
    )


# mutant a random crop: random
def eval_transform(size):
    return v2.Compose(
        [
            v2.ToImage(),
            v2.Resize(round(size * 8 / 7)),
            v2.RandomCrop(size),
            v2.ToDtype(torch.float32, scale=True),
            v2.Normalize(MEAN, STD),
        ]
    )


# mutant a random resized crop: random
def eval_transform(size):
    return v2.Compose(
        [
            v2.ToImage(),
            v2.RandomResizedCrop(size),
            v2.ToDtype(torch.float32, scale=True),
            v2.Normalize(MEAN, STD),
        ]
    )


# mutant not normalised: not_normalised
def eval_transform(size):
    return v2.Compose(
        [
            v2.ToImage(),
            v2.Resize(round(size * 8 / 7)),
            v2.CenterCrop(size),
            v2.ToDtype(torch.float32, scale=True),
        ]
    )


# mutant 0 to 255: not_normalised
def eval_transform(size):
    return v2.Compose(
        [
            v2.ToImage(),
            v2.Resize(round(size * 8 / 7)),
            v2.CenterCrop(size),
            v2.ToDtype(torch.float32),
        ]
    )


# mutant not scaled: not_scaled
def eval_transform(size):
    return v2.Compose(
        [
            v2.ToImage(),
            v2.Resize(round(size * 8 / 7)),
            v2.CenterCrop(size),
            v2.ToDtype(torch.float32),
            v2.Normalize(MEAN, STD),
        ]
    )


# mutant one half for mean and std: wrong_statistics
def eval_transform(size):
    return v2.Compose(
        [
            v2.ToImage(),
            v2.Resize(round(size * 8 / 7)),
            v2.CenterCrop(size),
            v2.ToDtype(torch.float32, scale=True),
            v2.Normalize([0.5] * 3, [0.5] * 3),
        ]
    )


# mutant mean and std swapped: wrong_statistics
def eval_transform(size):
    return v2.Compose(
        [
            v2.ToImage(),
            v2.Resize(round(size * 8 / 7)),
            v2.CenterCrop(size),
            v2.ToDtype(torch.float32, scale=True),
            v2.Normalize(STD, MEAN),
        ]
    )


# mutant both sides resized: squashed
def eval_transform(size):
    return v2.Compose(
        [
            v2.ToImage(),
            v2.Resize((size, size)),
            v2.ToDtype(torch.float32, scale=True),
            v2.Normalize(MEAN, STD),
        ]
    )


# mutant both sides resized, then cropped: squashed
def eval_transform(size):
    return v2.Compose(
        [
            v2.ToImage(),
            v2.Resize((round(size * 8 / 7),) * 2),
            v2.CenterCrop(size),
            v2.ToDtype(torch.float32, scale=True),
            v2.Normalize(MEAN, STD),
        ]
    )


# mutant no margin: no_margin
def eval_transform(size):
    return v2.Compose(
        [
            v2.ToImage(),
            v2.Resize(size),
            v2.CenterCrop(size),
            v2.ToDtype(torch.float32, scale=True),
            v2.Normalize(MEAN, STD),
        ]
    )


# mutant cropped only: not_resized
def eval_transform(size):
    return v2.Compose(
        [
            v2.ToImage(),
            v2.CenterCrop(size),
            v2.ToDtype(torch.float32, scale=True),
            v2.Normalize(MEAN, STD),
        ]
    )


# mutant cut off in place of rounded: not_rounded
def eval_transform(size):
    return v2.Compose(
        [
            v2.ToImage(),
            v2.Resize(int(size * 8 / 7)),
            v2.CenterCrop(size),
            v2.ToDtype(torch.float32, scale=True),
            v2.Normalize(MEAN, STD),
        ]
    )


# mutant rounded up: not_rounded
def eval_transform(size):
    return v2.Compose(
        [
            v2.ToImage(),
            v2.Resize(-(-size * 8 // 7)),
            v2.CenterCrop(size),
            v2.ToDtype(torch.float32, scale=True),
            v2.Normalize(MEAN, STD),
        ]
    )


# mutant resized only: wrong_shape
def eval_transform(size):
    return v2.Compose(
        [
            v2.ToImage(),
            v2.Resize(round(size * 8 / 7)),
            v2.ToDtype(torch.float32, scale=True),
            v2.Normalize(MEAN, STD),
        ]
    )


# mutant 224 pixels whatever the size: wrong_shape
def eval_transform(size):
    return v2.Compose(
        [
            v2.ToImage(),
            v2.Resize(256),
            v2.CenterCrop(224),
            v2.ToDtype(torch.float32, scale=True),
            v2.Normalize(MEAN, STD),
        ]
    )


# mutant no float: raised
def eval_transform(size):
    return v2.Compose(
        [
            v2.ToImage(),
            v2.Resize(round(size * 8 / 7)),
            v2.CenterCrop(size),
            v2.Normalize(MEAN, STD),
        ]
    )


# mutant float64: wrong_dtype
def eval_transform(size):
    return v2.Compose(
        [
            v2.ToImage(),
            v2.Resize(round(size * 8 / 7)),
            v2.CenterCrop(size),
            v2.ToDtype(torch.float64, scale=True),
            v2.Normalize(MEAN, STD),
        ]
    )


# mutant whole numbers: wrong_dtype
def eval_transform(size):
    return v2.Compose(
        [
            v2.ToImage(),
            v2.Resize(round(size * 8 / 7)),
            v2.CenterCrop(size),
        ]
    )


# mutant no PIL images: raised
def eval_transform(size):
    return v2.Compose(
        [
            v2.Resize(round(size * 8 / 7)),
            v2.CenterCrop(size),
            v2.ToDtype(torch.float32, scale=True),
            v2.Normalize(MEAN, STD),
        ]
    )


# mutant no tensors: raised
def eval_transform(size):
    return v2.Compose(
        [
            v2.PILToTensor(),
            v2.ToPILImage(),
            v2.ToImage(),
            v2.Resize(round(size * 8 / 7)),
            v2.CenterCrop(size),
            v2.ToDtype(torch.float32, scale=True),
            v2.Normalize(MEAN, STD),
        ]
    )


# mutant nearest: interpolation
def eval_transform(size):
    return v2.Compose(
        [
            v2.ToImage(),
            v2.Resize(round(size * 8 / 7), v2.InterpolationMode.NEAREST),
            v2.CenterCrop(size),
            v2.ToDtype(torch.float32, scale=True),
            v2.Normalize(MEAN, STD),
        ]
    )


# mutant no antialiasing
def eval_transform(size):
    return v2.Compose(
        [
            v2.ToImage(),
            v2.Resize(round(size * 8 / 7), antialias=False),
            v2.CenterCrop(size),
            v2.ToDtype(torch.float32, scale=True),
            v2.Normalize(MEAN, STD),
        ]
    )


# mutant corner: corner
def eval_transform(size):
    return v2.Compose(
        [
            v2.ToImage(),
            v2.Resize(round(size * 8 / 7)),
            v2.Lambda(lambda x: x[..., :size, :size]),
            v2.ToDtype(torch.float32, scale=True),
            v2.Normalize(MEAN, STD),
        ]
    )


# mutant red and blue swapped: bgr
def eval_transform(size):
    return v2.Compose(
        [
            v2.ToImage(),
            v2.Resize(round(size * 8 / 7)),
            v2.CenterCrop(size),
            v2.ToDtype(torch.float32, scale=True),
            v2.Lambda(lambda x: x.flip(-3)),
            v2.Normalize(MEAN, STD),
        ]
    )


# mutant mirrored: flipped
def eval_transform(size):
    return v2.Compose(
        [
            v2.ToImage(),
            v2.Resize(round(size * 8 / 7)),
            v2.CenterCrop(size),
            v2.ToDtype(torch.float32, scale=True),
            v2.RandomHorizontalFlip(1.0),
            v2.Normalize(MEAN, STD),
        ]
    )


# mutant no transform but a picture
def eval_transform(size):
    return torch.zeros(3, size, size)


# mutant no return: returned_none
def eval_transform(size):
    v2.Compose([v2.ToImage(), v2.Resize(round(size * 8 / 7)), v2.CenterCrop(size)])


# mutant the picture itself is changed: input_changed
def inner(size):
    return v2.Compose(
        [
            v2.ToImage(),
            v2.Resize(round(size * 8 / 7)),
            v2.CenterCrop(size),
            v2.ToDtype(torch.float32, scale=True),
            v2.Normalize(MEAN, STD),
        ]
    )


def eval_transform(size):
    def transform(image):
        result = inner(size)(image)
        if isinstance(image, torch.Tensor):
            image.zero_()
        return result

    return transform


# mutant the course's own pieces: reference_called
def eval_transform(size):
    def transform(picture):
        whole = v2.Compose([v2.ToImage(), v2.Resize(round(size * 8 / 7)), v2.CenterCrop(size)])
        return drawn_apart.normalise(whole(picture))

    return transform


# alternative v2
def eval_transform(size):
    return v2.Compose(
        [
            v2.ToImage(),
            v2.Resize(round(size * 8 / 7)),
            v2.CenterCrop(size),
            v2.ToDtype(torch.float32, scale=True),
            v2.Normalize(MEAN, STD),
        ]
    )


# alternative scaled before resizing
def eval_transform(size):
    return v2.Compose(
        [
            v2.ToImage(),
            v2.ToDtype(torch.float32, scale=True),
            v2.Resize(round(size * 8 / 7)),
            v2.CenterCrop(size),
            v2.Normalize(MEAN, STD),
        ]
    )


# alternative other names
def eval_transform(size):
    return v2.Compose(
        [
            v2.ToImage(),
            v2.ToDtype(torch.uint8, scale=True),
            v2.Resize(int(size * 8 / 7 + 0.5), v2.InterpolationMode.BILINEAR, antialias=True),
            v2.CenterCrop((size, size)),
            v2.ToDtype(torch.float32, scale=True),
            v2.Normalize(MEAN, STD),
        ]
    )


# alternative a mean in place of the classes
def eval_transform(size):
    return v2.Compose(
        [
            v2.ToImage(),
            v2.Resize(round(size * 8 / 7)),
            v2.CenterCrop(size),
            v2.Lambda(
                lambda x: (
                    (x / 255 - torch.tensor(MEAN)[:, None, None]) / torch.tensor(STD)[:, None, None]
                )
            ),
        ]
    )


# alternative a function with functional transforms
from torchvision.transforms.v2 import functional as T


def eval_transform(size):
    def transform(image):
        image = T.to_image(image)
        image = T.resize(image, [round(size * 8 / 7)], antialias=True)
        image = T.to_dtype(T.center_crop(image, [size, size]), torch.float32, scale=True)
        return T.normalize(image, mean=MEAN, std=STD)

    return transform


# alternative by hand
class EvalTransform:
    def __init__(self, size):
        self.size, self.short = size, round(size * 8 / 7)

    def __call__(self, image):
        if not isinstance(image, torch.Tensor):
            image = torch.from_numpy(np.array(image)).permute(2, 0, 1)
        batch = image.float()
        batch = batch[None] if image.ndim == 3 else batch
        height, width = batch.shape[-2:]
        sides = [int(side * self.short / min(height, width)) for side in (height, width)]
        batch = F.interpolate(batch, sides, mode="bilinear", antialias=True, align_corners=False)
        top, left = ((side - self.size) // 2 for side in sides)
        batch = batch[..., top : top + self.size, left : left + self.size] / 255
        mean, std = torch.tensor(MEAN).view(3, 1, 1), torch.tensor(STD).view(3, 1, 1)
        batch = (batch - mean) / std
        return batch if image.ndim == 4 else batch[0]


def eval_transform(size):
    return EvalTransform(size)


# alternative Pillow
def one(image, size):
    if isinstance(image, torch.Tensor):
        image = Image.fromarray(image.permute(1, 2, 0).numpy())
    short, (width, height) = round(size * 8 / 7), image.size
    times = short / min(width, height)
    image = image.resize((round(width * times), round(height * times)), Image.BILINEAR)
    left, top = (image.width - size) // 2, (image.height - size) // 2
    pixels = np.asarray(image.crop((left, top, left + size, top + size)), np.float32) / 255
    return torch.from_numpy((pixels - np.float32(MEAN)) / np.float32(STD)).permute(2, 0, 1)


def eval_transform(size):
    def transform(image):
        if isinstance(image, torch.Tensor) and image.ndim == 4:
            return torch.stack([one(single, size) for single in image])
        return one(image, size)

    return transform

# ruff: noqa: F811
import cv2
import numpy as np
import torch


# mutant weights of BGR: bgr
def canny_view(image, low, high):
    return cv2.Canny(cv2.cvtColor(image, cv2.COLOR_BGR2GRAY), low, high)


# mutant edges of the colours: colour
def canny_view(image, low, high):
    return cv2.Canny(image, low, high)


# mutant mean of the channels: mean_grey
def canny_view(image, low, high):
    return cv2.Canny(image.mean(axis=2).astype(np.uint8), low, high)


# mutant one channel: one_channel
def canny_view(image, low, high):
    return cv2.Canny(np.ascontiguousarray(image[:, :, 0]), low, high)


# mutant fixed thresholds: thresholds
def canny_view(image, low, high):
    return cv2.Canny(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), 170, 300)


# mutant low used twice: thresholds
def canny_view(image, low, high):
    return cv2.Canny(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), low, low)


# mutant black on white: inverted
def canny_view(image, low, high):
    return 255 - cv2.Canny(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), low, high)


# mutant zero and one: wrong_range
def canny_view(image, low, high):
    return cv2.Canny(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), low, high) // 255


# mutant float in 0 to 1: wrong_range
def canny_view(image, low, high):
    return cv2.Canny(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), low, high) / 255


# mutant bool: wrong_range
def canny_view(image, low, high):
    return cv2.Canny(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), low, high) > 0


# mutant float 255: wrong_dtype
def canny_view(image, low, high):
    return cv2.Canny(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), low, high).astype(np.float32)


# mutant a third axis: wrong_shape
def canny_view(image, low, high):
    return cv2.Canny(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), low, high)[:, :, None]


# mutant three channels: wrong_shape
def canny_view(image, low, high):
    edges = cv2.Canny(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), low, high)
    return np.repeat(edges[:, :, None], 3, axis=2)


# mutant transposed: wrong_shape
def canny_view(image, low, high):
    return cv2.Canny(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), low, high).T


# mutant squashed to 32: wrong_shape
def canny_view(image, low, high):
    grey = cv2.cvtColor(cv2.resize(image, (32, 32)), cv2.COLOR_RGB2GRAY)
    return cv2.Canny(grey, low, high)


# mutant grey picture: grey_returned
def canny_view(image, low, high):
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    cv2.Canny(grey, low, high)
    return grey


# mutant blurred first: blurred
def canny_view(image, low, high):
    grey = cv2.GaussianBlur(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), (5, 5), 0)
    return cv2.Canny(grey, low, high)


# mutant changes the picture: input_changed
def canny_view(image, low, high):
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    image[:] = grey[:, :, None]
    return cv2.Canny(grey, low, high)


# mutant Sobel instead of Canny
def canny_view(image, low, high):
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY).astype(np.float32)
    x, y = cv2.Sobel(grey, cv2.CV_32F, 1, 0), cv2.Sobel(grey, cv2.CV_32F, 0, 1)
    return np.where(abs(x) + abs(y) > high, 255, 0).astype(np.uint8)


# mutant all black
def canny_view(image, low, high):
    return np.zeros(image.shape[:2], np.uint8)


# mutant float picture: raised
def canny_view(image, low, high):
    grey = image @ np.array([0.299, 0.587, 0.114])
    return cv2.Canny(grey, low, high)


# alternative cvtColor
def canny_view(image, low, high):
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    return cv2.Canny(grey, low, high)


# alternative PIL
def canny_view(image, low, high):
    from PIL import Image

    return cv2.Canny(np.array(Image.fromarray(image).convert("L")), low, high)


# alternative torchvision
def canny_view(image, low, high):
    from torchvision.transforms import v2

    picture = torch.from_numpy(image).permute(2, 0, 1)
    return cv2.Canny(v2.functional.rgb_to_grayscale(picture)[0].numpy(), low, high)


# alternative weights by hand, cut off
def canny_view(image, low, high):
    grey = 0.299 * image[..., 0] + 0.587 * image[..., 1] + 0.114 * image[..., 2]
    return cv2.Canny(grey.astype("uint8"), threshold1=low, threshold2=high)


# alternative reversed channels
def canny_view(image, low, high):
    bgr = np.ascontiguousarray(image[:, :, ::-1])
    return cv2.Canny(cv2.cvtColor(bgr, cv2.COLOR_BGR2GRAY), low, high)


# alternative thresholds the other way round, which OpenCV sorts
def canny_view(image, low, high):
    return cv2.Canny(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), high, low)


# alternative loop
def canny_view(image, low, high):
    height, width, _ = image.shape
    grey = np.zeros((height, width), np.uint8)
    for row in range(height):
        for column in range(width):
            red, green, blue = (int(value) for value in image[row, column])
            grey[row, column] = round(0.299 * red + 0.587 * green + 0.114 * blue)
    return cv2.Canny(grey, low, high)


# alternative single precision, cut off
def canny_view(image, low, high):
    picture = torch.tensor(image).float()
    grey = (picture * torch.tensor([0.299, 0.587, 0.114])).sum(dim=2).byte()
    return cv2.Canny(grey.numpy(), low, high)

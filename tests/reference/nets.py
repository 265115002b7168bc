"""The PyTorch nets of the reference data and of the comparison benchmarks, narrow or full width."""

from torch import nn, flatten


def mlp():
    return nn.Sequential(
        nn.Flatten(), nn.Linear(784, 1024), nn.ReLU(), nn.Linear(1024, 1024), nn.ReLU(),
        nn.Linear(1024, 10))


def lenet(channels=(6, 16), hidden=(120, 84)):
    first, second = channels
    layers = [
        nn.Conv2d(1, first, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(first, second, 5), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten()]
    features = second * 25
    for width in hidden:
        layers += [nn.Linear(features, width), nn.ReLU()]
        features = width
    return nn.Sequential(*layers, nn.Linear(features, 10))


def vgg(blocks=((64, 64), (128, 128), (256, 256), (512, 512)), hidden=512, bias=False):
    """`bias`: of the convolutions, although a norm follows each of them, as in torchvision's."""
    layers, channels = [], 3
    for block in blocks:
        for width in block:
            layers += [nn.Conv2d(channels, width, 3, padding=1, bias=bias), nn.BatchNorm2d(width),
                       nn.ReLU()]
            channels = width
        layers.append(nn.MaxPool2d(2))
    pixels = (32 >> len(blocks)) ** 2
    return nn.Sequential(
        *layers, nn.Flatten(), nn.Linear(channels * pixels, hidden), nn.ReLU(),
        nn.Linear(hidden, 10))


class Block(nn.Module):
    """The basic residual block of ResNet-18."""

    def __init__(self, channels, width, stride):
        super().__init__()
        self.conv1 = nn.Conv2d(channels, width, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.relu = nn.ReLU(inplace=True)
        self.conv2 = nn.Conv2d(width, width, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.downsample = None
        if stride != 1 or channels != width:
            self.downsample = nn.Sequential(
                nn.Conv2d(channels, width, 1, stride, bias=False), nn.BatchNorm2d(width))

    def forward(self, x):
        y = self.bn2(self.conv2(self.relu(self.bn1(self.conv1(x)))))
        return self.relu(y + (x if self.downsample is None else self.downsample(x)))


class ResNet18(nn.Module):
    """stem 'imagenet': 7x7 stride 2 and max pooling, as torchvision's; 'cifar': 3x3 alone."""

    def __init__(self, widths=(64, 128, 256, 512), stem="imagenet"):
        super().__init__()
        first = widths[0]
        if stem == "imagenet":
            self.conv1 = nn.Conv2d(3, first, 7, 2, 3, bias=False)
            self.pool = nn.MaxPool2d(3, 2, 1)
        else:
            self.conv1 = nn.Conv2d(3, first, 3, 1, 1, bias=False)
            self.pool = nn.Identity()
        self.bn1 = nn.BatchNorm2d(first)
        self.relu = nn.ReLU(inplace=True)
        channels = first
        for index, width in enumerate(widths, 1):
            stride = 1 if index == 1 else 2
            setattr(self, f"layer{index}",
                    nn.Sequential(Block(channels, width, stride), Block(width, width, 1)))
            channels = width
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(channels, 10)

    def forward(self, x):
        x = self.pool(self.relu(self.bn1(self.conv1(x))))
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        return self.fc(flatten(self.avgpool(x), 1))

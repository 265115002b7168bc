"""Ten small nets of the usual kinds, for make_exports.py. Each NETS entry makes a net with its data."""

import torch
from torch import nn
from torch.nn import functional as F


class SqueezeExcite(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.down, self.up = nn.Linear(channels, 4), nn.Linear(4, channels)

    def forward(self, x):
        scale = torch.sigmoid(self.up(F.silu(self.down(x.mean((2, 3))))))
        return x * scale[:, :, None, None]


class SqueezeNet(nn.Module):
    """A CNN with squeeze-and-excitation, SiLU and a residual."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 8, 3, 2, 1, bias=False), nn.BatchNorm2d(8), nn.SiLU())
        self.body = nn.Sequential(nn.Conv2d(8, 8, 3, 1, 1, bias=False), nn.BatchNorm2d(8), nn.SiLU())
        self.scale = SqueezeExcite(8)
        self.head = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 10))

    def forward(self, x):
        x = self.stem(x)
        return self.head(x + self.scale(self.body(x)))


class DenseNet(nn.Module):
    """Two dense layers with concatenation, norms before convolutions, a transition."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3, 2, 1, bias=False)
        layer = lambda c: nn.Sequential(nn.BatchNorm2d(c), nn.ReLU(), nn.Conv2d(c, 6, 3, 1, 1, bias=False))
        self.first, self.second = layer(8), layer(14)
        self.transition = nn.Sequential(
            nn.BatchNorm2d(20), nn.ReLU(), nn.Conv2d(20, 12, 1, bias=False), nn.AvgPool2d(2))
        self.head = nn.Linear(12, 10)

    def forward(self, x):
        x = self.stem(x)
        x = torch.cat([x, self.first(x)], 1)
        x = torch.cat([x, self.second(x)], 1)
        return self.head(torch.flatten(F.adaptive_avg_pool2d(self.transition(x), 1), 1))


def depthwise():
    def separable(a, b, stride):
        return [nn.Conv2d(a, a, 3, stride, 1, groups=a, bias=False), nn.BatchNorm2d(a), nn.ReLU6(),
                nn.Conv2d(a, b, 1, bias=False), nn.BatchNorm2d(b), nn.Hardswish()]
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, 2, 1, bias=False), nn.BatchNorm2d(8), nn.Hardswish(),
        *separable(8, 12, 1), *separable(12, 16, 2),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout(0.0), nn.Linear(16, 10))


class Encoder(nn.Module):
    """PyTorch's own encoder layer, norm first."""

    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(32, 16)
        self.position = nn.Parameter(torch.zeros(1, 6, 16))
        self.layer = nn.TransformerEncoderLayer(
            16, 2, 24, dropout=0.0, activation="gelu", batch_first=True, norm_first=True)
        self.norm = nn.LayerNorm(16)
        self.head = nn.Linear(16, 5)

    def forward(self, tokens):
        x = self.embedding(tokens) + self.position
        return self.head(self.norm(self.layer(x)).mean(1))


class Attention(nn.Module):
    def __init__(self, dim, heads, causal):
        super().__init__()
        self.heads, self.causal = heads, causal
        self.qkv, self.out = nn.Linear(dim, 3 * dim), nn.Linear(dim, dim, bias=False)

    def forward(self, x):
        n, t, d = x.shape
        q, k, v = self.qkv(x).chunk(3, dim=-1)
        q, k, v = (y.view(n, t, self.heads, d // self.heads).transpose(1, 2) for y in (q, k, v))
        y = F.scaled_dot_product_attention(q, k, v, is_causal=self.causal)
        return self.out(y.transpose(1, 2).reshape(n, t, d))


class Block(nn.Module):
    def __init__(self, dim, heads, causal):
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(dim), nn.LayerNorm(dim)
        self.attention = Attention(dim, heads, causal)
        self.feed = nn.Sequential(nn.Linear(dim, 2 * dim), nn.GELU(), nn.Linear(2 * dim, dim))

    def forward(self, x):
        x = x + self.attention(self.norm1(x))
        return x + self.feed(self.norm2(x))


class Tied(nn.Module):
    """A masked language model whose output layer is the embedding."""

    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(24, 12)
        self.block = Block(12, 2, False)
        self.norm = nn.LayerNorm(12)
        self.head = nn.Linear(12, 24, bias=False)
        self.head.weight = self.embedding.weight

    def forward(self, tokens):
        return self.head(self.norm(self.block(self.embedding(tokens))))


class LanguageModel(nn.Module):
    """Causal, with a stored table of positions and a mask made from it."""

    def __init__(self):
        super().__init__()
        self.embedding, self.position = nn.Embedding(20, 12), nn.Embedding(8, 12)
        self.blocks = nn.ModuleList(Block(12, 3, True) for _ in range(2))
        self.norm, self.head = nn.LayerNorm(12), nn.Linear(12, 20, bias=False)

    def forward(self, tokens):
        places = torch.arange(tokens.shape[1], device=tokens.device)
        x = self.embedding(tokens) + self.position(places)
        for block in self.blocks:
            x = block(x)
        return self.head(self.norm(x))


class UNet(nn.Module):
    def __init__(self):
        super().__init__()
        double = lambda a, b: nn.Sequential(
            nn.Conv2d(a, b, 3, padding=1, bias=False), nn.BatchNorm2d(b), nn.ReLU(),
            nn.Conv2d(b, b, 3, padding=1), nn.ReLU())
        self.down1, self.down2, self.bottom = double(3, 4), double(4, 6), double(6, 8)
        self.up2, self.up1 = nn.ConvTranspose2d(8, 6, 2, 2), nn.Upsample(scale_factor=2)
        self.merge2, self.merge1 = double(12, 6), double(10, 4)
        self.head = nn.Conv2d(4, 3, 1)

    def forward(self, x):
        a = self.down1(x)
        b = self.down2(F.max_pool2d(a, 2))
        y = self.merge2(torch.cat([b, self.up2(self.bottom(F.max_pool2d(b, 2)))], 1))
        y = self.merge1(torch.cat([a, self.up1(y)], 1))
        return self.head(y).permute(0, 2, 3, 1)


def signal():
    """A 1-D CNN."""
    return nn.Sequential(
        nn.Conv1d(2, 8, 5, 2, 2), nn.BatchNorm1d(8), nn.ELU(), nn.MaxPool1d(2),
        nn.Conv1d(8, 8, 3, padding=2, dilation=2), nn.GroupNorm(2, 8), nn.LeakyReLU(0.1),
        nn.AdaptiveAvgPool1d(1), nn.Flatten(), nn.Linear(8, 4))


def discriminator():
    return nn.Sequential(
        nn.Conv2d(3, 8, 4, 2, 1), nn.LeakyReLU(0.2), nn.Conv2d(8, 12, 4, 2, 1, bias=False),
        nn.BatchNorm2d(12), nn.LeakyReLU(0.2), nn.Conv2d(12, 1, 4, 1, 0), nn.Flatten())


class Vae(nn.Module):
    """The noise is an input; outputs are the reconstruction and the divergence of each sample."""

    def __init__(self):
        super().__init__()
        self.encoder = nn.Sequential(nn.Linear(20, 16), nn.Tanh())
        self.mean, self.log_variance = nn.Linear(16, 4), nn.Linear(16, 4)
        self.decoder = nn.Sequential(nn.Linear(4, 16), nn.Softplus(), nn.Linear(16, 20))

    def forward(self, x, noise):
        h = self.encoder(x)
        mean, log_variance = self.mean(h), self.log_variance(h)
        z = mean + torch.exp(0.5 * log_variance) * noise
        divergence = -0.5 * (1 + log_variance - mean.pow(2) - log_variance.exp()).sum(1, keepdim=True)
        return self.decoder(z), divergence


def classes(count, *shape):
    return lambda: torch.randint(0, count, shape)


# name: net, inputs by name, targets by output with loss kind and weight
NETS = {
    "squeeze": (SqueezeNet, {"input": lambda: torch.randn(6, 3, 16, 16)}, {"logits": ("ce", 1.0, classes(10, 6))}),
    "dense": (DenseNet, {"input": lambda: torch.randn(6, 3, 16, 16)}, {"logits": ("ce", 1.0, classes(10, 6))}),
    "depthwise": (depthwise, {"input": lambda: torch.randn(6, 3, 16, 16)}, {"logits": ("ce", 1.0, classes(10, 6))}),
    "encoder": (Encoder, {"tokens": classes(32, 5, 6)}, {"logits": ("ce", 1.0, classes(5, 5))}),
    "tied": (Tied, {"tokens": classes(24, 4, 7)}, {"logits": ("ce", 1.0, classes(24, 4, 7))}),
    "language": (LanguageModel, {"tokens": classes(20, 4, 8)}, {"logits": ("ce", 1.0, classes(20, 4, 8))}),
    "unet": (UNet, {"input": lambda: torch.randn(2, 3, 8, 8)}, {"logits": ("ce", 1.0, classes(3, 2, 8, 8))}),
    "signal": (signal, {"input": lambda: torch.randn(6, 2, 40)}, {"logits": ("ce", 1.0, classes(4, 6))}),
    "discriminator": (discriminator, {"input": lambda: torch.randn(6, 3, 16, 16)},
                      {"logits": ("bce", 1.0, lambda: torch.randint(0, 2, (6, 1)).float())}),
    "vae": (Vae, {"x": lambda: torch.randn(8, 20), "noise": lambda: torch.randn(8, 4)},
            {"image": ("mse", 1.0, lambda: torch.randn(8, 20)), "divergence": ("mse", 0.25, lambda: torch.zeros(8, 1))}),
}

"""A learning rate that rises linearly and falls along a cosine, as in most recipes since 2019.

SGDR, Loshchilov and Hutter 2017, https://arxiv.org/abs/1608.03983 (Eq. 5, one cycle), after the warm-up of Goyal et al.
2017, https://arxiv.org/abs/1706.02677 (section 2.2).
"""

import math

from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from lightning_modules.errors import checked


class WarmupCosine(LRScheduler):
    """Sets the rate of each epoch, for `--lr_scheduler=lightning_modules.WarmupCosine --lr_scheduler.epochs=300`.

    Args:
        optimizer: optimiser, whose own rate is the highest one.
        epochs: number of epochs of the training; the last one has the lowest rate, still above `final`.
        warmup: number of epochs in which the rate rises, from highest / (warmup + 1).
        final: limit of the falling rate, as a share of the highest one.
        last_epoch: as in torch.

    Raises:
        ModelError: for an epoch count or a share out of range.
    """

    def __init__(
        self, optimizer: Optimizer, epochs: int, warmup: int = 5, final: float = 0.0, last_epoch: int = -1
    ) -> None:
        checked("epochs", epochs, epochs >= 1, "at least 1", "lr_scheduler")
        checked("warmup", warmup, 0 <= warmup < epochs, f"from 0 to below {epochs}, the epochs", "lr_scheduler")
        checked("final", final, 0 <= final <= 1, "from 0 to 1", "lr_scheduler")
        self.epochs, self.warmup, self.final = epochs, warmup, final
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        # After the last epoch the rate stays at `final`; the cosine would rise again.
        epoch = min(self.last_epoch, self.epochs)
        if epoch < self.warmup:
            share = (epoch + 1) / (self.warmup + 1)
        else:
            along = (epoch - self.warmup) / (self.epochs - self.warmup)
            share = self.final + (1 - self.final) * (1 + math.cos(math.pi * along)) / 2
        return [highest * share for highest in self.base_lrs]

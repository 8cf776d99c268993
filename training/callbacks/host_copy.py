"""Copies numbers from the device to the CPU asynchronously, to read them later without waiting for the device."""

import torch


class HostCopy:
    """An asynchronous copy of `tensor` to the CPU, started at construction.

    Reading a GPU's tensor right away (`.item()`, `.tolist()`) waits for all work that was queued before it, and the
    device then idles while the process queues the next step.
    """

    def __init__(self, tensor: torch.Tensor) -> None:
        self._copy = tensor.detach().to("cpu", non_blocking=tensor.is_cuda)
        self._copied = torch.cuda.Event() if tensor.is_cuda else None
        if self._copied:
            self._copied.record()

    @property
    def ready(self) -> bool:
        """Whether `read` would return without waiting; always True for a tensor on the CPU."""
        return self._copied is None or self._copied.query()

    def read(self) -> torch.Tensor:
        """Returns the copy; waits if it is not ready."""
        if self._copied:
            self._copied.synchronize()
        return self._copy

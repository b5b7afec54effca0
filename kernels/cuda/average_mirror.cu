// A network's maps of crops and of their mirror images, averaged in place. The CPU path is kernels.average_mirror.
#include "device.cuh"

struct AverageMirrorParams {
    float* maps;    // (2 B, P, H, W): of B crops, then of their mirror images; the first half becomes the average
    int order[64];  // P entries: the channel that shows in the mirror what this one shows, left for right
    int height;     // H
    int width;      // W
};

// One thread per cell of the first half: it reads its own cell and its mirror image, nobody else reads what it writes.
extern "C" __global__ void __launch_bounds__(256) average_mirror(AverageMirrorParams p) {
    const int cells = p.height * p.width, i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= cells) return;
    const u64 channels = gridDim.y, crop = blockIdx.z, channel = blockIdx.y;
    const int mirrored = i + p.width - 1 - 2 * (i % p.width);
    float* own = p.maps + (crop * channels + channel) * cells + i;
    *own = 0.5f * (*own + p.maps[((gridDim.z + crop) * channels + p.order[channel]) * cells + mirrored]);
}
HOST_ENTRY(average_mirror, AverageMirrorParams)
